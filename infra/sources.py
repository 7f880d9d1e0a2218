"""Data sources: CSV, Parquet, SQL and a user's function, read in batches and probed as production reaches them."""

import contextlib
import difflib
import itertools
import os
import re
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as feather
import pyarrow.parquet as pq

from expectations.errors import CannotAsk
from expectations.spec import Source
from expectations.verdicts import Outcome

BATCH_ROWS = 65_536
GLIMPSE_ROWS = 1_000
RunFunction = Callable[[str, Path, Path], Path]
MEND = "Mend the spec or the source."
FEED = "Look at the source's own feed."
WRITES = "INSERT, UPDATE, DELETE, TRUNCATE"
WRITABLE_TABLES = """
select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema')
and has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') order by 1
"""


def read_batches(
    name: str, source: Source, root: Path, run_function: RunFunction, only: str | None = None
) -> Generator[pa.Table, None, None]:
    """A source's rows in batches of one schema: int64, float64, string, bool and timestamp[us] (UTC) only.

    `only` reads one column. At least one batch, so that an empty table has its columns. A text event_time is read as
    a time, since SQLite and CSV know no other. Raises CannotAsk where it cannot be read.
    """
    try:
        with at_hand(source, root, run_function) as here:
            for table in _batches(name, here, root, only):
                yield _timed(name, source, normalised(name, table))
    except (OSError, ValueError, TypeError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise CannotAsk(f"{name}: could not be read: {_first_line(error)}. Look at the file and its format.") from None


@contextlib.contextmanager
def at_hand(source: Source, root: Path, run_function: RunFunction) -> Iterator[Source]:
    """The source itself, or for a function, the Parquet file that it wrote: a user's function runs once."""
    if not source.function:
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        path = run_function(source.function, root, Path(folder, "table.parquet"))
        yield source.model_copy(update={"function": None, "path": str(path.resolve())})


def _batches(name: str, source: Source, root: Path, only: str | None) -> Generator[pa.Table, None, None]:
    if source.url:
        return _read_sql(name, source, only)
    path = _existing(name, root / str(source.path))
    return _read_parquet(path, only) if path.suffix == ".parquet" else _read_csv(source, path, only)


def naive_utc(moment: datetime) -> datetime:
    """The moment without its zone, in UTC, as every timestamp here is; a naive one is taken to be UTC."""
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _timed(name: str, source: Source, table: pa.Table) -> pa.Table:
    if source.event_time is None or source.event_time not in table.column_names:
        return table
    index, column = table.column_names.index(source.event_time), table.column(source.event_time)
    return table.set_column(index, source.event_time, _as_time(name, source.event_time, column))


def _as_time(name: str, label: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type):
        return column
    found = str(column.type)
    if pa.types.is_string(column.type):
        for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
            try:
                return column.cast(kind).cast(pa.timestamp("us"))
            except pa.ArrowInvalid as error:
                found = _first_line(error)
    raise CannotAsk(f"{name}: expected times in event_time {label}, found: {found}. Write them as 2026-01-31 12:00:00.")


def _existing(name: str, path: Path) -> Path:
    if not path.is_file():
        raise CannotAsk(f"{name}: expected a file at {path}, found none. Paths are relative to the release spec.")
    return path


def _read_parquet(path: Path, only: str | None) -> Generator[pa.Table, None, None]:
    columns = None if only is None else [only]
    # Pre-buffering holds every row group that was read until the file is closed.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        yield file.schema_arrow.empty_table().select(columns or file.schema_arrow.names)
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
            yield pa.Table.from_batches([batch])


def _read_csv(source: Source, path: Path, only: str | None) -> Generator[pa.Table, None, None]:
    """Types are told from all rows, not from the first ones: a whole column of 1, 2, 3.5 is a number with fractions."""
    scan = _scan(source, path, None)
    scan = scan if only is None else scan.select(only)
    yield scan.head(0).collect().to_arrow()
    for batch in scan.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
        yield batch.to_arrow()


def _scan(source: Source, path: Path, n_rows: int | None) -> pl.LazyFrame:
    missing = list(source.null_values)
    return pl.scan_csv(path, infer_schema_length=None, null_values=missing, try_parse_dates=True, n_rows=n_rows)


def _read_sql(name: str, source: Source, only: str | None) -> Generator[pa.Table, None, None]:
    """Rows are set down in temporary files first: one schema for all is known only when the last row was seen."""
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
    with connection(name, source) as connected:
        try:
            found = connected.execution_options(stream_results=True).execute(asked)
            columns = list(found.keys())
            yield pa.table({column: pa.nulls(0) for column in columns}) if columns else pa.table({})
            while rows := found.fetchmany(size):
                yield _table(columns, rows)
        except sa.exc.SQLAlchemyError as error:
            told = _without_secrets(error, str(source.url))
            raise CannotAsk(f"{name}: the query failed: {told}. Mend data.sources.{name}.query.") from None


def _table(columns: list[str], rows: Any) -> pa.Table:
    return pl.DataFrame([tuple(row) for row in rows], schema=columns, orient="row", infer_schema_length=None).to_arrow()


def connection(name: str, source: Source) -> Any:
    """A connection as production makes it. Raises CannotAsk, without any secret, where there is none."""
    import sqlalchemy as sa

    shown = redacted(str(source.url))
    try:
        url = sa.make_url(expanded(name, str(source.url)))
        _existing_database(name, url)
        arguments = {"connect_timeout": 5} if url.get_backend_name() == "postgresql" else {}
        return sa.create_engine(url, connect_args=arguments, poolclass=sa.NullPool).connect()
    except (sa.exc.SQLAlchemyError, ImportError, ValueError, TypeError) as error:
        told = _without_secrets(error, str(source.url))
        raise CannotAsk(
            f"{name}: expected a connection to {shown}, found: {told}. Look at the url and its server."
        ) from None


def _existing_database(name: str, url: Any) -> None:
    """SQLite would make an empty file where there is none, and a release must leave no trace."""
    path = str(url.database or ":memory:")
    if url.get_backend_name() == "sqlite" and not path.startswith(("file:", ":memory:")) and not Path(path).is_file():
        raise CannotAsk(f"{name}: expected a SQLite file at {path}, found none. An absolute path has four slashes.")


def expanded(name: str, url: str) -> str:
    """The URL with its ${VARIABLES} from the environment, only ever for a connection.

    Between `://` and `@` a value is plain text and is percent-encoded: a password may hold any character.
    """
    userinfo = re.match(r"[^:/]*://[^/]*@", url)

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise CannotAsk(f"{name}: the url names ${{{match[1]}}}, which is not set in the environment. Set it.")
        plain = os.environ[match[1]]
        return quote(plain, safe="") if userinfo and match.start() < userinfo.end() else plain

    return re.sub(r"\$\{(\w+)\}", value, url)


def redacted(url: str) -> str:
    """A URL, or a text with one, that may be shown."""
    shown = re.sub(r"://([^:/@\s]*):\S*@", r"://\1:***@", url)
    return re.sub(r"(?i)([?&](?:password|passwd|pwd|token|secret|sslpassword)=)[^&\s]*", r"\1***", shown)


def _without_secrets(error: BaseException, url: str) -> str:
    """What the driver said, without any value that the environment gave to the URL."""
    told = _first_line(error)
    for value in {os.environ.get(variable, "") for variable in re.findall(r"\$\{(\w+)\}", url)} - {""}:
        told = told.replace(value, "***").replace(quote(value, safe=""), "***")
    return told


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return redacted(lines[0] if lines else type(error).__name__).rstrip(".")[:300]


def normalised(name: str, table: pa.Table, missing: pa.DataType | None = None) -> pa.Table:
    """The same rows in the five types; a column without any value is text, or `missing`.

    Raises CannotAsk naming the columns of any other type.
    """
    kinds = {f.name: (missing or pa.string()) if pa.types.is_null(f.type) else _kind(f.type) for f in table.schema}
    problems = [
        f"{name}: column {f.name} is {f.type}, which no model takes; leave it out in the query."
        for f in table.schema
        if kinds[f.name] is None
    ]
    if problems:
        raise CannotAsk.all_of(problems)
    # Only times may lose something: what is finer than a microsecond.
    columns = {c: table.column(c).cast(kind, safe=not pa.types.is_timestamp(kind)) for c, kind in kinds.items()}
    return pa.table(columns) if columns else table


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
    return found if types.is_boolean(found) else None


def probe(
    name: str, source: Source, root: Path, required: set[str], as_of: datetime, run_function: RunFunction
) -> list[dict[str, Any]]:
    """One row per check: connection, permission, schema, freshness. A source that is away gives one errored row.

    Reads the first rows and, for freshness, one column; writes nothing. Never raises CannotAsk.
    """
    began = time.perf_counter()
    try:
        with at_hand(source, root, run_function) as here:
            columns = _glimpse(name, here, root)
            found = f"{len(columns)} columns"
            connected = _row(name, "connection", Outcome.PASSED, "a readable table", found, "", began)
            permission = _asked(name, "permission", lambda: _permission(name, source))
            fresh = _asked(name, "freshness", lambda: _freshness(name, here, root, columns, naive_utc(as_of)))
            return [connected, permission, _schema(name, set(columns), required), fresh]
    except CannotAsk as error:
        remedy = "Bring it back and run again."
        return [_row(name, "connection", Outcome.ERRORED, "a readable table", str(error), remedy, began)]


def _asked(name: str, check: str, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return ask()
    except CannotAsk as error:
        return _row(name, check, Outcome.ERRORED, "an answer", str(error), "Mend it and run again.")


def _glimpse(name: str, source: Source, root: Path) -> list[str]:
    """The columns, told by the first rows: a query of millions is not read to learn that it can be."""
    try:
        with contextlib.closing(_first_rows(name, source, root)) as tables:
            columns = [normalised(name, table).column_names for table in itertools.islice(tables, 2)]
            return list(columns[0])
    except (OSError, ValueError, TypeError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise CannotAsk(f"{name}: could not be read: {_first_line(error)}. Look at the file and its format.") from None


def _first_rows(name: str, source: Source, root: Path) -> Generator[pa.Table, None, None]:
    if source.url:
        yield from _fetched(name, source, None, GLIMPSE_ROWS)
    elif str(source.path).endswith(".parquet"):
        yield from _read_parquet(_existing(name, root / str(source.path)), None)
    else:
        yield _scan(source, _existing(name, root / str(source.path)), GLIMPSE_ROWS).collect().to_arrow()


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
    return _row(name, "schema", Outcome.FAILED, f"the columns {', '.join(lost)}", found, MEND)


def _permission(name: str, source: Source) -> dict[str, Any]:
    """Least privilege: a release reads, so its identity must not be able to write."""
    expected = "an identity that reads and cannot write"
    if not source.url:
        found = "a file or function of this account: there is no identity of its own to ask of"
        return _row(name, "permission", Outcome.NOT_APPLICABLE, expected, found)
    kind, may_write = _may_write(name, source)
    if kind not in RIGHTS:
        return _row(name, "permission", Outcome.NOT_APPLICABLE, expected, f"rights cannot be asked of {kind}")
    if may_write is None:
        return _row(name, "permission", Outcome.PASSED, expected, "reads only")
    return _row(name, "permission", Outcome.FAILED, expected, *may_write)


def _may_write(name: str, source: Source) -> tuple[str, tuple[str, str] | None]:
    import sqlalchemy as sa

    with connection(name, source) as connected:
        kind = str(connected.dialect.name)
        try:
            return kind, RIGHTS[kind](connected) if kind in RIGHTS else None
        except sa.exc.SQLAlchemyError as error:
            told = _without_secrets(error, str(source.url))
            raise CannotAsk(f"{name}: cannot tell whether it may be written: {told}. Run again later.") from None


def _sqlite_may_write(connected: Any) -> tuple[str, str] | None:
    import sqlalchemy as sa

    try:
        # Sets a number to what it is and takes that back: inside a transaction no byte of the file changes. The lock
        # alone tells nothing, since SQLite grants a reader BEGIN IMMEDIATE as well.
        connected.exec_driver_sql("BEGIN IMMEDIATE")
        version = connected.exec_driver_sql("PRAGMA user_version").scalar()
        connected.exec_driver_sql(f"PRAGMA user_version = {int(version)}")
        connected.exec_driver_sql("ROLLBACK")
    except sa.exc.OperationalError as error:
        if "readonly" in str(error):
            return None
        raise
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
    some = ", ".join(tables[:5])
    more = f" and {len(tables) - 5} more" if len(tables) > 5 else ""
    remedy = f"REVOKE {WRITES} ON {some} FROM {role}; GRANT SELECT ON {some} TO {role};"
    return f"the role {role} may write to {some}{more}", remedy


RIGHTS: dict[str, Callable[[Any], tuple[str, str] | None]] = {
    "sqlite": _sqlite_may_write,
    "postgresql": _postgresql_may_write,
}


def _freshness(name: str, source: Source, root: Path, columns: list[str], as_of: datetime) -> dict[str, Any]:
    """Rows after as-of are never taken, so they do not make a source fresh."""
    if source.fresh_within_days is None or source.event_time is None:
        found = "fresh_within_days and event_time are not both stated"
        return _row(name, "freshness", Outcome.NOT_APPLICABLE, "a stated age", found)
    expected = f"rows younger than {source.fresh_within_days:g} days"
    if source.event_time not in columns:
        return _row(name, "freshness", Outcome.INCONCLUSIVE, expected, f"no column {source.event_time}", MEND)
    newest = _newest(name, source, root, as_of)
    if newest is None:
        return _row(name, "freshness", Outcome.FAILED, expected, "no row has a time up to as-of", FEED)
    days = (as_of - newest).total_seconds() / 86400
    found = f"the newest is {days:.1f} days old"
    if days <= source.fresh_within_days:
        return _row(name, "freshness", Outcome.PASSED, expected, found)
    return _row(name, "freshness", Outcome.FAILED, expected, found, FEED)


def _newest(name: str, source: Source, root: Path, as_of: datetime) -> datetime | None:
    limit, newest = pa.scalar(as_of, pa.timestamp("us")), None
    for batch in read_batches(name, source, root, _no_function, only=source.event_time):
        times = batch.column(0)
        latest = pc.max(times.filter(pc.less_equal(times, limit))).as_py()
        newest = max((t for t in (newest, latest) if t is not None), default=None)
    return newest


def _no_function(function: str, root: Path, out: Path) -> Path:
    raise CannotAsk(f"{function}: was to have run already.")
