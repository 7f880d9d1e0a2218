"""`wrk` at full load for as long as something is done, and what became of every one of its requests.

https://github.com/wg/wrk, as Debian has it. 16 connections that are kept, each a thread's; one that breaks is made
anew.
"""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from expectations.errors import CannotAsk

CONNECTIONS = 16
# Only counted: wrk goes on to wait. Longer than a worker takes to come up.
LATE_S = 10
LONGEST_S = 600
# Before and after what is done.
QUIET_S = 1.0
ANSWERS = {"request_id": pl.String, "status": pl.Int32, "seen": pl.Float64}


@dataclass(frozen=True)
class Load:
    """What one run of wrk saw. `refused` were answered with another status than 200; `broken` are errors of a socket,
    by kind; `late` took over 10 s. `answers` has a row for each answer: request_id, status, seen (Unix seconds)."""

    seconds: float
    refused: int
    broken: dict[str, int]
    late: int
    answers: pl.DataFrame

    @property
    def answered(self) -> int:
        """How many were answered with 200."""
        return self.answers.height - self.refused

    @property
    def failed(self) -> int:
        """How many were not."""
        return self.refused + sum(self.broken.values())


def during(url: str, record: dict[str, Any], name: str, folder: Path, act: Callable[[], None]) -> Load:
    """Posts the record to the URL, ids `<name>-<connection>-<number>`, while `act` does what it does.

    The load begins a second before it and ends a second after it. Raises CannotAsk where there is no wrk.
    """
    if not shutil.which("wrk"):
        raise CannotAsk("wrk: expected the command, found none. Install it: apt-get install wrk.")
    told = folder / name
    asked = (Path(__file__).with_suffix(".lua"), url, "--", name, told, json.dumps(record))
    limits = (f"-t{CONNECTIONS}", f"-c{CONNECTIONS}", f"-d{LONGEST_S}s", f"--timeout={LATE_S}s")
    running = subprocess.Popen(["wrk", *limits, "-s", *asked], stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(QUIET_S)
        act()
        time.sleep(QUIET_S)
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=60)[0]
    finally:
        running.kill()
    return read(said, told)


def read(said: str, told: Path) -> Load:
    """What wrk printed last, and its files of answers, one a connection. Raises CannotAsk where they do not agree."""
    seen = json.loads(said.splitlines()[-1])
    files = sorted(told.parent.glob(f"{told.name}.*"))
    answers = pl.concat([pl.DataFrame(schema=ANSWERS), *map(_answers, files)])
    refused = answers.filter(pl.col("status") != 200).height
    if (found := answers.height) != seen["answered"]:
        raise CannotAsk(f"{told}: expected the {seen['answered']} answers that wrk counted, found {found}.")
    broken = {kind: seen[kind] for kind in ("connect", "read", "write")}
    return Load(seen["seconds"], refused, broken, seen["late"], answers)


def _answers(file: Path) -> pl.DataFrame:
    return pl.read_csv(file, separator="\t", has_header=False, schema=ANSWERS, raise_if_empty=False)
