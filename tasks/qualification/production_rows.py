"""What production was asked lately: the gateways' log, or a source that the spec names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from expectations.errors import CannotAsk
from infra import workshop
from infra.prediction_log import ROW, LogReader
from infra.sources import naive_utc, read_batches
from tasks.check import Subject

MOST_ROWS = 20_000


@dataclass(frozen=True)
class Recent:
    """`rows` (n, c): inputs as they were sent, those alone that are there in clear. `hidden`: what is not. `words`:
    where they are from."""

    rows: pl.DataFrame
    hidden: tuple[str, ...]
    words: str


def moment_of(subject: Subject) -> datetime:
    """When this release was begun, or its data's as-of where that is later: the same for each attempt."""
    job = subject.job
    release = job.ledger().state().releases.get(job.release)
    as_of = job.as_of.replace(tzinfo=UTC)
    if release is None:
        return as_of
    began = datetime.fromisoformat(release.started_at)
    return max(as_of, began if began.tzinfo else began.replace(tzinfo=UTC))


def recent_rows(subject: Subject, columns: Sequence[str]) -> Recent:
    """At most 20,000 rows of the days before the release. Raises CannotAsk where a source cannot be read."""
    asked, until = subject.job.spec.checks.production, moment_of(subject)
    since = until - timedelta(days=asked.days)
    if asked.source is None:
        return _from_log(subject, columns, since, until)
    return _from_source(subject, asked.source, columns, since, until)


def _from_log(subject: Subject, columns: Sequence[str], since: datetime, until: datetime) -> Recent:
    job = subject.job
    wanted = {f"{prefix}.{name}": name for name in columns for prefix in ("input", "hashed")}
    log = LogReader(job.store(), "predictions", job.spec.model.name, since, until, {"shadow", *wanted})
    found = log.some(MOST_ROWS, job.spec.seed)
    # What was scored beside the champion is the same request again.
    found = found.filter(~pl.col("shadow").fill_null(False)).unique(ROW, keep="first", maintain_order=True)
    clear = {f"input.{name}": name for name in columns if f"input.{name}" in found.columns}
    hidden = tuple(name for name in columns if f"input.{name}" not in found.columns) if len(found) else ()
    words = f"the gateways' log of {job.spec.model.name}, {since:%Y-%m-%d} to {until:%Y-%m-%d %H:%M} UTC"
    found = found.sort(ROW).sample(min(MOST_ROWS, len(found)), seed=job.spec.seed)
    return Recent(found.select(list(clear)).rename(clear), hidden, words)


def _from_source(subject: Subject, name: str, columns: Sequence[str], since: datetime, until: datetime) -> Recent:
    job = subject.job
    source = job.spec.data.sources[name]
    rng = np.random.default_rng(job.spec.seed)
    kept: pd.DataFrame | None = None
    for table in read_batches(name, source, job.file.root, workshop.table_reader()):
        table = _within(table, name, source.event_time, since, until)
        there = [column for column in columns if column in table.column_names]
        frame = table.select(there).to_pandas().assign(**{_DRAWN: rng.random(table.num_rows)})
        together = frame if kept is None else pd.concat([kept, frame], ignore_index=True)
        # The rows with the smallest numbers are a sample by chance, whatever the batches.
        kept = together.nsmallest(MOST_ROWS, _DRAWN) if len(together) > MOST_ROWS else together
    assert kept is not None
    rows = kept.drop(columns=_DRAWN)
    hidden = tuple(column for column in columns if column not in rows.columns)
    return Recent(pl.from_pandas(rows.reset_index(drop=True)), hidden, f"the source {name}")


_DRAWN = "a number drawn by chance, under a name that no column has"


def _within(table: pa.Table, name: str, event_time: str | None, since: datetime, until: datetime) -> pa.Table:
    if event_time is None:
        return table
    if event_time not in table.column_names:
        there = ", ".join(table.column_names)
        raise CannotAsk(f"{name}: event_time {event_time} is no column; there are {there}.")
    times = table.column(event_time)
    first, last = (pa.scalar(naive_utc(moment), pa.timestamp("us")) for moment in (since, until))
    inside = pc.and_(pc.greater_equal(times, first), pc.less(times, last))
    return table.filter(pc.fill_null(inside, False))
