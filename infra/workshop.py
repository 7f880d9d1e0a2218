"""The workshop: where a user's own code runs, in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from expectations.errors import CannotAsk

RUNNER = Path(__file__).with_name("workshop_runner.py")
# One thread in the linear algebra: sums split over threads differ in their last bits from machine to machine.
REPEATABLE = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


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
        command = [sys.executable, "-W", "ignore", str(RUNNER), argument]
        environment = {**os.environ, **REPEATABLE}
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, timeout=timeout_minutes * 60, check=False, text=True
            )
        except subprocess.TimeoutExpired:
            raise CannotAsk(
                f"{what}: took longer than candidate.timeout_minutes ({timeout_minutes:g}); raise it."
            ) from None
        if not answer.exists():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise CannotAsk(f"{what}: its process ended with code {done.returncode}: {last}")
        told = json.loads(answer.read_text())
    if "error" in told:
        raise CannotAsk(
            f"{what}: {told['error']}{' at ' + told['where'] if told['where'] else ''}. Mend it and run again."
        )
