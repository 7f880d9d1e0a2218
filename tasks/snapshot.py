"""The snapshot: the exact data of a release, frozen as of a stated moment."""

import hashlib
import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from expectations.errors import CannotAsk
from expectations.records import digest_of
from expectations.spec import Data, Join, Source, Split
from infra.sources import BATCH_ROWS, RunFunction, naive_utc, read_batches, redacted
from tasks.content_digest import ContentDigest

Split8 = npt.NDArray[np.int8]


def build_snapshot(data: Data, root: Path, as_of: datetime, out: Path, run_function: RunFunction) -> dict[str, Any]:
    """Writes `out/data.parquet` and `out/split.bin` (int8 per row: 0 train, 1 test), and returns the manifest.

    Only joined tables are held in memory; the first source is streamed. No rows is allowed: a gate says no later.
    """
    told: dict[str, dict[str, Any]] = {name: _origin(name, source) for name, source in data.sources.items()}
    digest, parts = ContentDigest(), []
    batches = even(_joined(data, root, as_of, run_function, told))
    first = next(batches)
    with pq.ParquetWriter(out / "data.parquet", first.schema, compression="zstd") as writer:
        for table in itertools.chain([first], batches):
            writer.write_table(table, row_group_size=BATCH_ROWS)
            digest.update(table)
            parts.append(split_keys(table, data))
    split = assign_split(np.concatenate(parts), data.split)
    (out / "split.bin").write_bytes(split.tobytes())
    for join in data.joins:
        told[join.source]["coverage"] = told[join.source]["rows_covered"] / len(split) if len(split) else None
    return {
        "content_digest": digest.hexdigest(),
        "rows": len(split),
        "columns": {field.name: str(field.type) for field in first.schema},
        "parts": {"train": int((split == 0).sum()), "test": int((split == 1).sum())},
        "split_digest": digest_of(split.tobytes()),
        "as_of": as_of.isoformat(),
        "sources": list(told.values()),
    }


def even(batches: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows, 65,536 at a time and the rest last, so that the file's bytes know nothing of a source's batches.

    At least one table, which may be empty.
    """
    rest = next(batches)
    for table in batches:
        rest = pa.concat_tables([rest, table])
        while rest.num_rows > BATCH_ROWS:
            yield rest.slice(0, BATCH_ROWS).combine_chunks()
            rest = rest.slice(BATCH_ROWS)
    yield rest.combine_chunks()


def _origin(name: str, source: Source) -> dict[str, Any]:
    kind = "sql" if source.url else "function" if source.function else "file"
    location = redacted(source.url) if source.url else source.function or source.path
    about = {"name": name, "kind": kind, "location": location, "query": source.query}
    return {**about, "origin": source.origin, "licence": source.licence, "rows_read": 0, "rows_after_as_of_dropped": 0}


def _known(
    name: str, source: Source, root: Path, as_of: datetime, run_function: RunFunction, told: dict[str, Any]
) -> Iterator[pa.Table]:
    """A source's rows that were known at `as_of`; a row without its time was not."""
    for table in read_batches(name, source, root, run_function):
        told["rows_read"] += table.num_rows
        if source.event_time is not None:
            if source.event_time not in table.column_names:
                raise CannotAsk(
                    f"{name}: event_time {source.event_time} is no column; there are {', '.join(table.column_names)}."
                )
            known = pc.fill_null(
                pc.less_equal(table.column(source.event_time), pa.scalar(naive_utc(as_of), pa.timestamp("us"))), False
            )
            told["rows_after_as_of_dropped"] += table.num_rows - int(pc.sum(known).as_py() or 0)
            table = table.filter(known)
        yield table


def _joined(
    data: Data, root: Path, as_of: datetime, run_function: RunFunction, told: dict[str, dict[str, Any]]
) -> Iterator[pa.Table]:
    name = next(iter(data.sources))
    tables: dict[str, pl.DataFrame] = {}
    for join in data.joins:
        known = _known(join.source, data.sources[join.source], root, as_of, run_function, told[join.source])
        tables[join.source] = _frame(pa.concat_tables(known))
        told[join.source]["rows_covered"] = 0
    for batch in _known(name, data.rows, root, as_of, run_function, told[name]):
        for join in data.joins:
            rows = _frame(batch)
            joined, covered = join_as_of(
                rows, tables[join.source], join, str(data.rows.event_time), str(data.sources[join.source].event_time)
            )
            told[join.source]["rows_covered"] += covered
            batch = joined.to_arrow().cast(_schema_of(joined))
        yield batch


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _schema_of(frame: pl.DataFrame) -> pa.Schema:
    fields = frame.to_arrow().schema
    return pa.schema(
        [
            pa.field(
                f.name, pa.string() if pa.types.is_large_string(f.type) or pa.types.is_string_view(f.type) else f.type
            )
            for f in fields
        ]
    )


def join_as_of(
    rows: pl.DataFrame, table: pl.DataFrame, join: Join, rows_time: str, table_time: str
) -> tuple[pl.DataFrame, int]:
    """The table's columns as they were known at each row's time, never later; and how many rows found any.

    Rows keep their order, and stay where nothing was known. Raises CannotAsk where two columns share a name.
    """
    _check_keys(rows, table, join)
    # An empty query has no types of its own: its keys take those of the other side.
    table = table.cast({key: rows[key].dtype for key in join.on}) if table.is_empty() else table
    rows = rows.cast({key: table[key].dtype for key in join.on}) if rows.is_empty() else rows
    clash = sorted((set(rows.columns) & set(table.columns)) - {*join.on, table_time})
    if clash:
        raise CannotAsk(
            f"the join with {join.source} brings {', '.join(clash)}, which the rows have already; rename them."
        )
    right = table.rename({table_time: "__known"}).with_columns(pl.lit(True).alias("__found"))
    # Stable: of two rows of the same moment the later written one counts, each time.
    right = right.sort("__known", maintain_order=True)
    tolerance = None if join.max_age_days is None else timedelta(days=join.max_age_days)
    joined = (
        rows.with_row_index("__order")
        .sort(rows_time)
        .join_asof(
            right,
            left_on=rows_time,
            right_on="__known",
            by=list(join.on),
            strategy="backward",
            tolerance=tolerance,
            check_sortedness=False,
        )
        .sort("__order")
    )
    covered = int(joined["__found"].fill_null(False).sum())
    return joined.drop("__order", "__known", "__found", strict=False), covered


def _check_keys(rows: pl.DataFrame, table: pl.DataFrame, join: Join) -> None:
    lost = [
        f"{key} (in {where})"
        for key in join.on
        for where, frame in (("the rows", rows), (join.source, table))
        if key not in frame.columns
    ]
    if lost:
        raise CannotAsk(f"the join with {join.source} expects the columns {', '.join(lost)}, which are not there.")
    for key in join.on:
        if rows[key].dtype != table[key].dtype and not (rows.is_empty() or table.is_empty()):
            raise CannotAsk(
                f"the join with {join.source}: {key} is {rows[key].dtype} in the rows and {table[key].dtype} there; "
                "make them one type."
            )


def split_keys(table: pa.Table, data: Data) -> npt.NDArray[np.uint64]:
    """(n,) uint64 by which rows are split: a hash of the whole row or of its group, or the time itself.

    Raises CannotAsk where there is no column of the group's name.
    """
    if data.split.by == "time":
        times = table.column(str(data.rows.event_time)).cast(pa.int64()).to_numpy()
        # Shifted, so that a time before 1970 is smaller as an unsigned number too.
        return np.asarray(times.astype(np.int64).view(np.uint64) ^ np.uint64(2**63))
    columns = [data.split.group] if data.split.group else sorted(table.column_names)
    if lost := set(columns) - set(table.column_names):
        raise CannotAsk(f"data.split.group: no column {lost.pop()}; there are {', '.join(table.column_names)}.")
    frame = pd.DataFrame({column: _hashable(table.column(column)) for column in columns})
    hashes = pd.util.hash_pandas_object(frame, index=False, categorize=False).to_numpy(dtype=np.uint64)
    return _mixed(np.asarray(hashes, dtype=np.uint64), data.split.seed)


def _hashable(column: pa.ChunkedArray) -> Any:
    """Equal values get equal bits whatever else is in the batch: pandas would hash 5 unlike the 5.0 beside a null."""
    if pa.types.is_string(column.type):
        return column.to_pandas()
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    values = column.cast(pa.float64(), safe=False).to_numpy()
    return np.where(np.isnan(values), np.nan, values + 0.0)


def _mixed(hashes: npt.NDArray[np.uint64], seed: int) -> npt.NDArray[np.uint64]:
    """The seed, and splitmix64's finalizer (Steele, Lea, Flood 2014): pandas' own key counts for texts only."""
    mixed = hashes ^ np.uint64(int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:8], "big"))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def assign_split(keys: npt.NDArray[np.uint64], split: Split) -> Split8:
    """(n,) int8: 1 for test. By hash a row keeps its side as data grows; by time the latest share, ties on one side."""
    if not len(keys):
        return np.zeros(0, dtype=np.int8)
    if split.by == "time":
        # By rank and not by interpolation: these numbers are larger than what a float can hold.
        last_of_train = int((1 - split.test) * (len(keys) - 1))
        return np.asarray(keys > np.partition(keys, last_of_train)[last_of_train], dtype=np.int8)
    return np.asarray(keys < np.uint64(split.test * 2.0**64), dtype=np.int8)
