"""One connection to a live lookup's source: asked for a key, it says what the source holds of it."""

import contextlib
import math
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from expectations.errors import Away, CannotAsk
from expectations.live import LiveLookup
from infra.sources.sql import connection
from infra.sources.urls import expanded, redacted, without_secrets

Key = str | int
# What a server does for a request that has given up may still fill the cache; after so many limits it is cut.
CUT_AFTER = 4


@dataclass(frozen=True, slots=True)
class Looked:
    """What a source says of a key: `values` by column, NaN where it has none, or None where it holds no such key.
    `wrong` says why what it said is of no use."""

    values: tuple[float, ...] | None = None
    wrong: str = ""


class Line(Protocol):
    """A connection that one thread uses."""

    def ask(self, key: Key) -> Looked:
        """What the source says. Raises Away, without any secret, where it does not answer."""

    def cut(self) -> None:
        """From any thread: what is waited for ends with Away, where the driver allows it."""

    def close(self) -> None:
        """Gives the connection back; never raises."""


def open_line(name: str, live: LiveLookup, columns: Sequence[str]) -> Line:
    """A new connection. Raises Away or CannotAsk, without any secret."""
    return RedisLine(name, live, columns) if live.is_redis else SqlLine(name, live, columns)


def as_looked(row: Mapping[str, Any], columns: Sequence[str]) -> Looked:
    """A row of the source as numbers."""
    if lost := [name for name in columns if name not in row]:
        return Looked(wrong=f"no column {', '.join(lost)}")
    try:
        return Looked(tuple(_number(name, row[name]) for name in columns))
    except ValueError as error:
        return Looked(wrong=str(error))


def _number(name: str, value: Any) -> float:
    if value is None:
        return math.nan
    try:
        if isinstance(value, bool | str):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} is no number but {type(value).__name__}") from None
    if math.isinf(number):
        raise ValueError(f"{name} is infinite")
    return number


class SqlLine:
    """Through SQLAlchemy, read only, every query in a transaction of its own."""

    def __init__(self, name: str, live: LiveLookup, columns: Sequence[str]) -> None:
        import sqlalchemy as sa

        self._name, self._url, self._columns = name, live.url, columns
        self._query = sa.text(str(live.query).rstrip().rstrip(";"))
        self._seconds = live.timeout_ms / 1000 * CUT_AFTER
        self._until = math.inf
        opened = connection(name, live.url, timeout=self._seconds)
        self._connected = opened.execution_options(isolation_level="AUTOCOMMIT")
        self._driver = self._connected.connection.driver_connection
        with self._telling():
            self._prepare(self._connected.dialect.name)

    def _prepare(self, kind: str) -> None:
        if kind == "sqlite":
            self._connected.exec_driver_sql("PRAGMA query_only = ON")
            # SQLite has no time limit of its own: it asks this every thousand steps.
            self._driver.set_progress_handler(lambda: time.monotonic() > self._until, 1000)
        elif kind == "postgresql":
            self._connected.exec_driver_sql("SET default_transaction_read_only = on")
            self._connected.exec_driver_sql(f"SET statement_timeout = {max(1, int(self._seconds * 1000))}")

    @contextlib.contextmanager
    def _telling(self) -> Any:
        import sqlalchemy as sa

        try:
            yield
        except (sa.exc.OperationalError, sa.exc.InterfaceError, OSError) as error:
            raise Away(f"{self._name}: {without_secrets(error, self._url)}.") from None

    def ask(self, key: Key) -> Looked:
        """See Line."""
        import sqlalchemy as sa

        self._until = time.monotonic() + self._seconds
        try:
            with self._telling():
                rows = self._connected.execute(self._query, {"key": key}).mappings().fetchmany(2)
        except (sa.exc.SQLAlchemyError, ValueError, TypeError) as error:
            if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
                raise Away(f"{self._name}: {without_secrets(error, self._url)}.") from None
            return Looked(wrong=without_secrets(error, self._url))
        if len(rows) > 1:
            return Looked(wrong="more than one row")
        return as_looked(rows[0], self._columns) if rows else Looked()

    def cut(self) -> None:
        """See Line."""
        self._until = -math.inf
        # The thread waits for this socket, and may not be woken in any other way.
        with contextlib.suppress(Exception), socket.socket(fileno=os.dup(self._driver.fileno())) as waited_for:
            waited_for.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """See Line."""
        with contextlib.suppress(Exception):
            self._connected.close()


# Of a key that is not there these set nothing and delete nothing; whoever may not is told so before.
WRITES = (("SET", "", "XX"), ("DEL",), ("HDEL", "x"))


class RedisLine:
    """A Redis server: the hash at prefix + key, whose fields are the columns."""

    def __init__(self, name: str, live: LiveLookup, columns: Sequence[str]) -> None:
        try:
            import redis
        except ImportError:
            raise CannotAsk(f"{name}: Redis needs a driver. Install it: pip install 'seatrial[redis]'.") from None
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._name, self._url, self._prefix, self._columns = name, live.url, str(live.prefix), list(columns)
        self._errors = (redis.RedisError, OSError)
        self._refused = redis.ResponseError
        seconds = live.timeout_ms / 1000 * CUT_AFTER
        try:
            self._client: Any = redis.Redis.from_url(
                expanded(name, live.url),
                socket_timeout=seconds,
                socket_connect_timeout=max(seconds, 2.0),
                retry=Retry(NoBackoff(), 0),
            )
            self._client.ping()
        except (*self._errors, ValueError) as error:
            told = without_secrets(error, live.url)
            raise Away(
                f"{name}: expected a connection to {redacted(live.url)}, found: {told}. Look at the url and its server."
            ) from None

    def ask(self, key: Key) -> Looked:
        """See Line."""
        place = f"{self._prefix}{key}"
        try:
            both = self._client.pipeline(transaction=False).exists(place).hmget(place, self._columns)
            exists, found = both.execute()
        except (self._refused, ValueError) as error:
            return Looked(wrong=without_secrets(error, self._url))
        except self._errors as error:
            raise Away(f"{self._name}: {without_secrets(error, self._url)}.") from None
        if not exists and all(value is None for value in found):
            return Looked()
        return as_looked(dict(zip(self._columns, found, strict=True)), self._columns)

    def cut(self) -> None:
        """Its driver has a time limit."""

    def close(self) -> None:
        """See Line."""
        with contextlib.suppress(Exception):
            self._client.close()

    def may_write(self) -> str | None:
        """What this identity may do besides reading, asked with commands that change nothing; None where nothing."""
        place = f"{self._prefix}\x1f{os.urandom(8).hex()}"
        return next((words[0] for words in WRITES if self._is_let(words[0], place, *words[1:])), None)

    def _is_let(self, *words: str) -> bool:
        import redis

        try:
            self._client.execute_command(*words)
        except (redis.exceptions.NoPermissionError, redis.exceptions.ReadOnlyError):
            return False
        except self._errors as error:
            raise Away(f"{self._name}: {without_secrets(error, self._url)}.") from None
        return True
