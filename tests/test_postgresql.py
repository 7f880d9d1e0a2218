"""Against a real PostgreSQL server: roles, secrets, types, and what happens when it is away or slow."""

import os
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from postgresql_server import INSTALL, binaries, own_server

from expectations.errors import CannotAsk
from expectations.spec import Data, Source
from infra.sources import probe, read_batches
from tasks.snapshot import build_snapshot

pytestmark = pytest.mark.xdist_group("postgresql")
AS_OF = datetime(2026, 1, 1)
SECRET = "s3@cr/et:%41 +'\\"
WRONG = "wr0ng/pass word"
ROLES = r"""
create table houses (id bigint, town text, price numeric, sold timestamptz, "New?" boolean, y double precision);
insert into houses select i, case when i % 7 > 0 then 'é' || i end, i / 4.0,
    timestamptz '2025-06-01 12:00+02' + i * interval '1 minute', i % 2 = 0, i from generate_series(1, 70000) i;
create role reading login; create role writing login; create role touching login; create role slow login;
create role owning login;
grant select on houses to reading, writing, touching, slow;
grant insert on houses to writing;
grant update (price) on houses to touching;
alter role slow set statement_timeout = 200;
create table owned (a int); alter table owned owner to owning;
"""


@pytest.fixture(scope="session")
def server():
    """host:port of a server of its own, on a free port of loopback, with the roles of `ROLES`."""
    if binaries() is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)(INSTALL)
    with own_server(SECRET) as port:
        prepare(port)
        yield f"127.0.0.1:{port}"


def prepare(port):
    import psycopg

    with psycopg.connect(host="127.0.0.1", port=port, user="postgres", password=SECRET, dbname="postgres") as opened:
        opened.execute(ROLES)
        for role in ("reading", "writing", "touching", "slow", "owning"):
            opened.execute(psycopg.sql.SQL("alter role {} password {}").format(psycopg.sql.Identifier(role), SECRET))


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", SECRET)
    monkeypatch.setenv("WRONG_PASSWORD", WRONG)


def source(server, query, role="reading", variable="DB_PASSWORD", driver="postgresql+psycopg", more="", **rest):
    return Source(url=f"{driver}://{role}:${{{variable}}}@{server}/postgres{more}", query=query, **rest)


def no_function(*_):
    raise AssertionError


def read(asked):
    return pa.concat_tables(read_batches("s", asked, Path(), no_function))


def checks(asked, required=()):
    return {row["check"]: row for row in probe("s", asked, Path(), set(required), AS_OF, no_function)}


def keeps_its_secrets(text):
    return not any(part in str(text) for part in ("s3@", "s3%40", "cr/et", "cr%2F", "wr0ng", "_PASSWORD}"))


def test_the_same_rows_from_a_server_and_from_a_file_are_the_same_content(server, tmp_path):
    asked = source(server, "select * from houses order by id; ")
    pq.write_table(read(asked), tmp_path / "t.parquet")
    found = []
    for rows in (asked, Source(path="t.parquet")):
        (tmp_path / "out").mkdir(exist_ok=True)
        data = Data(target="y", sources={"rows": rows})
        found.append(build_snapshot(data, tmp_path, AS_OF, tmp_path / "out", no_function))
    assert found[0]["rows"] == 70_000
    assert found[0]["content_digest"] == found[1]["content_digest"]
    assert found[0]["split_digest"] == found[1]["split_digest"]
    assert keeps_its_secrets(found)


def test_types_are_those_that_the_server_states_even_without_any_value(server):
    query = """select null::numeric as n, 1.25::numeric as m, 'NaN'::numeric as o, 1::smallint as i, 2::real as f,
        timestamptz '2025-01-01 12:00+02' as at, date '2025-01-02' as day, 'x'::varchar(9) as v, true as b -- the end"""
    table = read(source(server, query))
    kinds = [str(kind) for kind in table.schema.types]
    assert kinds == [*["double"] * 3, "int64", "double", "timestamp[us]", "timestamp[us]", "string", "bool"]
    [row] = table.to_pylist()
    assert (row["n"], row["m"], row["i"], row["at"]) == (None, 1.25, 1, datetime(2025, 1, 1, 10))


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_every_spelling_of_the_url_reads_and_asks_the_rights(server, driver):
    found = checks(source(server, "select * from houses", driver=driver), {"id", "New?"})
    assert {check: row["outcome"] for check, row in found.items()} == {
        "connection": "passed",
        "permission": "passed",
        "schema": "passed",
        "freshness": "not applicable",
        "latency": "passed",
    }


@pytest.mark.parametrize(
    ("role", "query", "told", "remedy"),
    [
        ("writing", "select * from houses", "may write to public.houses", "REVOKE INSERT"),
        ("touching", "select * from houses", "may write to public.houses", "REVOKE INSERT, UPDATE"),
        ("owning", "select * from owned", "may write to public.owned", "read as another role"),
        ("postgres", "select * from houses", "is a superuser", "GRANT SELECT"),
    ],
)
def test_a_role_that_may_write_is_refused_with_what_to_do(server, role, query, told, remedy):
    found = checks(source(server, query, role))["permission"]
    assert found["outcome"] == "failed"
    assert told in found["found"]
    assert remedy in found["remedy"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"server": "127.0.0.1:1"}, "Connection refused"),
        ({"variable": "WRONG_PASSWORD"}, "password authentication failed"),
        ({"role": "nobody"}, "password authentication failed"),
        ({"more": "?sslmode=verify-full"}, "expected a connection"),
        ({"query": "select * from nope"}, 'relation "nope" does not exist'),
        ({"query": "select pg_sleep(5)::text as a", "role": "slow"}, "statement timeout"),
        (
            {"query": "select pg_sleep(5)::text as a", "more": "?options=-c%20statement_timeout%3D200"},
            "statement timeout",
        ),
    ],
)
def test_a_server_that_does_not_answer_is_told_in_a_sentence_without_its_password(server, change, told):
    asked = source(**{"server": server, "query": "select 1", **change})
    with pytest.raises(CannotAsk, match=told) as error:
        read(asked)
    [row] = checks(asked).values()
    assert row["outcome"] == "errored"
    assert keeps_its_secrets([str(error.value), row])
    assert error.value.__cause__ is None


def test_a_query_that_fails_after_its_first_rows_gives_no_rows_at_all(server):
    with pytest.raises(CannotAsk, match="division by zero"):
        read(source(server, "select 1 / (500000 - i) as a from generate_series(1, 600000) i"))


def test_what_no_model_takes_is_named(server):
    with pytest.raises(CannotAsk) as error:
        read(source(server, "select 1 as good, array[1] as lists, '{}'::jsonb as notes"))
    assert [problem.split(" is ")[0] for problem in error.value.problems] == ["s: column lists", "s: column notes"]
    with pytest.raises(CannotAsk, match="column m is money"):
        read(source(server, "select 1::money as m"))


def test_freshness_reads_one_column_by_its_exact_name(server):
    query = """select timestamptz '2025-12-30' as "When ""sold\""""
    asked = source(server, query, event_time='When "sold', fresh_within_days=3)
    assert checks(asked)["freshness"]["outcome"] == "passed"


def test_reading_leaves_the_server_as_it_was(server):
    for query in ("delete from houses", "with gone as (delete from houses returning 1) select * from gone"):
        with pytest.raises(CannotAsk, match=r"read-only transaction|must not contain data-modifying"):
            read(source(server, query, "postgres"))
    assert read(source(server, "select count(*) as n from houses")).to_pylist() == [{"n": 70_000}]
