"""One program that is kept running: what it is, how it is, and its log."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

MOST_LOGGED = 10_000_000
LAST_LINES, LONGEST_LINE = 6, 300


@dataclass(frozen=True)
class Health:
    """How a program is. `well` is None where it cannot be told now."""

    well: bool | None
    words: str = ""


@dataclass(frozen=True)
class Program:
    """What is kept running. It is begun when all that it `needs` are up and nobody else is at its place.

    `ask` is told how many seconds ago it was begun; it tells how it is within a few, and raises nothing. A program
    that is not up `start_s` after it was begun, or not well for long afterwards, is killed and begun again; `stop_s` is
    how long it may take to end.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    ask: Callable[[float], Health]
    needs: tuple[str, ...] = ()
    is_free: Callable[[], bool] = lambda: True
    start_s: float = 180.0
    stop_s: float = 30.0


@dataclass
class Kept:
    """A program, its process, and how often it died."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    begun: float = 0.0
    answered: float = 0.0
    ask_at: float = 0.0
    again_at: float = 0.0
    deaths: int = 0
    is_up: bool = False
    was_up: bool = False
    is_given_up: bool = False
    words: str = ""
    waits_since: float = 0.0

    @property
    def name(self) -> str:
        """The program's."""
        return self.program.name

    def begin(self) -> None:
        """Starts the process: in a session of its own, since Ctrl-C is for whoever keeps it, and on a leash."""
        leash = [sys.executable, "-P", "-m", "infra.processes.leash", str(os.getpid())]
        with _opened(self.program.log) as log:
            self.process = subprocess.Popen(
                [*leash, *self.program.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.program.environment),
                start_new_session=True,
            )
        self.begun = self.answered = time.monotonic()
        self.ask_at, self.is_up, self.waits_since = 0.0, False, 0.0

    def send(self, number: signal.Signals) -> None:
        """Sends it to the process, if there is one."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def send_to_group(self, number: signal.Signals) -> None:
        """Sends it to the process and to all that it started beside itself."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


def _opened(log: Path) -> IO[bytes]:
    """To append to; nobody else may read it, since runs of users' code write there."""
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def shorten(log: Path) -> None:
    """A log that is too long is kept as `.1` and begun anew; who writes to it notices nothing."""
    if not log.exists() or log.stat().st_size < MOST_LOGGED:
        return
    with _opened(log.with_suffix(".log.1")) as kept:
        kept.truncate(0)
        kept.write(log.read_bytes())
    os.truncate(log, 0)


def last_words(log: Path) -> list[str]:
    """The last lines of a log, cut to what a screen takes; of a traceback what it says, and not where."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - 8_192, 0))
        lines = file.read().decode(errors="replace").splitlines()
    told = [line for line in lines if line.strip() and not line.startswith((" ", "\t"))] or lines
    return [line[:LONGEST_LINE] for line in told][-LAST_LINES:]
