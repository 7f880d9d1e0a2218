"""The one way to a source's rows, whatever its kind."""

from collections.abc import Generator
from pathlib import Path

import polars as pl
import pyarrow as pa

from expectations.errors import CannotAsk
from expectations.spec import Source
from infra.sources.columns import normalised, timed
from infra.sources.csv_file import read_csv
from infra.sources.function import RunFunction, at_hand
from infra.sources.parquet_file import read_parquet
from infra.sources.postgresql import is_postgresql, read_postgresql
from infra.sources.sql import read_sql
from infra.sources.urls import first_line

UNREADABLE = (OSError, EOFError, ValueError, TypeError, pa.ArrowException, pl.exceptions.PolarsError)


def read_batches(
    name: str,
    source: Source,
    root: Path,
    run_function: RunFunction,
    only: str | None = None,
    glimpse: bool = False,
) -> Generator[pa.Table, None, None]:
    """A source's rows in batches of one schema: int64, float64, string, bool and timestamp[us] (UTC) only.

    `only` reads one column. At least one batch, so that an empty table has its columns. A text event_time is read as
    a time, since SQLite and CSV know no other. A `glimpse` is for whoever stops after the first rows: they alone tell
    the types of a CSV file, and batches of a database may differ in theirs, or say null.
    Raises CannotAsk where it cannot be read.
    """
    try:
        with at_hand(source, root, run_function) as here:
            for table in _batches(name, here, root, only, glimpse):
                yield timed(name, source, normalised(name, table, missing=pa.null() if glimpse else None))
    except UNREADABLE as error:
        raise CannotAsk(f"{name}: could not be read: {first_line(error)}. Look at the file and its format.") from None


def _batches(name: str, source: Source, root: Path, only: str | None, glimpse: bool) -> Generator[pa.Table, None, None]:
    if source.url and is_postgresql(source.url):
        return read_postgresql(name, source, only)
    if source.url:
        return read_sql(name, source, only, glimpse)
    path = source_file(name, source, root)
    return read_parquet(path, only) if path.suffix == ".parquet" else read_csv(path, source.null_values, only, glimpse)


def source_file(name: str, source: Source, root: Path) -> Path:
    """Where the source's file lies. Raises CannotAsk where there is none."""
    path = root / str(source.path)
    if not path.is_file():
        raise CannotAsk(f"{name}: expected a file at {path}, found none. Paths are relative to the release spec.")
    return path
