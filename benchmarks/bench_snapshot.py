"""How fast and how large is a snapshot, and what do data checks cost? `make bench-snapshot`; several minutes.

Each measurement runs in a process of its own: CPU seconds, seconds and the peak of its memory. Ratios are of CPU time,
which others on the same machine disturb least, from runs that follow each other.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.results import Claim, write_results
from tests.postgresql_server import binaries, own_server

SMALL, LARGE = 1_000_000, 5_000_000
REPEATS = 5
PACKAGES = ("pyarrow", "polars", "pandas", "numpy", "great-expectations", "adbc-driver-postgresql")
SECRET = "benchmark"
Measured = dict[str, float]


def measure(kind: str, *arguments: object) -> Measured:
    """cpu_s, wall_s and peak_mb of one run of `benchmarks.work`; a line is printed."""
    command = [sys.executable, "-m", "benchmarks.work", kind, *map(str, arguments)]
    environment = {**os.environ, "SEATRIAL_BENCH_PASSWORD": SECRET}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found: Measured = json.loads(done.stdout.splitlines()[-1])
    name = " ".join([kind, *(str(a).rsplit("/", 1)[-1] for a in arguments)])
    print(f"{name:<44}{found['cpu_s']:>10.2f}{found['wall_s']:>10.2f}{found['peak_mb']:>10.0f}", flush=True)
    return found


def ratio(one: Callable[[], Measured], other: Callable[[], Measured]) -> float:
    """The median of one's CPU time over the other's, measured in turns."""
    return statistics.median(one()["cpu_s"] / other()["cpu_s"] for _ in range(REPEATS))


def peak_growth(folder: Path, port: int | None) -> float:
    """The greatest growth of a snapshot's peak memory from 1 to 5 million rows, over the kinds of source."""
    kinds = ["parquet", "csv"] + (["postgresql"] if port else [])
    growth = []
    for kind in kinds:
        small, large = (
            measure("snapshot", f"{port}/{rows}" if kind == "postgresql" else folder / f"{rows}.{kind}")["peak_mb"]
            for rows in (SMALL, LARGE)
        )
        growth.append(large / small)
    return max(growth)


def claims(folder: Path, port: int | None) -> list[Claim]:
    """What this benchmark claims, measured."""
    file = folder / f"{SMALL}.parquet"
    copy = ratio(lambda: measure("copy", file), lambda: measure("snapshot", file))
    growth = peak_growth(folder, port)
    checks = ratio(lambda: measure("checks", file), lambda: measure("checks-by-hand", file))
    measured = [
        ("snapshot_throughput_ratio", copy, "of a plain copy's rows per CPU second", ">= 0.8"),
        ("snapshot_peak_growth", growth, "× of peak memory from 1 to 5 million rows, worst source", "<= 1.2"),
        ("data_checks_ratio", checks, "× of the CPU time of 60 checks by hand in pandas", "<= 3"),
    ]
    return [{"name": n, "value": round(value, 3), "unit": unit, "goal": goal} for n, value, unit, goal in measured]


def run(folder: Path, port: int | None) -> None:
    """Makes the data, measures, prints and writes the claims."""
    url = [f"postgresql://postgres:{SECRET}@127.0.0.1:{port}/postgres"] if port else []
    for rows in (SMALL, LARGE):
        subprocess.run([sys.executable, "-m", "benchmarks.snapshot_data", str(folder), str(rows), *url], check=True)
    print(f"{'':<44}{'CPU s':>10}{'s':>10}{'peak MB':>10}")
    found = claims(folder, port)
    for claim in found:
        print(f"{claim['name']:<44}{claim['value']:>10.2f}  {claim['goal']}  {claim['unit']}")
    print(write_results("snapshot", PACKAGES, found))


def main() -> None:
    """With PostgreSQL where it is installed."""
    with tempfile.TemporaryDirectory() as name:
        if binaries() is None:
            run(Path(name), None)
            return
        with own_server(SECRET) as port:
            run(Path(name), port)


if __name__ == "__main__":
    main()
