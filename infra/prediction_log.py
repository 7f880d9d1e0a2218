"""What the gateways wrote down, read back: predictions, and the ground truth that callers brought."""

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from expectations.errors import CannotAsk
from infra.store import Store

Kind = Literal["predictions", "feedback"]
ROW = ("request_id", "row")
TIME = pl.Datetime("us", "UTC")
# The columns that every row has, also where there is no row; docs/prediction-log.md says what they are.
COLUMNS: dict[Kind, dict[str, pl.DataType | type[pl.DataType]]] = {
    "predictions": {
        "time": TIME,
        "request_id": pl.String,
        "row": pl.Int32,
        "model": pl.String,
        "arm": pl.String,
        "release": pl.String,
        "stage": pl.Int16,
        "answered_by": pl.String,
        "answered_release": pl.String,
        "refused": pl.Boolean,
        "shadow": pl.Boolean,
        "error": pl.String,
        "caller": pl.String,
        "key_hash": pl.String,
        "latency_ms": pl.Float64,
    },
    "feedback": {
        "time": TIME,
        "request_id": pl.String,
        "row": pl.Int32,
        "model": pl.String,
        "source": pl.String,
        "truth": pl.String,
        "truth_number": pl.Float64,
        "value": pl.Float64,
    },
}
# As the gateway names its files: none holds a row that is so much later than its name says, or earlier.
STRETCH = timedelta(minutes=10)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AT_ONCE = 8


class LogReader:
    """One model's log of `since` ≤ time < `until`. Each row is given once, however late its file comes to the store.

    `read` names files that an earlier reader has given already.
    """

    def __init__(
        self,
        store: Store,
        kind: Kind,
        model: str,
        since: datetime,
        until: datetime | None = None,
        columns: Collection[str] | None = None,
        read: Collection[str] = (),
    ) -> None:
        self._store, self._kind, self._model = store, kind, model
        self._since, self._until = _aware(since), until and _aware(until)
        self._columns = None if columns is None else {*columns, "time", *ROW}
        self._read: set[str] = {*read}

    @property
    def read(self) -> frozenset[str]:
        """The files that were read so far, by their keys."""
        return frozenset(self._read)

    def more(self, of: Collection[str] | None = None) -> pl.DataFrame:
        """Rows that came to the store since the last call, in no order; all that there are at the first one. `of`: of
        these files alone.

        Of several releases the union of their columns: null is what a release does not have, and what is text in one
        and a number in another is text. Raises CannotAsk where a file cannot be read; then nothing counts as read.
        """
        keys = [key for key in (self._keys() if of is None else of) if key not in self._read]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            frames = [self._empty(), *pool.map(lambda key: read_file(self._store, key, self._columns), keys)]
        self._read |= {*keys}
        found = pl.concat(frames, how="diagonal_relaxed").filter(pl.col("time") >= self._since)
        return found if self._until is None else found.filter(pl.col("time") < self._until)

    def some(self, most: int, seed: int) -> pl.DataFrame:
        """At least `most` rows, or all that there are, of whole files drawn by the seed: a glance at a long time."""
        keys, order = sorted(self._keys()), np.random.default_rng(seed)
        found = self._empty()
        for key in order.permutation(np.array(keys, dtype=object)):
            if len(found) >= most:
                break
            found = pl.concat([found, self.more([str(key)])], how="diagonal_relaxed")
        return found

    def _keys(self) -> Iterator[str]:
        # Day by day: a long history is not listed for a short question. A gateway's clock can be ahead of this one.
        end = self._until or datetime.now(UTC) + timedelta(days=1)
        day = self._since - (self._since - EPOCH) % STRETCH
        while day <= end:
            folder = f"{self._kind}/{self._model}/{day:%Y-%m-%d}/"
            yield from self._store.keys(folder, after=f"{folder}{day:%H%M%S}")
            day = day.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)

    def _empty(self) -> pl.DataFrame:
        wanted = COLUMNS[self._kind]
        return pl.DataFrame(
            schema={name: kind for name, kind in wanted.items() if self._columns is None or name in self._columns}
        )


def read_file(store: Store, key: str, columns: Collection[str] | None = None) -> pl.DataFrame:
    """The rows of one file, of these columns where it has them. Raises CannotAsk where it cannot be read."""
    try:
        file = pq.ParquetFile(BytesIO(store.get(key)))
        names = [name for name in file.schema_arrow.names if columns is None or name in columns]
        found = pl.from_arrow(file.read(columns=names))
    except pa.ArrowException:
        raise CannotAsk(f"{key}: expected Parquet, found something else. Bring it back from a copy.") from None
    assert isinstance(found, pl.DataFrame)
    return found


def read_predictions(
    store: Store, model: str, since: datetime, until: datetime | None = None, columns: Collection[str] | None = None
) -> pl.DataFrame:
    """Rows of `since` ≤ time < `until`, by time; `time`, `request_id` and `row` are always among the columns."""
    return LogReader(store, "predictions", model, since, until, columns).more().sort("time", *ROW)


def read_feedback(store: Store, model: str, since: datetime, until: datetime | None = None) -> pl.DataFrame:
    """Ground truth by time. What one source said of one row again, word for word, is there once."""
    found = LogReader(store, "feedback", model, since, until).more().sort("time", *ROW)
    return found.unique([*ROW, "source", "truth", "value"], keep="first", maintain_order=True)


def with_truth(predictions: pl.DataFrame, feedback: pl.DataFrame) -> pl.DataFrame:
    """The predictions and what became of them, null where nobody said.

    The first truth of a row counts, whoever brings another one later: `contradictions` says how often that was.
    `value` is the first that came with the truth that counts. Adds truth, truth_number, value, truth_source, truth_time
    and contradictions.
    """
    first = _first(feedback)
    said = feedback.join(first.select(*ROW, first_truth="truth"), on=ROW)
    agrees = pl.col("truth") == pl.col("first_truth")
    told = (
        said.sort("time")
        .group_by(ROW)
        .agg(
            value=pl.col("value").filter(agrees & pl.col("value").is_not_null()).first(),
            contradictions=(~agrees).sum(),
        )
    )
    truth = first.select(*ROW, "truth", "truth_number", truth_source="source", truth_time="time").join(told, on=ROW)
    joined = predictions.join(truth, on=ROW, how="left", maintain_order="left")
    return joined.with_columns(pl.col("contradictions").fill_null(0))


def truth_sources(feedback: pl.DataFrame) -> pl.DataFrame:
    """A row for each source: of how many rows it told the truth that counts, and how often it contradicted one."""
    said = feedback.join(_first(feedback).select(*ROW, first_truth="truth", first_source="source"), on=ROW)
    is_first = (pl.col("source") == pl.col("first_source")) & (pl.col("truth") == pl.col("first_truth"))
    return (
        said.group_by("source")
        .agg(
            rows=pl.struct(ROW).n_unique(),
            counted=pl.struct(ROW).filter(is_first).n_unique(),
            contradictions=(pl.col("truth") != pl.col("first_truth")).sum(),
        )
        .sort("source")
    )


def _first(feedback: pl.DataFrame) -> pl.DataFrame:
    """Of truths at the same moment the same one is always first."""
    return feedback.sort("time", "source", "truth").unique(ROW, keep="first", maintain_order=True)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise CannotAsk(f"{moment}: expected a time with its time zone, found none: say UTC.")
    return moment.astimezone(UTC)
