"""What the gateway writes down: noted in passing, made into pages and brought to the store by two threads beside it.

A crash loses what was noted in the last `flush_seconds`; after that it is safe on this machine's disk, and in the store
some `upload_seconds` later, or when the store is back. What does not fit is dropped, and counted.
"""

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import monotonic, perf_counter, sleep, time
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from expectations.errors import CannotAsk
from infra.gateway.contract import Answered, Asked, Turned
from infra.gateway.diary.columns import Columns, Hashing
from infra.gateway.diary.metrics import Metrics
from infra.gateway.diary.pages import page
from infra.gateway.diary.spool import STRETCH_SECONDS, Full, Spool
from infra.gateway.diary.truths import Truth, truths_page
from infra.keys import spool_folder, store_secret
from infra.store import Store

LOG = logging.getLogger("seatrial.gateway")
# Nobody waits long for the interpreter while pages are made: so many requests at once, then others have their turn.
AT_ONCE, PAUSE_SECONDS = 256, 0.0005
UNKNOWN = Columns()
Note = tuple[Any, ...]
# Where it goes to, its stretch of time, its schema.
Page = tuple[str, int, pa.Schema]


@dataclass(frozen=True)
class Limits:
    """How long and how much is held: in memory until it is flushed, on disk until it is uploaded.

    Of the memory's bounds the request that reaches one is taken, whatever its size: else large ones never were.
    """

    flush_seconds: float = 2.0
    upload_seconds: float = 10.0
    # Of requests with one row and 30 columns about 6 KB each.
    waiting_rows: int = 20_000
    waiting_bytes: int = 64 << 20
    spool_bytes: int = 256 << 20
    # How often it looks for what dead processes left.
    adopt_seconds: float = 10.0


class Diary:
    """Of one process. `record` and `truths` are for one thread, the event loop's; they never wait."""

    def __init__(self, store: Store, home: Path, metrics: Metrics, limits: Limits | None = None) -> None:
        self._store, self._metrics, self.limits = store, metrics, limits or Limits()
        self._hashing = Hashing(store_secret(home, store.url))
        self._spool = Spool(spool_folder(home, store.url), self.limits.spool_bytes)
        self._columns: dict[str, Columns] = {}
        self._notes: deque[tuple[Any, ...]] = deque()
        self._truths: deque[tuple[float, str, str, Truth]] = deque()
        # Two counters each, of which one thread writes one: to count needs no lock.
        self._rows_in = self._rows_out = self._bytes_in = self._bytes_out = 0
        self._stopping, self._written = Event(), Event()
        self._threads = [Thread(target=self._write_on, daemon=True), Thread(target=self._bring_on, daemon=True)]
        # The last reason why something could not be brought to the store; "" once it was.
        self.trouble = ""

    def start(self) -> "Diary":
        """Begins to write. What dead processes left is brought first."""
        for thread in self._threads:
            thread.start()
        return self

    def stop(self, seconds: float = 10.0) -> None:
        """Everything noted is on disk, and in the store if it takes it in that time; else whoever starts next does."""
        self._stopping.set()
        self._threads[0].join(seconds)
        if self._threads[0].is_alive():
            # A disk that hangs: the files stay, and their lock goes with the process.
            return
        self._threads[1].join(seconds)
        self._spool.leave()

    def know(self, release: str, columns: Columns) -> None:
        """How a release's predictions are written; until it is told none of its inputs are."""
        self._columns[release] = columns

    def record(
        self,
        asked: Asked,
        answered: Answered | None,
        started: float,
        *,
        fell_to: tuple[str, str] | None = None,
        stage: int = -1,
        error: str | None = None,
        shadow: bool = False,
        key: str | None = None,
    ) -> None:
        """Notes a prediction, a failure, or a scoring in the shadow. `started` by perf_counter.

        `fell_to` (arm, release) is whom the request fell to, where it is not whoever answered, as when the challenger
        failed (`error`) and the champion answered. Where nobody did, `answered` is None. `key` is the split's.
        """
        limits = self.limits
        if (
            self._rows_in - self._rows_out >= limits.waiting_rows
            or self._bytes_in - self._bytes_out >= limits.waiting_bytes
        ):
            self._metrics.dropped("predictions", "queue full", asked.rows)
            return
        arm, release = fell_to or (answered.arm, answered.release)  # type: ignore[union-attr]
        self._notes.append(
            (time(), perf_counter() - started, asked, answered, arm, release, stage, error, shadow, key or asked.key)
        )
        self._rows_in += asked.rows
        self._bytes_in += asked.size

    def truths(self, model: str, truths: Sequence[Truth], source: str) -> None:
        """Notes ground truth that `source` brought. Raises Turned (503) where there is no room: it is to come again."""
        if len(self._truths) + len(truths) > self.limits.waiting_rows:
            self._metrics.feedback(model, source, "no room", len(truths))
            wait = max(1, round(self.limits.flush_seconds))
            raise Turned(503, "too much feedback waits to be written. Send it again in a while.", after=wait)
        now = time()
        self._truths.extend((now, model, source, truth) for truth in truths)
        self._metrics.feedback(model, source, "taken", len(truths))

    def _write_on(self) -> None:
        while not self._stopping.is_set():
            self._stopping.wait(self.limits.flush_seconds)
            self.flush()
            self._spool.close(self.limits.upload_seconds)
            self._metrics.spooled(self._spool.bytes)
            self._metrics.keep()
        self.flush()
        self._spool.close()
        self._metrics.keep()
        self._written.set()

    def flush(self) -> None:
        """Everything that was noted up to now is on disk, or counted as dropped. For one thread."""
        try:
            self._flush_predictions(len(self._notes))
            self._flush_truths(len(self._truths))
        except Exception:
            # Whatever it is, the next rows are written.
            LOG.exception("predictions could not be written down")

    def _flush_predictions(self, count: int) -> None:
        pages: dict[Page, list[pa.RecordBatch]] = defaultdict(list)
        for start in range(0, count, AT_ONCE):
            noted = [self._notes.popleft() for _ in range(min(AT_ONCE, count - start))]
            self._rows_out += sum(note[2].rows for note in noted)
            self._bytes_out += sum(note[2].size for note in noted)
            for (model, release, stretch), part in grouped(noted).items():
                if (made := self._page(part, model, release)) is not None:
                    pages[f"predictions/{model}", stretch, made.schema].append(made)
            sleep(PAUSE_SECONDS)
        self._keep("predictions", pages)

    def _page(self, part: Sequence[Note], model: str, release: str) -> pa.RecordBatch | None:
        columns = self._columns.get(release, UNKNOWN)
        try:
            made = page(part, columns, self._hashing)
            self._metrics.distrusted(model, release, distrust(made, columns))
            return made
        except Exception:
            LOG.exception("%d requests of %s could not be written down", len(part), release)
            self._metrics.dropped("predictions", "unwritable", sum(note[2].rows for note in part))
            return None

    def _flush_truths(self, count: int) -> None:
        pages: dict[Page, list[pa.RecordBatch]] = defaultdict(list)
        taken = [self._truths.popleft() for _ in range(count)]
        parts: dict[tuple[str, int], list[tuple[float, str, str, Truth]]] = defaultdict(list)
        for one in taken:
            parts[one[1], stretch_of(one[0])].append(one)
        for (model, stretch), part in parts.items():
            made = truths_page(part)
            pages[f"feedback/{model}", stretch, made.schema].append(made)
        self._keep("feedback", pages)

    def _keep(self, kind: str, pages: Mapping[Page, Sequence[pa.RecordBatch]]) -> None:
        for (prefix, stretch, _), batches in pages.items():
            rows = sum(batch.num_rows for batch in batches)
            try:
                self._spool.append(prefix, stretch, batches)
                self._metrics.written(kind, rows)
            except Full:
                self._metrics.dropped(kind, "spool full", rows)
            except OSError as error:
                self.trouble = f"{self._spool.folder}: {error.strerror}. Make room, or the gateway remembers nothing."
                self._metrics.dropped(kind, "disk", rows)

    def _bring_on(self) -> None:
        looked = -self.limits.adopt_seconds
        while True:
            last, too_long_ago = self._written.is_set(), monotonic() - self.limits.adopt_seconds
            if last or looked <= too_long_ago:
                looked = monotonic()
                self.bring(self._spool.bring_left)
            self.bring(self._spool.bring)
            if last:
                return
            self._written.wait(min(self.limits.upload_seconds, self.limits.flush_seconds))

    def bring(self, take: Callable[[Store], int]) -> None:
        """Brings to the store what is closed; what it does not take is tried again. For one thread."""
        try:
            take(self._store)
            self._metrics.spooled(self._spool.bytes)
            self.trouble = ""
            return
        except (CannotAsk, OSError) as error:
            self.trouble = str(error)
        except Exception as error:
            LOG.exception("the prediction log could not be brought to the store")
            self.trouble = type(error).__name__
        self._metrics.upload_failed()


def grouped(noted: Sequence[Note]) -> dict[tuple[str, str, int], list[Note]]:
    """By model, the release whose outputs they are (or that was to answer), and stretch of time."""
    parts: dict[tuple[str, str, int], list[Note]] = defaultdict(list)
    for note in (note for note in noted if note[2].rows):
        answered = note[3]
        parts[note[2].model, answered.release if answered else note[5], stretch_of(note[0])].append(note)
    return parts


def stretch_of(seconds: float) -> int:
    """Which stretch of time a moment lies in."""
    return int(seconds // STRETCH_SECONDS)


def distrust(made: pa.RecordBatch, columns: Columns) -> dict[str, int]:
    """How many rows that were answered, not only scored in the shadow, each kind of reason speaks against."""
    if "output.reasons" not in made.schema.names:
        return {}
    shown = made.filter(pc.invert(made["shadow"]))["output.reasons"].drop_null().to_numpy()
    return {kind: int((shown >> bit & 1).sum()) for bit, kind in enumerate(columns.reasons)}
