"""One live source as the event loop sees it: what it said of which key, how old that is, and whether to ask it now."""

import asyncio
import math
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from expectations.errors import CannotAsk
from expectations.live import FRESH, STALE, UNANSWERED, UNKNOWN, LiveLookup
from infra.gateway.live.asking import Askers, Job
from infra.sources.live import CUT_AFTER, Key, Looked, open_line

MOST_KEYS = 100_000
MOST_ASKED_AT_ONCE = 10_000
# After so many failures in a row nobody waits for the source; every few seconds one key is asked for all the same.
FAILURES, RETRY_SECONDS = 3, 5.0
# A key that is in use is asked for again a little before its answer stops being fresh, and nobody waits for it.
AHEAD = 0.8


@dataclass
class Counts:
    """What came of keys, each once for a request: fresh, stale, unanswered or unknown; how many had to be `asked` for,
    and in how many requests that was too `late`. Questions that `failed`, and answers that were `wrong`."""

    fresh: int = 0
    stale: int = 0
    unanswered: int = 0
    unknown: int = 0
    asked: int = 0
    late: int = 0
    failed: int = 0
    wrong: int = 0


@dataclass(slots=True)
class Kept:
    """What the source said of a key, and when. None of values: it holds no such key."""

    values: tuple[float, ...] | None
    at: float


class LiveSource:
    """Values by key, with their state. Only the event loop's thread touches what is kept here."""

    def __init__(
        self, name: str, live: LiveLookup, columns: Sequence[str], now: Callable[[], float] = time.monotonic
    ) -> None:
        self.name, self.counts, self.problem = name, Counts(), ""
        self._live, self._now, self._limit = live, now, live.timeout_ms / 1000
        self._nothing = (math.nan,) * len(columns)
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._asked: dict[Key, asyncio.Future[bool]] = {}
        self._failures, self._retry_at = 0, 0.0
        self._askers = Askers(lambda: open_line(name, live, columns), live.pool, f"live-{name}", self._limit)
        # A release that is no longer served gives its connections back.
        weakref.finalize(self, self._askers.close)

    @property
    def is_away(self) -> bool:
        """Whether nobody waits for it at present."""
        return self._failures >= FAILURES

    def is_fresh(self, key: Key, now: float) -> bool:
        """Whether what is kept of it counts as fresh. Asks again ahead of time, which takes no time here."""
        kept = self._kept.get(key)
        if kept is None or (age := now - kept.at) >= self._live.cache_seconds:
            return False
        if age > AHEAD * self._live.cache_seconds and key not in self._asked:
            self._ask([key])
        return True

    async def look(self, keys: Iterable[Key], began: float) -> None:
        """Asks for those that were not fresh when the request began, and waits for them, at most for the time limit."""
        wanted = [key for key in keys if not self.is_fresh(key, began)]
        self.counts.asked += len(wanted)
        if not wanted or not (asked := self._ask(wanted)):
            return
        await asyncio.wait(asked, timeout=self._limit)
        self.counts.late += any(not (one.done() and one.result()) for one in asked)

    def says(self, key: Key, began: float) -> tuple[tuple[float, ...], int]:
        """The values to be used and their state; NaN where the frozen ones are. Nothing is asked."""
        counts, kept = self.counts, self._kept.get(key)
        age = math.inf if kept is None else began - kept.at
        # What came since the request began is fresh also where nothing is to be kept.
        fresh = age <= 0 or age < self._live.cache_seconds
        if kept is None or not (fresh or age < self._live.stale_seconds):
            counts.unanswered += 1
            return self._nothing, UNANSWERED
        self._kept.move_to_end(key)
        if kept.values is None:
            counts.unknown += 1
            return self._nothing, UNKNOWN
        counts.fresh += fresh
        counts.stale += not fresh
        return kept.values, FRESH if fresh else STALE

    def warm(self, seconds: float) -> None:
        """Opens the connections, and waits for them; a request would find the time limit too short for that."""
        self._askers.open(seconds)

    def close(self) -> None:
        """Ends its threads and connections."""
        self._askers.close()

    def _ask(self, keys: Sequence[Key]) -> list[asyncio.Future[bool]]:
        """The questions to wait for: each key is asked once however many want it. None where the source is away."""
        now = self._now()
        if self.is_away:
            if now >= self._retry_at:
                self._retry_at = now + RETRY_SECONDS
                self._begin([key for key in keys[:1] if key not in self._asked])
            return []
        self._begin([key for key in dict.fromkeys(keys) if key not in self._asked])
        return [one for key in keys if (one := self._asked.get(key)) is not None and not one.done()]

    def _begin(self, keys: Sequence[Key]) -> None:
        keys = keys[: max(0, MOST_ASKED_AT_ONCE - len(self._asked))]
        loop, share = asyncio.get_running_loop(), max(1, math.ceil(len(keys) / self._live.pool))
        for key in keys:
            self._asked[key] = loop.create_future()
        for start in range(0, len(keys), share):
            job = Job(keys[start : start + share], partial(_on_loop, loop, self._came))
            self._askers.ask(job)
            loop.call_later(self._limit, self._overdue, job)
            loop.call_later(self._limit * CUT_AFTER, self._give_up, loop, job)

    def _give_up(self, loop: asyncio.AbstractEventLoop, job: Job) -> None:
        if job.give_up(self._limit):
            loop.call_later(self._limit * CUT_AFTER, self._give_up, loop, job)

    def _overdue(self, job: Job) -> None:
        """Whoever waits goes on, and nobody begins to wait; that a key is being asked for stays true."""
        late = [self._asked[key] for key in job.keys if key in self._asked]
        for waiting in late:
            _wake(waiting, False)
        if late and not job.answered:
            self._failed(f"no answer within {self._limit * 1000:g} ms")

    def _came(self, key: Key, looked: Looked | CannotAsk | None, took: float) -> None:
        if waiting := self._asked.pop(key, None):
            _wake(waiting, isinstance(looked, Looked))
        if looked is None:
            return
        if isinstance(looked, CannotAsk):
            self._failed(str(looked))
            return
        if took <= self._limit:
            self._failures = 0
        if looked.wrong:
            self.counts.wrong += 1
            self.problem = looked.wrong
            return
        self._kept[key] = Kept(looked.values, self._now())
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_KEYS:
            self._kept.popitem(last=False)

    def _failed(self, problem: str) -> None:
        self.counts.failed += 1
        self.problem = problem
        self._failures += 1
        if self._failures == FAILURES:
            self._retry_at = self._now() + RETRY_SECONDS


def _wake(waiting: asyncio.Future[bool], answered: bool) -> None:
    if not waiting.done():
        waiting.set_result(answered)


def _on_loop(loop: asyncio.AbstractEventLoop, came: Callable[..., None], *told: object) -> None:
    # The loop may have ended meanwhile, and then nobody wants it.
    if not loop.is_closed():
        loop.call_soon_threadsafe(came, *told)
