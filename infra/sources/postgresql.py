"""PostgreSQL through ADBC: rows arrive as Arrow, streamed, with the types that the server states."""

import contextlib
import re
from collections.abc import Generator, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pyarrow as pa

from expectations.errors import Away, CannotAsk
from expectations.spec import Source
from infra.sources.urls import expanded, redacted, without_secrets

CONNECT_TIMEOUT_S = "5"
NUMERIC = b"numeric"
# Arrives as a number of cents, or of whatever the server's language counts in.
AMBIGUOUS = b"money"


def is_postgresql(url: str) -> bool:
    """Does the URL name PostgreSQL, by whatever driver?"""
    return url.split("://", 1)[0].split("+", 1)[0] in ("postgresql", "postgres")


def read_postgresql(name: str, source: Source, only: str | None) -> Generator[pa.Table, None, None]:
    """The query's rows as they arrive, an empty table of its columns first; numeric becomes float64.

    Raises CannotAsk, without any secret, where the server or the query does not answer.
    """
    query = str(source.query).rstrip().rstrip(";")
    if only is not None:
        column = only.replace('"', '""')
        query = f'select "{column}" from ({query}\n) as asked'  # noqa: S608  The query is the spec's own.
    with _connected(name, source) as connected, _telling(name, source), connected.cursor() as cursor:
        # Whatever the role may do, a release only reads.
        cursor.execute("set transaction read only")
        # A comment at the query's end stays in its own line.
        cursor.execute(query + "\n")
        with cursor.fetch_record_batch() as batches:
            yield _plain(name, batches.schema.empty_table())
            for batch in batches:
                yield _plain(name, pa.Table.from_batches([batch]))


@contextlib.contextmanager
def _connected(name: str, source: Source) -> Iterator[Any]:
    try:
        from adbc_driver_manager import Error
        from adbc_driver_postgresql import dbapi
    except ImportError:
        raise CannotAsk(f"{name}: PostgreSQL needs a driver. Install it: pip install 'seatrial[postgres]'.") from None
    try:
        connected = dbapi.connect(_libpq_url(expanded(name, str(source.url))))
    except (Error, ValueError) as error:
        told = without_secrets(error, str(source.url))
        raise Away(
            f"{name}: expected a connection to {redacted(str(source.url))}, found: {told}. "
            "Look at the url and its server."
        ) from None
    with contextlib.closing(connected):
        yield connected


@contextlib.contextmanager
def _telling(name: str, source: Source) -> Iterator[None]:
    from adbc_driver_manager import Error

    try:
        yield
    except (Error, pa.ArrowException, OSError) as error:
        # The driver puts the whole query before what the server said.
        said = re.sub(r"(?s)^.*?\b(ERROR|FATAL):\s*", "", str(error))
        told = without_secrets(ValueError(said), str(source.url))
        raise CannotAsk(f"{name}: the query failed: {told}. Mend data.sources.{name}.query.") from None


def _libpq_url(url: str) -> str:
    """SQLAlchemy's URL in the words of PostgreSQL's own library."""
    import sqlalchemy as sa

    made = sa.make_url(url)
    user = "" if made.username is None else quote(made.username, safe="")
    secret = "" if made.password is None else f":{quote(str(made.password), safe='')}"
    host = f"[{made.host}]" if ":" in (made.host or "") else made.host or ""
    port = f":{made.port}" if made.port else ""
    options = {"connect_timeout": CONNECT_TIMEOUT_S, **made.query}
    at = f"{user}{secret}@" if user or secret else ""
    return f"postgresql://{at}{host}{port}/{made.database or ''}?{urlencode(options, doseq=True, quote_via=quote)}"


def _plain(name: str, table: pa.Table) -> pa.Table:
    for at, field in enumerate(table.schema):
        kind = (field.metadata or {}).get(b"POSTGRESQL:type")
        if kind == AMBIGUOUS:
            raise CannotAsk(
                f"{name}: column {field.name} is money, which says no unit; cast it to numeric in the query."
            )
        if kind == NUMERIC:
            texts = pa.chunked_array([chunk.storage for chunk in table.column(at).chunks], pa.string())
            table = table.set_column(at, field.name, texts.cast(pa.float64()))
    return table
