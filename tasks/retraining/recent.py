"""What is new: the newest records that gateways wrote down, and the rows that the champion's snapshot did not have."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from expectations.hiding import hidden_columns
from expectations.history import Release
from infra.packages import open_package
from infra.prediction_log import ROW, LogReader
from tasks.check import Subject
from tasks.job import read_data
from tasks.qualification.production_rows import Recent, moment_of

# The newest alone: what changed an hour ago is not to be lost among the records of a month.
NEWEST = 500
# How far back they are looked for, step by step.
BACK = (timedelta(hours=1), timedelta(hours=6), timedelta(days=1), timedelta(days=7), timedelta(days=30))


def newest_inputs(subject: Subject, serving: Release) -> Recent:
    """The last 500 records that the model was asked, and fewer where there are no more in 30 days.

    `rows` has the columns that are there in clear, and `output.reasons`; `hidden` names those that are not.
    """
    job, until = subject.job, moment_of(subject)
    columns = list(open_package(job.store(), serving.package_digest).sent)
    wanted = {"release", "shadow", "error", "output.reasons"} | {f"input.{name}" for name in columns}
    found = _newest(LogReaders(subject, wanted), until)
    clear = {f"input.{name}": name for name in columns if f"input.{name}" in found.columns}
    hidden = tuple(name for name in columns if name not in clear.values())
    others = ["output.reasons"] if "output.reasons" in found.columns else []
    words = f"the newest {len(found):,} records in the gateways' log of {job.spec.model.name}"
    return Recent(found.select([*clear, *others]).rename(clear), hidden, words)


class LogReaders:
    """The model's log from a moment on, with these columns."""

    def __init__(self, subject: Subject, wanted: set[str]) -> None:
        self._subject, self._wanted = subject, wanted

    def rows(self, since: datetime, until: datetime) -> pl.DataFrame:
        """Predictions that somebody was answered, by time."""
        job = self._subject.job
        log = LogReader(job.store(), "predictions", job.spec.model.name, since, until, self._wanted)
        found = log.more().filter(~pl.col("shadow").fill_null(False))
        return found.unique(ROW, keep="first", maintain_order=True).sort("time", *ROW)


def _newest(readers: LogReaders, until: datetime) -> pl.DataFrame:
    # What came within the second that the as-of is cut to counts too.
    until += timedelta(seconds=1)
    for back in BACK:
        found = readers.rows(until - back, until)
        if len(found) >= NEWEST:
            break
    return found.tail(NEWEST)


def new_rows(subject: Subject) -> pl.DataFrame:
    """Rows of the snapshot that the champion's did not have, as they are now; all of them where nothing serves."""
    now = pl.from_pandas(subject.data())
    before = subject.champion_manifest()
    if before is None:
        return now
    old = pl.from_pandas(read_data(subject.job.store(), before))
    if {name: now[name].dtype for name in now.columns} != {name: old[name].dtype for name in old.columns}:
        return now
    return now.join(old, on=now.columns, how="anti", nulls_equal=True)


def hidden_of(subject: Subject) -> frozenset[str]:
    """The columns whose values are shown to nobody."""
    return hidden_columns(subject.job.spec.data.model_dump())


def features_of(subject: Subject, rows: pl.DataFrame) -> Sequence[str]:
    """The columns of `rows` that the model is given."""
    data = subject.job.spec.data
    dropped = {data.target, data.rows.event_time, *data.ignore}
    return [name for name in rows.columns if name not in dropped]
