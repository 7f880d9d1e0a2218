"""Data sources: CSV, Parquet, SQL and a user's function, read in batches and probed as production reaches them."""

import contextlib
import difflib
import os
import re
import tempfile
import time
from collections.abc import Callable, Generator
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as feather
import pyarrow.parquet as pq

from expectations.errors import CannotAsk
from expectations.spec import Source
from expectations.verdicts import Outcome

BATCH_ROWS = 65_536
RunFunction = Callable[[str, Path, Path], Path]
WRITES = "INSERT, UPDATE, DELETE, TRUNCATE"
WRITABLE_TABLES = """
select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema')
and has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') order by 1
"""


def read_batches(name: str, source: Source, root: Path, run_function: RunFunction) -> Generator[pa.Table, None, None]:
    """A source's rows in batches of one schema: int64, float64, string, bool and timestamp[us] only.

    At least one batch, so that an empty table has its columns. Raises CannotAsk where it cannot be read.
    """
    try:
        if source.url:
            yield from _read_sql(name, source)
        elif source.function:
            with tempfile.TemporaryDirectory() as folder:
                yield from _read_parquet(name, run_function(source.function, root, Path(folder, "table.parquet")))
        elif str(source.path).endswith(".parquet"):
            yield from _read_parquet(name, _existing(name, root / str(source.path)))
        else:
            yield from _read_csv(name, source, _existing(name, root / str(source.path)))
    except (OSError, ValueError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise CannotAsk(f"{name}: could not be read: {_first_line(error)}. Look at the file and its format.") from None


def _existing(name: str, path: Path) -> Path:
    if not path.is_file():
        raise CannotAsk(f"{name}: expected a file at {path}, found none. Paths are relative to the release spec.")
    return path


def _read_parquet(name: str, path: Path) -> Generator[pa.Table, None, None]:
    with pq.ParquetFile(path) as file:
        yield normalised(name, file.schema_arrow.empty_table())
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            yield normalised(name, pa.Table.from_batches([batch]))


def _read_csv(name: str, source: Source, path: Path) -> Generator[pa.Table, None, None]:
    """Types are told from all rows, not from the first ones: a whole column of 1, 2, 3.5 is a number with fractions."""
    scan = pl.scan_csv(
        path, infer_schema_length=None, null_values=list(source.null_values), try_parse_dates=True, raise_if_empty=True
    )
    yield normalised(name, scan.head(0).collect().to_arrow())
    for batch in scan.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
        yield normalised(name, batch.to_arrow())


def _read_sql(name: str, source: Source) -> Generator[pa.Table, None, None]:
    """Rows are set down in temporary files first: one schema for all is known only when the last row was seen."""
    import sqlalchemy as sa

    with tempfile.TemporaryDirectory() as folder, connection(name, source) as connected:
        try:
            found = connected.execution_options(stream_results=True).execute(sa.text(str(source.query)))
            columns = list(found.keys())
            files: list[Path] = []
            schemas: list[pa.Schema] = []
            while rows := found.fetchmany(BATCH_ROWS):
                table = normalised(name, _table(columns, rows))
                files.append(Path(folder, f"{len(files)}.arrow"))
                feather.write_feather(table, str(files[-1]), compression="uncompressed")
                schemas.append(table.schema)
        except sa.exc.SQLAlchemyError as error:
            raise CannotAsk(
                f"{name}: the query failed: {_first_line(error)}. Mend data.sources.{name}.query."
            ) from None
        nothing = pa.schema([(column, pa.null()) for column in columns])
        schema = pa.unify_schemas([nothing, *schemas], promote_options="permissive")
        schema = pa.schema([pa.field(f.name, pa.string() if pa.types.is_null(f.type) else f.type) for f in schema])
        yield schema.empty_table()
        for file in files:
            yield feather.read_table(str(file), memory_map=False).cast(schema)


def _table(columns: list[str], rows: Any) -> pa.Table:
    return pl.DataFrame([tuple(row) for row in rows], schema=columns, orient="row", infer_schema_length=None).to_arrow()


def connection(name: str, source: Source) -> Any:
    """A connection as production makes it. Raises CannotAsk, without any secret, where there is none."""
    import sqlalchemy as sa

    try:
        url = expanded(name, str(source.url))
        arguments = {"connect_timeout": 5} if url.startswith("postgresql") else {}
        return sa.create_engine(url, connect_args=arguments, poolclass=sa.NullPool).connect()
    except (sa.exc.SQLAlchemyError, ImportError, ValueError) as error:
        told = _first_line(error).replace(expanded(name, str(source.url)), str(source.url))
        raise CannotAsk(f"{name}: expected a connection to {redacted(str(source.url))}, found: {told}.") from None


def expanded(name: str, url: str) -> str:
    """The URL with its ${VARIABLES} from the environment, only ever for a connection."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise CannotAsk(f"{name}: the url names ${{{match[1]}}}, which is not set in the environment. Set it.")
        return os.environ[match[1]]

    return re.sub(r"\$\{(\w+)\}", value, url)


def redacted(url: str) -> str:
    """A URL that may be shown."""
    return re.sub(r"://([^:/@]*):[^@]*@", r"://\1:***@", url)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return redacted(lines[0] if lines else type(error).__name__).rstrip(".")[:300]


def normalised(name: str, table: pa.Table) -> pa.Table:
    """The same rows in the five types. Raises CannotAsk naming a column of any other."""
    fields, problems = [], []
    for field in table.schema:
        kind = _kind(field.type)
        if kind is None:
            problems.append(
                f"{name}: column {field.name} is {field.type}, which no model takes; leave it out in the query."
            )
        fields.append(pa.field(field.name, kind or field.type))
    if problems:
        raise CannotAsk.all_of(problems)
    return table.cast(pa.schema(fields)).replace_schema_metadata(None)


def _kind(found: pa.DataType) -> pa.DataType | None:
    types = pa.types
    if types.is_dictionary(found):
        return _kind(found.value_type)
    if types.is_integer(found):
        return pa.int64()
    if types.is_floating(found) or types.is_decimal(found):
        return pa.float64()
    if types.is_string(found) or types.is_large_string(found) or types.is_string_view(found):
        return pa.string()
    if types.is_timestamp(found) or types.is_date(found):
        return pa.timestamp("us")
    return found if types.is_boolean(found) or types.is_null(found) else None


def probe(
    name: str, source: Source, root: Path, required: set[str], as_of: datetime, run_function: RunFunction
) -> list[dict[str, Any]]:
    """One row per check: connection, permission, schema, freshness. A source that is away gives one errored row."""
    began = time.perf_counter()
    try:
        with contextlib.closing(read_batches(name, source, root, run_function)) as batches:
            columns = next(batches)
            first = next(batches, columns)
    except CannotAsk as error:
        return [
            _row(
                name,
                "connection",
                Outcome.ERRORED,
                "a readable table",
                str(error),
                "Bring it back and run again.",
                began,
            )
        ]
    connected = _row(name, "connection", Outcome.PASSED, "a readable table", f"{first.num_columns} columns", "", began)
    rows = [connected, _permission(name, source), _schema(name, set(columns.column_names), required)]
    return [*rows, _freshness(name, source, root, as_of, run_function)]


def _row(
    source: str, check: str, outcome: Outcome, expected: str, found: str, remedy: str = "", began: float | None = None
) -> dict[str, Any]:
    spent = float("nan") if began is None else (time.perf_counter() - began) * 1000
    row = {"source": source, "check": check, "outcome": outcome.value, "expected": expected, "found": found}
    return {**row, "remedy": remedy, "latency_ms": spent}


def _schema(name: str, columns: set[str], required: set[str]) -> dict[str, Any]:
    lost = sorted(required - columns)
    if not lost:
        return _row(name, "schema", Outcome.PASSED, "every column that the spec names", f"{len(columns)} columns")
    near = {column: difflib.get_close_matches(column, columns, n=1) for column in lost}
    found = "; ".join(f"no column {c}{f' (nearest: {n[0]})' if n else ''}" for c, n in near.items())
    return _row(name, "schema", Outcome.FAILED, f"the columns {', '.join(lost)}", found, "Mend the spec or the source.")


def _permission(name: str, source: Source) -> dict[str, Any]:
    """Least privilege: a release reads, so its identity must not be able to write."""
    expected = "an identity that reads and cannot write"
    if not source.url:
        found = "a file or function of this account: there is no identity of its own to ask of"
        return _row(name, "permission", Outcome.NOT_APPLICABLE, expected, found)
    with connection(name, source) as connected:
        kind = connected.dialect.name
        asked = {"sqlite": _sqlite_may_write, "postgresql": _postgresql_may_write}.get(kind)
        may_write = asked(connected) if asked else None
    if asked is None:
        return _row(name, "permission", Outcome.NOT_APPLICABLE, expected, f"rights cannot be asked of {kind}")
    if may_write is None:
        return _row(name, "permission", Outcome.PASSED, expected, "reads only")
    return _row(name, "permission", Outcome.FAILED, expected, *may_write)


def _sqlite_may_write(connected: Any) -> tuple[str, str] | None:
    import sqlalchemy as sa

    try:
        # Sets a number to what it is, and takes that back: nothing changes, and a reader may not even do that.
        version = connected.exec_driver_sql("PRAGMA user_version").scalar()
        connected.exec_driver_sql(f"PRAGMA user_version = {int(version)}")
        connected.rollback()
    except sa.exc.OperationalError as error:
        if "readonly" in str(error):
            return None
        return f"cannot tell: {_first_line(error)}", "Run again when nobody writes."
    return "the file was opened for writing", "Write the url as sqlite:///file:PATH?mode=ro&uri=true"


def _postgresql_may_write(connected: Any) -> tuple[str, str] | None:
    role, all_powerful = connected.exec_driver_sql(
        "select current_user, rolsuper from pg_roles where rolname = current_user"
    ).one()
    if all_powerful:
        return (
            f"the role {role} is a superuser",
            "Use a role with GRANT SELECT on what the query reads, and nothing else.",
        )
    tables = [row[0] for row in connected.exec_driver_sql(WRITABLE_TABLES)]
    if not tables:
        return None
    remedy = f"REVOKE {WRITES} ON {', '.join(tables[:5])} FROM {role};"
    return f"the role {role} may write to {', '.join(tables[:5])}", remedy


def _freshness(name: str, source: Source, root: Path, as_of: datetime, run_function: RunFunction) -> dict[str, Any]:
    if source.fresh_within_days is None or source.event_time is None:
        return _row(
            name,
            "freshness",
            Outcome.NOT_APPLICABLE,
            "a stated age",
            "fresh_within_days and event_time are not both stated",
        )
    newest: datetime | None = None
    for batch in read_batches(name, source, root, run_function):
        latest = pc.max(batch.column(source.event_time)).as_py() if source.event_time in batch.column_names else None
        newest = latest if newest is None or (latest is not None and latest > newest) else newest
    expected = f"rows younger than {source.fresh_within_days:g} days"
    if newest is None:
        return _row(name, "freshness", Outcome.FAILED, expected, "no row has a time", "Look at the source's own feed.")
    days = (as_of - newest).total_seconds() / 86400
    outcome = Outcome.PASSED if days <= source.fresh_within_days else Outcome.FAILED
    return _row(
        name, "freshness", outcome, expected, f"the newest is {days:.1f} days old", "Look at the source's own feed."
    )
