"""Databases through SQLAlchemy."""

import re
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.feather as feather

from expectations.errors import Away, CannotAsk
from expectations.spec import Source
from infra.sources.columns import normalised
from infra.sources.parquet_file import BATCH_ROWS
from infra.sources.urls import expanded, redacted, without_secrets

GLIMPSE_ROWS = 1_000


def read_sql(name: str, source: Source, only: str | None, glimpse: bool) -> Generator[pa.Table, None, None]:
    """The query's rows in batches of one schema, or for a `glimpse` as they come, each batch with its own types.

    Rows are set down in temporary files first: one schema for all is known only when the last row was seen.
    """
    if glimpse:
        yield from _fetched(name, source, only, GLIMPSE_ROWS)
        return
    with tempfile.TemporaryDirectory() as folder:
        files: list[Path] = []
        schemas: list[pa.Schema] = []
        for table in _fetched(name, source, only, BATCH_ROWS):
            files.append(Path(folder, f"{len(files)}.arrow"))
            schemas.append(normalised(name, table, missing=pa.null()).schema)
            feather.write_feather(table.cast(schemas[-1], safe=False), str(files[-1]), compression="uncompressed")
        schema = pa.unify_schemas(schemas, promote_options="permissive")
        for file in files:
            yield feather.read_table(str(file), memory_map=False).cast(schema)


def _fetched(name: str, source: Source, only: str | None, size: int) -> Generator[pa.Table, None, None]:
    """The query's rows as the driver gives them, `size` at a time; an empty table of its columns first."""
    import sqlalchemy as sa

    # A colon in a query is a colon: nothing is ever bound.
    query = re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", str(source.query).rstrip().rstrip(";"))
    asked: Any = sa.text(query)
    if only is not None:
        asked = sa.select(sa.column(only)).select_from(asked.columns(sa.column(only)).subquery("asked"))
    with connection(name, str(source.url)) as connected:
        try:
            found = connected.execution_options(stream_results=True).execute(asked)
            columns = list(found.keys())
            yield pa.table({column: pa.nulls(0) for column in columns}) if columns else pa.table({})
            while rows := found.fetchmany(size):
                yield _table(columns, rows)
        except sa.exc.SQLAlchemyError as error:
            told = without_secrets(error, str(source.url))
            raise CannotAsk(f"{name}: the query failed: {told}. Mend data.sources.{name}.query.") from None


def _table(columns: list[str], rows: Any) -> pa.Table:
    return pl.DataFrame([tuple(row) for row in rows], schema=columns, orient="row", infer_schema_length=None).to_arrow()


def connection(name: str, asked: str, **sqlite: Any) -> Any:
    """A connection to the URL that is `asked` for, as production makes it; `sqlite` goes to that driver alone.

    Raises CannotAsk, without any secret, where there is none.
    """
    import sqlalchemy as sa

    shown = redacted(asked)
    try:
        url = sa.make_url(expanded(name, asked))
        # Without a driver's name SQLAlchemy would ask for psycopg2, which is not what the extra installs.
        url = url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url
        _existing_database(name, url)
        arguments = {"postgresql": {"connect_timeout": 5}, "sqlite": sqlite}.get(url.get_backend_name(), {})
        return sa.create_engine(url, connect_args=arguments, poolclass=sa.NullPool).connect()
    except (sa.exc.SQLAlchemyError, ImportError, ValueError, TypeError) as error:
        told = without_secrets(error, asked)
        raise Away(
            f"{name}: expected a connection to {shown}, found: {told}. Look at the url and its server."
        ) from None


def _existing_database(name: str, url: Any) -> None:
    """SQLite would make an empty file where there is none, and a release must leave no trace."""
    path = str(url.database or ":memory:")
    if url.get_backend_name() == "sqlite" and not path.startswith(("file:", ":memory:")) and not Path(path).is_file():
        raise CannotAsk(f"{name}: expected a SQLite file at {path}, found none. An absolute path has four slashes.")
