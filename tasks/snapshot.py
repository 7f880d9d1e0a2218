"""The snapshot: the exact data of a release, frozen as of a stated moment."""

import contextlib
import itertools
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from expectations.errors import CannotAsk
from expectations.records import digest_of
from expectations.spec import Data, Join, Lookup, Source
from infra.sources import BATCH_ROWS, RunFunction, naive_utc, normalised, read_batches, redacted
from tasks.content_digest import ContentDigest
from tasks.lookups import checked_table, join_lookup, keep_lookup
from tasks.split import PARTS, Sides
from tasks.verbatim import needs_no_change


def build_snapshot(data: Data, root: Path, as_of: datetime, out: Path, run_function: RunFunction) -> dict[str, Any]:
    """Writes `out/data.parquet`, `out/split.bin` (int8 per row, see `tasks.split`) and each lookup's frozen table
    (`out/lookup-0.parquet` and so on), and returns the manifest.

    Only joined and looked-up tables are held in memory; the first source is streamed. A Parquet file that needs no
    change is copied as it is. No rows is allowed: a gate says no later.
    """
    told: dict[str, dict[str, Any]] = {name: origin_of(name, source) for name, source in data.sources.items()}
    copied = needs_no_change(data, root, as_of)
    data = _copied(data, root, out / "data.parquet") if copied else data
    tables = _lookups(data, root, as_of, run_function, told)
    batches = even(_joined(data, root, as_of, run_function, told, tables))
    first = next(batches)
    digest, sides = ContentDigest(), Sides(data)
    with contextlib.nullcontext(_unwritten) if copied else _writing(out / "data.parquet", first.schema) as write:
        for table in itertools.chain([first], batches):
            write(table)
            digest.update(table)
            sides.update(table)
    if copied and any(source["rows_after_as_of_dropped"] for source in told.values()):
        raise CannotAsk(f"{data.rows.path}: its statistics do not tell of its rows. Write the file anew.")
    split = sides.all()
    (out / "split.bin").write_bytes(split.tobytes())
    for source in told.values():
        if "rows_covered" in source:
            source["coverage"] = source["rows_covered"] / len(split) if len(split) else None
    kept = [
        keep_lookup(lookup, tables[lookup.source], out / f"lookup-{at}.parquet")
        for at, lookup in enumerate(data.lookups)
    ]
    return {
        "content_digest": digest.hexdigest(),
        "rows": len(split),
        "columns": {field.name: str(field.type) for field in first.schema},
        "parts": {name: int((split == part).sum()) for name, part in PARTS.items()},
        "split_digest": digest_of(split.tobytes()),
        "as_of": as_of.isoformat(),
        "sources": list(told.values()),
        "lookups": kept,
    }


def _copied(data: Data, root: Path, out: Path) -> Data:
    """The same data, read from a copy: what is digested is what is kept, whatever becomes of the source meanwhile."""
    shutil.copyfile(root / str(data.rows.path), out)
    rows = data.rows.model_copy(update={"path": str(out.resolve())})
    return data.model_copy(update={"sources": {**data.sources, next(iter(data.sources)): rows}})


def _unwritten(table: pa.Table) -> None:
    """The rows are in the file already."""


@contextlib.contextmanager
def _writing(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Tables are written in a thread, one behind: compressing takes as long as all the rest, and shares nothing."""
    waiting: list[Future[None]] = []
    with pq.ParquetWriter(path, schema, compression="zstd") as writer, ThreadPoolExecutor(1) as thread:

        def write(table: pa.Table) -> None:
            while waiting:
                waiting.pop().result()
            waiting.append(thread.submit(writer.write_table, table, row_group_size=BATCH_ROWS))

        yield write
        for last in waiting:
            last.result()


def sample_rows(data: Data, root: Path, as_of: datetime, run_function: RunFunction, n: int) -> pd.DataFrame:
    """The first `n` rows, or fewer, of what the snapshot would hold, without reading the rest of the first source.

    Joined sources are read whole. The first rows alone tell the types of a CSV file or of a database without any.
    """
    told: dict[str, dict[str, Any]] = {name: origin_of(name, source) for name, source in data.sources.items()}
    found: list[pa.Table] = []
    tables = _lookups(data, root, as_of, run_function, told)
    with contextlib.closing(_joined(data, root, as_of, run_function, told, tables, glimpse=True)) as batches:
        while sum(table.num_rows for table in found) < n and (batch := next(batches, None)) is not None:
            found.append(batch)
    together = pa.concat_tables(found, promote_options="permissive").slice(0, n)
    return pd.DataFrame(normalised(next(iter(data.sources)), together).to_pandas())


def even(batches: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows, 65,536 at a time and the rest last, so that the file's bytes know nothing of a source's batches.

    At least one table, which may be empty.
    """
    rest = next(batches)
    for table in batches:
        # Without the empty table before them, batches of the right size are handed on and not copied.
        rest = pa.concat_tables([rest, table]) if rest.num_rows else table
        while rest.num_rows > BATCH_ROWS:
            yield rest.slice(0, BATCH_ROWS).combine_chunks()
            rest = rest.slice(BATCH_ROWS)
    yield rest.combine_chunks()


def origin_of(name: str, source: Source) -> dict[str, Any]:
    """What the manifest says of a source; its rows are counted as they are read."""
    kind = "sql" if source.url else "function" if source.function else "file"
    location = redacted(source.url) if source.url else source.function or source.path
    about = {"name": name, "kind": kind, "location": location, "query": source.query}
    return {**about, "origin": source.origin, "licence": source.licence, "rows_read": 0, "rows_after_as_of_dropped": 0}


def _known(
    name: str,
    source: Source,
    root: Path,
    as_of: datetime,
    run_function: RunFunction,
    told: dict[str, Any],
    glimpse: bool = False,
) -> Iterator[pa.Table]:
    """A source's rows that were known at `as_of`; a row without its time was not."""
    for table in read_batches(name, source, root, run_function, glimpse=glimpse):
        told["rows_read"] += table.num_rows
        if source.event_time is not None:
            if source.event_time not in table.column_names:
                raise CannotAsk(
                    f"{name}: event_time {source.event_time} is no column; there are {', '.join(table.column_names)}."
                )
            known = pc.fill_null(
                pc.less_equal(table.column(source.event_time), pa.scalar(naive_utc(as_of), pa.timestamp("us"))), False
            )
            dropped = table.num_rows - int(pc.sum(known).as_py() or 0)
            told["rows_after_as_of_dropped"] += dropped
            table = table.filter(known) if dropped else table
        yield table


def _lookups(
    data: Data, root: Path, as_of: datetime, run_function: RunFunction, told: dict[str, dict[str, Any]]
) -> dict[str, pl.DataFrame]:
    """Each lookup's table by its source."""
    found: dict[str, pl.DataFrame] = {}
    for lookup in data.lookups:
        found[lookup.source] = frozen_table(data, lookup, root, as_of, run_function, told[lookup.source])
        told[lookup.source]["rows_covered"] = 0
    return found


def frozen_table(
    data: Data, lookup: Lookup, root: Path, as_of: datetime, run_function: RunFunction, told: dict[str, Any]
) -> pl.DataFrame:
    """A lookup's table as it is frozen (see `checked_table`); `told` is what `origin_of` says of its source."""
    source = data.sources[lookup.source]
    known = _known(lookup.source, source, root, as_of, run_function, told)
    return checked_table(lookup, source.event_time, _frame(pa.concat_tables(known)))


def _joined(
    data: Data,
    root: Path,
    as_of: datetime,
    run_function: RunFunction,
    told: dict[str, dict[str, Any]],
    lookups: Mapping[str, pl.DataFrame],
    glimpse: bool = False,
) -> Generator[pa.Table, None, None]:
    name = next(iter(data.sources))
    tables: dict[str, pl.DataFrame] = {}
    for join in data.joins:
        known = _known(join.source, data.sources[join.source], root, as_of, run_function, told[join.source])
        tables[join.source] = _frame(pa.concat_tables(known))
        told[join.source]["rows_covered"] = 0
    for batch in _known(name, data.rows, root, as_of, run_function, told[name], glimpse):
        for join in data.joins:
            rows = _frame(batch)
            joined, covered = join_as_of(
                rows, tables[join.source], join, str(data.rows.event_time), str(data.sources[join.source].event_time)
            )
            told[join.source]["rows_covered"] += covered
            batch = joined.to_arrow().cast(_schema_of(joined))
        for lookup in data.lookups:
            joined, covered = join_lookup(_frame(batch), lookups[lookup.source], lookup)
            told[lookup.source]["rows_covered"] += covered
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
