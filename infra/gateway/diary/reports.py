"""Misbehaviour that callers report, brought into the ledger: a few records a minute, however many reports there are."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

from expectations.errors import Away
from infra.gateway.contract import Turned
from infra.gateway.diary.metrics import Metrics

LOG = logging.getLogger("seatrial.gateway")
# Of each process of a gateway and each model: the first is recorded at once, those of the time after it together.
EVERY_SECONDS = 30.0
LONGEST_WORDS, LONGEST_NAME, MOST_CALLERS = 1000, 200, 20

Append = Callable[[str, dict[str, Any]], object]


@dataclass
class Together:
    """Reports on one model since its last record: each caller's first words, and how often they reported."""

    first: dict[str, dict[str, Any]] = field(default_factory=dict)
    count: int = 0

    def add(self, words: str, request_id: str | None, caller: str) -> None:
        """One more; of more callers than are told of, only the count is kept."""
        self.count += 1
        if caller in self.first:
            self.first[caller]["count"] += 1
        elif len(self.first) < MOST_CALLERS:
            self.first[caller] = {"by": caller, "words": words, "request_id": request_id, "count": 1}

    def body(self) -> dict[str, Any]:
        """The ledger's record."""
        told = list(self.first.values())
        return {"words": told[0]["words"], "by": told[0]["by"], "count": self.count, "reports": told}


class Reports:
    """`append` (model, body) writes a record of the kind "misbehaviour reported"; it is called in a thread."""

    def __init__(self, append: Append, metrics: Metrics, every_seconds: float = EVERY_SECONDS) -> None:
        self._append, self._metrics, self._every = append, metrics, every_seconds
        self._waiting: dict[str, Together] = {}
        self._lock, self._wake, self._stopping = Lock(), Event(), False
        self._next: dict[str, float] = {}
        self._thread = Thread(target=self._write_on, daemon=True)

    def start(self) -> "Reports":
        """Begins to write."""
        self._thread.start()
        return self

    def report(self, model: str, words: str, request_id: str | None, caller: str) -> None:
        """Takes a report and does not wait. Raises Turned (400) where it says nothing."""
        said = " ".join(words.split())[:LONGEST_WORDS]
        if not said:
            raise Turned(400, "a report says what was seen: expected words, found none.")
        with self._lock:
            self._waiting.setdefault(model, Together()).add(said, request_id and request_id[:LONGEST_NAME], caller)
        self._metrics.reported(model, "taken")
        self._wake.set()

    def stop(self, seconds: float = 10.0) -> None:
        """What waits is recorded now, if the store takes it in that time."""
        self._stopping = True
        self._wake.set()
        self._thread.join(seconds)

    def _write_on(self) -> None:
        while not self._stopping:
            self._wake.wait(self._pause())
            self._wake.clear()
            self._write(lambda model: self._stopping or monotonic() >= self._next.get(model, 0.0))

    def _pause(self) -> float | None:
        """Seconds until something can be written; None while nothing waits."""
        with self._lock:
            due = [self._next.get(model, 0.0) for model in self._waiting]
        return max(min(due) - monotonic(), 0.0) if due else None

    def _write(self, is_due: Callable[[str], bool]) -> None:
        with self._lock:
            due = {model: self._waiting.pop(model) for model in [*self._waiting] if is_due(model)}
        for model, together in due.items():
            self._next[model] = monotonic() + self._every
            self._record(model, together)

    def _record(self, model: str, together: Together) -> None:
        try:
            self._append(model, together.body())
            self._metrics.reported(model, "recorded")
        except Away:
            self._put_back(model, together)
        except Exception:
            # Refused, or whatever else: the next ones are recorded.
            LOG.exception("%d reports on %s could not be recorded", together.count, model)
            self._metrics.reported(model, "lost")

    def _put_back(self, model: str, together: Together) -> None:
        """Those that came meanwhile are added to the older ones."""
        with self._lock:
            newer = self._waiting.get(model, Together())
            for caller, one in newer.first.items():
                if caller in together.first:
                    together.first[caller]["count"] += one["count"]
                elif len(together.first) < MOST_CALLERS:
                    together.first[caller] = one
            together.count += newer.count
            self._waiting[model] = together
