"""The snapshot: the exact data of a release, frozen as of a stated moment."""

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
from infra.sources import BATCH_ROWS, RunFunction, read_batches, redacted
from tasks.content_digest import ContentDigest

Split8 = npt.NDArray[np.int8]


def build_snapshot(data: Data, root: Path, as_of: datetime, out: Path, run_function: RunFunction) -> dict[str, Any]:
    """Writes `out/data.parquet` and `out/split.bin` (int8 per row: 0 train, 1 test), and returns the manifest.

    Only joined tables are held in memory; the first source is streamed. No rows is allowed: a gate says no later.
    """
    told: dict[str, dict[str, Any]] = {name: _origin(name, source) for name, source in data.sources.items()}
    digest, parts, writer = ContentDigest(), [], None
    for table in _joined(data, root, as_of, run_function, told):
        if writer is None:
            writer = pq.ParquetWriter(out / "data.parquet", table.schema, compression="zstd")
            columns = {field.name: str(field.type) for field in table.schema}
        writer.write_table(table, row_group_size=BATCH_ROWS)
        digest.update(table)
        parts.append(split_keys(table, data))
    assert writer is not None  # Every source gives at least one batch.
    writer.close()
    split = assign_split(np.concatenate(parts), data.split)
    (out / "split.bin").write_bytes(split.tobytes())
    return {
        "content_digest": digest.hexdigest(),
        "rows": len(split),
        "columns": columns,
        "parts": {"train": int((split == 0).sum()), "test": int((split == 1).sum())},
        "split_digest": digest_of(split.tobytes()),
        "as_of": as_of.isoformat(),
        "sources": list(told.values()),
    }


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
                pc.less_equal(table.column(source.event_time), pa.scalar(as_of, pa.timestamp("us"))), False
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
    clash = sorted((set(rows.columns) & set(table.columns)) - {*join.on, table_time})
    if clash:
        raise CannotAsk(
            f"the join with {join.source} brings {', '.join(clash)}, which the rows have already; rename them."
        )
    right = table.rename({table_time: "__known"}).with_columns(pl.lit(True).alias("__found")).sort("__known")
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


def split_keys(table: pa.Table, data: Data) -> npt.NDArray[np.uint64]:
    """(n,) uint64 by which rows are split: a hash of the whole row or of its group, or the time itself."""
    if data.split.by == "time":
        return np.asarray(table.column(str(data.rows.event_time)).cast(pa.int64()).to_numpy().astype(np.uint64))
    columns = [data.split.group] if data.split.group else sorted(table.column_names)
    frame = table.select(columns).to_pandas()
    seed = f"{data.split.seed:016d}"
    hashes = pd.util.hash_pandas_object(frame, index=False, hash_key=seed, categorize=False)
    return np.asarray(hashes.to_numpy(dtype=np.uint64))


def assign_split(keys: npt.NDArray[np.uint64], split: Split) -> Split8:
    """(n,) int8: 1 for test. By hash a row keeps its side as data grows; by time the latest share, ties on one side."""
    if not len(keys):
        return np.zeros(0, dtype=np.int8)
    if split.by == "time":
        return np.asarray(keys > np.quantile(keys, 1 - split.test, method="lower"), dtype=np.int8)
    return np.asarray(keys < np.uint64(split.test * 2.0**64), dtype=np.int8)
