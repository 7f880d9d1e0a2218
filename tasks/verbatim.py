"""May a source's file be the snapshot's, byte by byte? A Parquet file that needs no change is not written anew."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from expectations.spec import Data, Source
from infra.sources import kind_of, naive_utc


def needs_no_change(data: Data, root: Path, as_of: datetime) -> bool:
    """True where nothing is joined or looked up, every row was known at `as_of`, and all columns have the five types.

    Told by the file's schema and statistics alone; a file that cannot be read says no, and its reader says why.
    """
    source = data.rows
    if data.joins or data.lookups or source.path is None or not source.path.endswith(".parquet"):
        return False
    try:
        told = pq.read_metadata(root / source.path)
        schema = told.schema.to_arrow_schema()
        return _five_types(schema) and _opens_alike(schema) and _all_known(told, schema, source, naive_utc(as_of))
    except (OSError, pa.ArrowException):
        return False


def _five_types(schema: pa.Schema) -> bool:
    """Large texts are told from texts by a note in the file only: Parquet stores them alike."""
    return all(kind_of(f.type) == f.type or pa.types.is_large_string(f.type) for f in schema)


def _opens_alike(schema: pa.Schema) -> bool:
    """Does pandas open the file as if it had no notes of pandas in it: no index, no categories, no types of its own?"""
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    if not all(isinstance(part, dict) and (part["start"], part["step"]) == (0, 1) for part in index):
        return False
    noted, plain = (some.empty_table().to_pandas() for some in (schema, schema.remove_metadata()))
    return bool(noted.dtypes.equals(plain.dtypes) and noted.columns.name is None and noted.index.name is None)


def _all_known(told: pq.FileMetaData, schema: pa.Schema, source: Source, as_of: datetime) -> bool:
    if source.event_time is None:
        return True
    if source.event_time not in schema.names or schema.field(source.event_time).type != pa.timestamp("us"):
        return False
    at = schema.names.index(source.event_time)
    found = [told.row_group(group).column(at).statistics for group in range(told.num_row_groups)]
    return all(one is not None and one.has_min_max and one.null_count == 0 and one.max <= as_of for one in found)
