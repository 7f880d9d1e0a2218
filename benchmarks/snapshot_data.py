"""The benchmark's data, 30 columns from a seed: numbers with and without holes, counts, names, an id, flags, times."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

BATCH = 100_000


def batch(rng: np.random.Generator, at: int) -> pa.Table:
    """`BATCH` rows × 30, the `at`-th batch. One column is int32, so that its Parquet file has to be written anew."""
    names = np.array([f"name{number}" for number in range(50)])
    columns: dict[str, pa.Array] = {"short": pa.array(rng.integers(0, 1000, BATCH), pa.int32())}
    for number in range(13):
        holes = rng.random(BATCH) < 0.02 if number % 3 == 0 else None
        columns[f"amount{number}"] = pa.array(np.round(rng.normal(100, 20, BATCH), 4), mask=holes)
    columns |= {f"count{number}": pa.array(rng.integers(0, 10 ** (number + 1), BATCH)) for number in range(8)}
    columns |= {f"name{number}": pa.array(names[rng.integers(0, 50, BATCH)]) for number in range(4)}
    rows = np.arange(at * BATCH, (at + 1) * BATCH)
    columns["id"] = pa.array([f"id-{row:09d}" for row in rows])
    columns["flag"] = pa.array(rng.random(BATCH) < 0.5)
    columns["y"] = pa.array(rng.integers(0, 2, BATCH))
    columns["at"] = pa.array(1_600_000_000_000_000 + rows * 1_000_000, pa.timestamp("us"))
    return pa.table(columns)


def write(folder: Path, rows: int, seed: int = 0) -> None:
    """`<rows>.parquet` (zstd) and `<rows>.csv` in `folder`, the same rows."""
    rng = np.random.default_rng(seed)
    schema = batch(np.random.default_rng(seed), 0).schema
    parquet, text = folder / f"{rows}.parquet", folder / f"{rows}.csv"
    with pq.ParquetWriter(parquet, schema, compression="zstd") as one, pa_csv.CSVWriter(text, schema) as other:
        for at in range(rows // BATCH):
            table = batch(rng, at)
            one.write_table(table)
            other.write_table(table)


def load(folder: Path, rows: int, url: str) -> None:
    """The rows as the table `rows_<rows>` of a PostgreSQL database."""
    from adbc_driver_postgresql import dbapi

    with pq.ParquetFile(folder / f"{rows}.parquet") as file, dbapi.connect(url) as opened, opened.cursor() as cursor:
        reader = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())
        cursor.adbc_ingest(f"rows_{rows}", reader, mode="replace")
        opened.commit()


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
    if len(sys.argv) > 3:
        load(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
