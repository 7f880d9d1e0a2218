"""Parquet files, streamed."""

from collections.abc import Generator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

BATCH_ROWS = 65_536


def read_parquet(path: Path, only: str | None) -> Generator[pa.Table, None, None]:
    """The file's rows as they are, 65,536 at a time, an empty table of its columns first; `only` reads one column."""
    columns = None if only is None else [only]
    # Pre-buffering holds every row group that was read until the file is closed.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        yield file.schema_arrow.empty_table().select(columns or file.schema_arrow.names)
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
            yield pa.Table.from_batches([batch])
