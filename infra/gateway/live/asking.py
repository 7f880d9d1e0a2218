"""Threads that ask a live source, so that a slow one never holds up the event loop."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from expectations.errors import CannotAsk
from infra.sources.live import Key, Line, Looked

# What came of a key, and the seconds that it took; or why nothing did; or None, where nobody waits any more.
Came = Callable[[Key, Looked | CannotAsk | None, float], None]


@dataclass
class Job:
    """Keys to be asked one after the other; without any, a connection is opened. `answered` counts those that were."""

    keys: Sequence[Key]
    came: Came
    answered: int = 0
    line: Line | None = field(default=None, repr=False)
    since: float = 0.0
    given_up: bool = False
    ended: threading.Event = field(default_factory=threading.Event, repr=False)

    def give_up(self, limit: float) -> bool:
        """Nobody waits any more: what is not begun is not asked, and what takes longer than `limit` (seconds) is cut.
        Whether something is still being asked."""
        self.given_up, line = True, self.line
        if line is not None and time.monotonic() - self.since > limit:
            line.cut()
        return line is not None


class Askers:
    """`count` threads, each with a connection of its own that is opened at need and kept."""

    def __init__(self, opened: Callable[[], Line], count: int, name: str, limit: float) -> None:
        self._opened, self._limit = opened, limit
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        # As daemons they end with the process, even where a driver hangs.
        self._threads = [threading.Thread(target=self._work, name=f"{name}-{at}", daemon=True) for at in range(count)]
        for thread in self._threads:
            thread.start()

    def ask(self, job: Job) -> None:
        """Asked as soon as a thread is free."""
        self._jobs.put(job)

    def open(self, seconds: float) -> None:
        """Opens the connections, and waits for them, so long at most."""
        jobs, until = [Job((), lambda *_: None) for _ in self._threads], time.monotonic() + seconds
        for job in jobs:
            self.ask(job)
        for job in jobs:
            job.ended.wait(max(0.0, until - time.monotonic()))

    def close(self) -> None:
        """Ends the threads after what they are at."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        line: Line | None = None
        while (job := self._jobs.get()) is not None:
            if not job.keys and line is None:
                with contextlib.suppress(Exception):
                    line = self._opened()
            for key in job.keys:
                line = self._one(job, key, line)
            job.line = None
            job.ended.set()
            # It leads to the source, which a thread that waits must not hold on to.
            del job
        if line is not None:
            line.close()

    def _one(self, job: Job, key: Key, line: Line | None) -> Line | None:
        """Asks for a key, and returns the connection that still is good."""
        if job.given_up:
            job.came(key, None, 0.0)
            return line
        was_open, job.since = line is not None, time.monotonic()
        looked: Looked | CannotAsk
        try:
            line = job.line = line or self._opened()
            looked = line.ask(key)
            job.answered += 1
        except Exception as error:  # noqa: BLE001  Whatever a driver raises, the thread lives on and the request too.
            job.line = None
            if line is not None:
                line.close()
            # A connection that the server closed meanwhile fails at once, and a new one may be good.
            if was_open and time.monotonic() - job.since < self._limit and not job.given_up:
                return self._one(job, key, None)
            looked, line = error if isinstance(error, CannotAsk) else CannotAsk(type(error).__name__), None
        job.came(key, looked, time.monotonic() - job.since)
        return line
