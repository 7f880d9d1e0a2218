"""The workshop: where a user's own code runs, in a process of its own.

`prepare` starts such a process ahead of its job: importing what training needs takes longer than many a training.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pandas as pd

from expectations.errors import CannotAsk

RUNNER = Path(__file__).with_name("workshop_runner.py")
# One thread in the linear algebra: sums split over threads differ in their last bits from machine to machine.
REPEATABLE = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


_prepared: list["subprocess.Popen[str]"] = []


def prepare() -> None:
    """Starts a process that imports what training needs and waits for its job: the next training is done there.

    It ends with this process, if no job comes.
    """
    _prepared.append(_started("ahead"))


def train(root: Path, function: str, frame: Path, target: str, out: Path, seed: int, timeout_minutes: float) -> None:
    """Calls `function(features, target)` on the Parquet `frame`; the estimator is written to `out` as skops."""
    job = {"kind": "train", "function": function, "frame": str(frame), "target": target, "out": str(out), "seed": seed}
    _run(job, root, function, timeout_minutes)


def unpickle(pickle: Path, out: Path, timeout_minutes: float) -> None:
    """Opens a scanned and trusted pickle and writes it to `out` as skops."""
    _run({"kind": "unpickle", "pickle": str(pickle), "out": str(out)}, pickle.parent, pickle.name, timeout_minutes)


def costs(root: Path, function: str, records: pd.DataFrame, timeout_minutes: float = 10) -> list[float]:
    """What `function(records)` says that each record costs; records hold the features, `actual` and `predicted`."""
    with tempfile.TemporaryDirectory() as folder:
        frame, out = Path(folder, "records.parquet"), Path(folder, "costs.parquet")
        records.to_parquet(frame, index=False)
        job = {"kind": "costs", "function": function, "frame": str(frame), "out": str(out)}
        _run(job, root, function, timeout_minutes)
        found: list[float] = pd.read_parquet(out)["cost"].tolist()
        return found


def table_reader(timeout_minutes: float = 60) -> Any:
    """A function (name, root, out) that writes the DataFrame that a user's function returns as Parquet."""

    def read(function: str, root: Path, out: Path) -> Path:
        _run({"kind": "table", "function": function, "out": str(out)}, root, function, timeout_minutes)
        return out

    return read


def _run(job: dict[str, Any], root: Path, what: str, timeout_minutes: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer.json")
        argument = json.dumps({**job, "root": str(root.resolve()), "answer": str(answer)})
        process = _prepared.pop() if _prepared and job["kind"] == "train" else _started()
        try:
            said = _said(process, argument, timeout_minutes * 60)
        except subprocess.TimeoutExpired:
            raise CannotAsk(
                f"{what}: took longer than {timeout_minutes:g} minutes; a release gives it candidate.timeout_minutes."
            ) from None
        if not answer.exists():
            last = (said.strip().splitlines() or ["no message"])[-1]
            raise CannotAsk(f"{what}: its process ended with code {process.returncode}: {last}")
        told = json.loads(answer.read_text())
    if "error" in told:
        raise CannotAsk(
            f"{what}: {told['error']}{' at ' + told['where'] if told['where'] else ''}. Mend it and run again."
        )


def _said(process: "subprocess.Popen[str]", argument: str, timeout_s: float) -> str:
    """Its stderr, when it ended; it does not outlive whoever waits for it."""
    try:
        return process.communicate(argument, timeout=timeout_s)[1]
    except BaseException:
        process.kill()
        process.wait()
        raise


def _started(*how: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "ignore", str(RUNNER), *how]
    environment = {**os.environ, **REPEATABLE}
    return subprocess.Popen(command, env=environment, text=True, stdin=PIPE, stdout=PIPE, stderr=PIPE)
