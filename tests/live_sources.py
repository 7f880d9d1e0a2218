"""Real sources of live lookups for the tests: a SQLite file, a PostgreSQL and a Redis server behind a faulty way."""

import contextlib
import os
import sqlite3

import pytest
from postgresql_server import INSTALL as NO_POSTGRESQL
from postgresql_server import binaries, own_server
from redis_server import INSTALL as NO_REDIS
from redis_server import own_redis
from tcp_way import Way

from expectations.live import LiveLookup

SECRET = "s3cret-of-the-source"
QUERY = "select income, schools from towns where town = :key"


class Sqlite:
    """A file that is opened for reading."""

    def __init__(self, folder):
        self.path = folder / "towns.db"
        self.do("create table towns (town text primary key, income, schools)")
        self.url = f"sqlite:///file:{self.path}?mode=ro&uri=true"
        self.asked = {"query": QUERY}

    def do(self, statement, *values):
        with contextlib.closing(sqlite3.connect(self.path)) as opened, opened:
            opened.execute(statement, values)

    def put(self, town, income, schools):
        self.do("replace into towns values (?, ?, ?)", town, income, schools)

    def drop(self, town):
        self.do("delete from towns where town = ?", town)


class PostgreSQL:
    """A server behind a way on which things go wrong."""

    def __init__(self, port):
        self.port, self.way = port, Way(port)
        self.do("drop table if exists towns")
        self.do("create table towns (town text, income numeric, schools int)")
        self.do("grant select on towns to asking")
        self.url = f"postgresql://asking:${{LIVE_PASSWORD}}@127.0.0.1:{self.way.port}/postgres"
        self.asked = {"query": QUERY}

    def do(self, statement, *values):
        import psycopg

        about = {"host": "127.0.0.1", "port": self.port, "user": "postgres", "password": SECRET, "dbname": "postgres"}
        with psycopg.connect(**about) as opened:
            opened.execute(statement, values)

    def put(self, town, income, schools):
        self.drop(town)
        self.do("insert into towns values (%s, %s, %s)", town, income, schools)

    def drop(self, town):
        self.do("delete from towns where town = %s", town)


class Redis:
    """A server behind a way; a town is a hash."""

    def __init__(self, port):
        import redis

        self.way = Way(port)
        self.client = redis.Redis(host="127.0.0.1", port=port, username="writing", password=SECRET)
        self.client.flushall()
        self.url = f"redis://reading:${{LIVE_PASSWORD}}@127.0.0.1:{self.way.port}/0"
        self.asked = {"prefix": "incomes:"}

    def put(self, town, income, schools):
        self.drop(town)
        told = {"is": "there", "income": income, "schools": schools}
        self.client.hset(f"incomes:{town}", mapping={k: v for k, v in told.items() if v is not None})

    def drop(self, town):
        self.client.delete(f"incomes:{town}")


@pytest.fixture(scope="module")
def postgresql_port():
    if binaries() is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)(NO_POSTGRESQL)
    import psycopg

    with own_server(SECRET) as port:
        about = {"host": "127.0.0.1", "port": port, "user": "postgres", "password": SECRET, "dbname": "postgres"}
        with psycopg.connect(**about) as opened:
            opened.execute(f"create role asking login password '{SECRET}'")
        yield port


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory):
    try:
        with own_redis(tmp_path_factory.mktemp("redis"), SECRET) as port:
            yield port
    except FileNotFoundError:
        (pytest.fail if "CI" in os.environ else pytest.skip)(NO_REDIS)


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    monkeypatch.setenv("LIVE_PASSWORD", SECRET)


def source_of(kind, request, tmp_path):
    if kind == "sqlite":
        return Sqlite(tmp_path)
    return {"postgresql": PostgreSQL, "redis": Redis}[kind](request.getfixturevalue(f"{kind}_port"))


def live_of(source, **more):
    # Wide limits: this machine may be busy.
    return LiveLookup(url=source.url, **{"timeout_ms": 2000, "pool": 2, **source.asked, **more})
