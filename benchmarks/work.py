"""One measured piece of work of the snapshot benchmark, in a process of its own; the last line it prints is JSON."""

import json
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from expectations.expectation import Expectation
from expectations.judge import judge
from expectations.records import Evidence, metric_rows
from expectations.spec import Data
from tasks.snapshot import build_snapshot

AS_OF = datetime(2030, 1, 1)
Work = Callable[[], object]


def snapshot(source: str, out: Path) -> Work:
    """A snapshot of a file, or of `<port>/<rows>` in PostgreSQL."""
    if not source.startswith("/"):
        port, rows = source.split("/")
        url = f"postgresql://postgres:${{SEATRIAL_BENCH_PASSWORD}}@127.0.0.1:{port}/postgres"
        about = {"url": url, "query": f"select * from rows_{rows}"}
    else:
        about = {"path": source}
    data = Data.model_validate({"target": "y", "sources": {"rows": {**about, "event_time": "at"}}})
    return lambda: build_snapshot(data, Path("/"), AS_OF, out, lambda *_: Path())


def copy(source: str, out: Path) -> Work:
    """The same rows read and written by pyarrow alone, with the snapshot's codec and row groups."""

    def work() -> None:
        schema, path = pq.read_schema(source), out / "copy.parquet"
        with pq.ParquetFile(source) as file, pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in file.iter_batches(65_536):
                writer.write_table(pa.Table.from_batches([batch]), row_group_size=65_536)

    return work


def frame_of(source: str) -> pd.DataFrame:
    """The rows as a snapshot holds them."""
    return pd.read_parquet(source).astype({"short": "int64"})


def suite(frame: pd.DataFrame) -> list[Expectation]:
    """Two expectations for each of 30 columns: never missing (or nearly), and a range, a set, a pattern or unique."""
    asked = []
    for name in frame.columns:
        asked.append(("expect_column_values_to_not_be_null", {"column": name, "mostly": 0.9}))
        if pd.api.types.is_string_dtype(frame[name]):
            asked.append(("expect_column_values_to_match_regex", {"column": name, "regex": "^[a-z-]+[0-9]+$"}))
        elif frame[name].dtype == bool:
            asked.append(("expect_column_values_to_be_in_set", {"column": name, "value_set": [True, False]}))
        elif frame[name].dtype.kind == "M":
            asked.append(("expect_column_values_to_be_unique", {"column": name}))
        else:
            asked.append(("expect_column_values_to_be_between", {"column": name, "min_value": -1e9, "max_value": 1e9}))
    return [Expectation(type=kind, kwargs=kwargs) for kind, kwargs in asked]


def checks(source: str, out: Path) -> Work:
    """The suite as a release asks it: through the judge and Great Expectations."""
    frame = frame_of(source)
    evidence, asked = Evidence("data", metric_rows([]), frame), suite(frame)
    # Imports are no part of the work.
    judge(Evidence("data", metric_rows([]), frame.head(10)), asked, strict=True)

    def work() -> None:
        outcomes = {finding.outcome.value for finding in judge(evidence, asked, strict=True)}
        assert outcomes == {"passed"}, outcomes

    return work


def by_hand(source: str, out: Path) -> Work:
    """The same questions in pandas, each with its answer and nothing more."""
    frame = frame_of(source)
    asked = suite(frame)
    return lambda: [_holds(frame[str(item.kwargs["column"])], item) for item in asked]


def _holds(column: "pd.Series[object]", item: Expectation) -> bool:
    held = column.dropna()
    answers: dict[str, Callable[[], object]] = {
        "expect_column_values_to_not_be_null": lambda: column.notna().mean() >= item.kwargs["mostly"],
        "expect_column_values_to_match_regex": lambda: held.str.contains(re.compile(item.kwargs["regex"])).all(),
        "expect_column_values_to_be_in_set": lambda: held.isin(item.kwargs["value_set"]).all(),
        "expect_column_values_to_be_unique": lambda: not held.duplicated(keep=False).any(),
        "expect_column_values_to_be_between": lambda: (
            (held >= item.kwargs["min_value"]) & (held <= item.kwargs["max_value"])
        ).all(),
    }
    return bool(answers[item.type]())


def cpu_s() -> float:
    """Seconds of CPU, user and system, that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mb() -> float:
    """The most memory that this process held; unlike ru_maxrss it knows nothing of the parent's."""
    told = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert told is not None
    return int(told[1]) / 1024


def main(kind: str, source: str) -> None:
    """Prepares and then measures one piece of work."""
    kinds = {"snapshot": snapshot, "copy": copy, "checks": checks, "checks-by-hand": by_hand}
    with tempfile.TemporaryDirectory() as name:
        work = kinds[kind](source, Path(name))
        cpu, wall = cpu_s(), time.perf_counter()
        work()
        found = {"cpu_s": cpu_s() - cpu, "wall_s": time.perf_counter() - wall, "peak_mb": peak_mb()}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:3])
