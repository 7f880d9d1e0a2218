"""Data sources: CSV, Parquet, SQL and a user's function, read in batches and probed as production reaches them."""

from infra.sources.columns import kind_of, naive_utc, normalised
from infra.sources.function import RunFunction, at_hand
from infra.sources.parquet_file import BATCH_ROWS
from infra.sources.probing import probe
from infra.sources.probing_live import probe_live
from infra.sources.reading import read_batches, source_file
from infra.sources.urls import expanded, redacted

__all__ = [
    "BATCH_ROWS",
    "RunFunction",
    "at_hand",
    "expanded",
    "kind_of",
    "naive_utc",
    "normalised",
    "probe",
    "probe_live",
    "read_batches",
    "redacted",
    "source_file",
]
