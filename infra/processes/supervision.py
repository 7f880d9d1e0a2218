"""Keeps programs running until it is told to stop: one look after another, in one thread.

A parent's death is told to a child when the *thread* that began it ends; so all are begun by the main one.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from expectations.errors import CannotAsk
from infra.processes.leash import adopt_orphans
from infra.processes.program import Kept, Program, last_words, shorten
from infra.processes.table import Process, begun, reap, write_down

LOOK, ASK, HOUSEKEEPING = 0.2, 2.0, 5.0
# How long one that was up may be silent until that is told, and until it is killed.
SILENT, HUNG = 10.0, 90.0
# Until one that died is begun again: doubled each time, forgotten once it was up for so long.
PAUSE, LONGEST_PAUSE, LIVED = 0.5, 30.0, 60.0
# After so many quick deaths nobody need wait for it. At first all end; later what serves goes on, and it is tried once
# in a while.
HOPELESS_AT_FIRST, HOPELESS, ONCE_IN_A_WHILE = 3, 5, 300.0
# How long somebody else may still be at its port.
PORT = 30.0


@dataclass(frozen=True)
class Told:
    """What happened to a program: `event` is begun, up, silent, died, given up, ended, or left over."""

    process: str
    event: str
    words: str
    lines: tuple[str, ...] = ()


class Supervision:
    """Keeps `programs`, in the order in which they are begun; they are ended in the order `ending`.

    `ready` is called once, when all are up. What runs is written to the file `running`.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        ending: Sequence[str],
        running: Path,
        tell: Callable[[Told], None],
        ready: Callable[[], None],
    ) -> None:
        self._kept = {one.name: Kept(one) for one in programs}
        self._ending, self._running = ending, running
        self._tell, self._ready = tell, ready
        self._stops, self._is_ready, self._cleaned = 0, False, 0.0

    def run(self) -> None:
        """Until SIGINT, SIGTERM or SIGHUP. Raises CannotAsk where one of them never comes up."""
        adopt_orphans()
        with _signals(self._stop):
            try:
                while not self._stops:
                    self._look()
                    time.sleep(LOOK)
            finally:
                self._end()

    def _stop(self, *_: object) -> None:
        self._stops += 1

    def _look(self) -> None:
        for one in self._kept.values():
            if not self._stops:
                self._look_after(one, time.monotonic())
        if not self._is_ready and all(one.is_up for one in self._kept.values()):
            self._is_ready = True
            self._ready()
        if time.monotonic() - self._cleaned > HOUSEKEEPING:
            self._clean()

    def _look_after(self, one: Kept, now: float) -> None:
        if one.process is None:
            if now >= one.again_at and all(self._kept[name].is_up for name in one.program.needs):
                self._begin(one, now)
        elif one.process.poll() is not None:
            self._mourn(one, one.process.returncode, now)
        elif now >= one.ask_at:
            self._ask(one)

    def _begin(self, one: Kept, now: float) -> None:
        one.waits_since = one.waits_since or now
        # What it left behind may still be answering there.
        if not one.program.is_free() and now - one.waits_since < PORT:
            return
        one.begin()
        self._say(one, "begun", f"begun, process {one.process.pid if one.process else 0}")
        self._write_down()

    def _write_down(self) -> None:
        """What runs, runs among it that outlived their worker: whoever starts after this was killed ends them."""
        pids = [(kept.name, kept.process.pid) for kept in self._kept.values() if kept.process]
        orphans = [("a run", pid) for pid in reap(os.getpid(), self._pids())]
        write_down(self._running, [Process(name, pid, begun(pid)) for name, pid in (*pids, *orphans)])

    def _ask(self, one: Kept) -> None:
        health, now = one.program.ask(time.monotonic() - one.begun), time.monotonic()
        one.ask_at = now + (ASK if one.is_up else LOOK)
        if health.well is not False:
            one.answered = now
        if health.well and (not one.is_up or health.words != one.words):
            self._is_well(one, health.words, now)
        elif health.well is False and one.is_up and now - one.answered > SILENT:
            one.is_up = False
            self._say(one, "silent", f"does not answer: {health.words}")
        elif not one.is_up and now - one.answered > (HUNG if one.was_up else one.program.start_s):
            self._say(one, "silent", f"has not answered for {now - one.answered:.0f} s and is killed: {health.words}")
            one.send(signal.SIGKILL)

    def _is_well(self, one: Kept, words: str, now: float) -> None:
        took = "" if one.is_up else f" after {now - one.begun:.1f} s"
        one.is_up, one.was_up, one.is_given_up, one.words = True, True, False, words
        self._say(one, "up", f"up{took}: {words}")

    def _mourn(self, one: Kept, code: int, now: float) -> None:
        quick = not one.was_up or now - one.begun < LIVED
        one.deaths = one.deaths + 1 if quick else 1
        one.process, one.is_up, one.was_up = None, False, False
        pause = min(PAUSE * 2 ** (one.deaths - 1), LONGEST_PAUSE)
        how = f"by signal {-code}" if code < 0 else f"with code {code}"
        if one.deaths >= (HOPELESS if self._is_ready else HOPELESS_AT_FIRST):
            pause = self._give_up(one, how)
        else:
            lines = tuple(last_words(one.program.log)) if code > 0 else ()
            words = f"ended {how}; begun again in {pause:g} s. Log: {one.program.log}"
            self._say(one, "died", words, lines)
        one.again_at = now + pause

    def _give_up(self, one: Kept, how: str) -> float:
        lines = tuple(last_words(one.program.log))
        told = f"ended {how}, {one.deaths} times in a row. Its last words, from {one.program.log}:"
        if not self._is_ready:
            raise CannotAsk(f"{one.name}: {told}", *(f"  {line}" for line in lines))
        if not one.is_given_up:
            what = f"{told[:-1]}. The others go on; it is tried every {ONCE_IN_A_WHILE / 60:g} minutes"
            self._say(one, "given up", what, lines)
        one.is_given_up = True
        return ONCE_IN_A_WHILE

    def _clean(self) -> None:
        self._cleaned = time.monotonic()
        for one in self._kept.values():
            shorten(one.program.log)
        self._write_down()

    def _pids(self) -> set[int]:
        return {one.process.pid for one in self._kept.values() if one.process}

    def _say(self, one: Kept, event: str, words: str, lines: tuple[str, ...] = ()) -> None:
        self._tell(Told(one.name, event, words, lines))

    def _end(self) -> None:
        """One after the other, each as long as it may take or until somebody is impatient; then what is left."""
        for name in self._ending:
            one, stops = self._kept[name], self._stops
            if one.process is None or one.process.poll() is not None:
                continue
            one.send(signal.SIGTERM)
            if not self._waited(one, time.monotonic() + one.program.stop_s, stops):
                one.send_to_group(signal.SIGKILL)
                one.process.wait()
            self._say(one, "ended", "ended" if one.process.returncode != -signal.SIGKILL else "was killed")
        self._end_orphans()
        self._running.unlink(missing_ok=True)

    def _waited(self, one: Kept, until: float, stops: int) -> bool:
        while one.process and one.process.poll() is None:
            if time.monotonic() > until or self._stops > stops:
                return False
            time.sleep(LOOK / 4)
        return True

    def _end_orphans(self) -> None:
        for number, seconds in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
            until = time.monotonic() + seconds
            left = list(reap(os.getpid(), ()))
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            while left and time.monotonic() < until:
                time.sleep(LOOK / 4)
                left = list(reap(os.getpid(), ()))


@contextmanager
def _signals(stop: Callable[..., None]) -> Iterator[None]:
    # A script's background job is born deaf to SIGINT; whoever starts this wants it to end.
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
