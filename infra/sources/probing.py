"""Can a source be read as production reads it? One row per check."""

import contextlib
import difflib
import itertools
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from expectations.errors import CannotAsk
from expectations.spec import Source
from expectations.verdicts import Outcome
from infra.sources.columns import naive_utc
from infra.sources.function import RunFunction, at_hand
from infra.sources.reading import read_batches
from infra.sources.rights import RIGHTS, may_write

FIRST_ROWS_LIMIT_MS = 10_000
MEND = "Mend the spec or the source."
FEED = "Look at the source's own feed."


def probe(
    name: str, source: Source, root: Path, required: set[str], as_of: datetime, run_function: RunFunction
) -> list[dict[str, Any]]:
    """One row per check: connection, permission, schema, freshness, latency.

    A source that is away gives one errored row. Reads the first rows and, for freshness, one column; writes nothing.
    Never raises CannotAsk.
    """
    began = time.perf_counter()
    try:
        with at_hand(source, root, run_function) as here:
            columns = _glimpse(name, here, root)
            found = f"{len(columns)} columns"
            connected = _row(name, "connection", Outcome.PASSED, "a readable table", found, "", began)
            latency = _latency(name, source, connected["latency_ms"])
            permission = _asked(name, "permission", lambda: _permission(name, source))
            fresh = _asked(name, "freshness", lambda: _freshness(name, here, root, columns, naive_utc(as_of)))
            return [connected, permission, _schema(name, set(columns), required), fresh, latency]
    except CannotAsk as error:
        remedy = "Bring it back and run again."
        return [_row(name, "connection", Outcome.ERRORED, "a readable table", str(error), remedy, began)]


def _asked(name: str, check: str, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return ask()
    except CannotAsk as error:
        return _row(name, check, Outcome.ERRORED, "an answer", str(error), "Mend it and run again.")


def _glimpse(name: str, source: Source, root: Path) -> list[str]:
    """The columns, told by the first rows: a query of millions is not read to learn that it can be."""
    untimed = source.model_copy(update={"event_time": None})
    with contextlib.closing(read_batches(name, untimed, root, _no_function, glimpse=True)) as tables:
        first, *_ = [table.column_names for table in itertools.islice(tables, 2)]
        return list(first)


def _latency(name: str, source: Source, spent_ms: float) -> dict[str, Any]:
    expected = f"first rows within {FIRST_ROWS_LIMIT_MS:,} ms"
    if source.function:
        found = "a function makes its rows itself: how long that takes is its own affair"
        return _row(name, "latency", Outcome.NOT_APPLICABLE, expected, found)
    found = f"first rows after {spent_ms:,.0f} ms"
    if spent_ms <= FIRST_ROWS_LIMIT_MS:
        return _row(name, "latency", Outcome.PASSED, expected, found)
    remedy = "Look at the source's load and indexes, or release from a copy of the rows."
    return _row(name, "latency", Outcome.FAILED, expected, found, remedy)


def _row(
    source: str, check: str, outcome: Outcome, expected: str, found: str, remedy: str = "", began: float | None = None
) -> dict[str, Any]:
    spent = float("nan") if began is None else (time.perf_counter() - began) * 1000
    row = {"source": source, "check": check, "outcome": outcome.value, "expected": expected, "found": found}
    return {**row, "remedy": remedy, "latency_ms": spent}


def _schema(name: str, columns: set[str], required: set[str]) -> dict[str, Any]:
    lost = sorted(required - columns)
    if not lost:
        return _row(name, "schema", Outcome.PASSED, "every column that the spec names", f"{len(columns)} columns")
    near = {column: difflib.get_close_matches(column, columns, n=1) for column in lost}
    found = "; ".join(f"no column {c}{f' (nearest: {n[0]})' if n else ''}" for c, n in near.items())
    return _row(name, "schema", Outcome.FAILED, f"the columns {', '.join(lost)}", found, MEND)


def _permission(name: str, source: Source) -> dict[str, Any]:
    """Least privilege: a release reads, so its identity must not be able to write."""
    expected = "an identity that reads and cannot write"
    if not source.url:
        found = "a file or function of this account: there is no identity of its own to ask of"
        return _row(name, "permission", Outcome.NOT_APPLICABLE, expected, found)
    kind, writes = may_write(name, str(source.url))
    if kind not in RIGHTS:
        return _row(name, "permission", Outcome.NOT_APPLICABLE, expected, f"rights cannot be asked of {kind}")
    if writes is None:
        return _row(name, "permission", Outcome.PASSED, expected, "reads only")
    return _row(name, "permission", Outcome.FAILED, expected, *writes)


def _freshness(name: str, source: Source, root: Path, columns: list[str], as_of: datetime) -> dict[str, Any]:
    """Rows after as-of are never taken, so they do not make a source fresh."""
    if source.fresh_within_days is None or source.event_time is None:
        found = "fresh_within_days and event_time are not both stated"
        return _row(name, "freshness", Outcome.NOT_APPLICABLE, "a stated age", found)
    expected = f"rows younger than {source.fresh_within_days:g} days"
    if source.event_time not in columns:
        return _row(name, "freshness", Outcome.INCONCLUSIVE, expected, f"no column {source.event_time}", MEND)
    newest = _newest(name, source, root, as_of)
    if newest is None:
        return _row(name, "freshness", Outcome.FAILED, expected, "no row has a time up to as-of", FEED)
    days = (as_of - newest).total_seconds() / 86400
    found = f"the newest is {days:.1f} days old"
    if days <= source.fresh_within_days:
        return _row(name, "freshness", Outcome.PASSED, expected, found)
    return _row(name, "freshness", Outcome.FAILED, expected, found, FEED)


def _newest(name: str, source: Source, root: Path, as_of: datetime) -> datetime | None:
    limit, newest = pa.scalar(as_of, pa.timestamp("us")), None
    for batch in read_batches(name, source, root, _no_function, only=source.event_time):
        times = batch.column(0)
        latest = pc.max(times.filter(pc.less_equal(times, limit))).as_py()
        newest = max((t for t in (newest, latest) if t is not None), default=None)
    return newest


def _no_function(function: str, root: Path, out: Path) -> Path:
    raise CannotAsk(f"{function}: was to have run already.")
