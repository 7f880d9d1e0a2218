"""Before a release: can its live lookups be asked as production will, with how much privilege, and do they agree?"""

import uuid
from datetime import datetime

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live_sources import QUERY, SECRET, Sqlite, live_of, postgresql_port, redis_port, secret, source_of

from expectations.errors import Away
from expectations.spec import Data
from infra.workshop import table_reader
from tasks.access import findings, measure_access

__all__ = ["postgresql_port", "redis_port", "secret"]
pytestmark = pytest.mark.xdist_group("postgresql")
TOWNS = "town,income,schools\na,1.5,2\nb,3.25,\n"


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def source(request, tmp_path):
    made = source_of(request.param, request, tmp_path)
    made.put("a", 1.5, 2)
    made.put("b", 3.25, None)
    return made


def checks(folder, source, columns=("income", "schools"), table=TOWNS, **more):
    """What the access step says of the live lookup, by check; and all that it says, as one text."""
    (folder / "towns.csv").write_text(table)
    pd.DataFrame({"town": ["a", "b"], "y": [1.0, 2.0]}).to_csv(folder / "rows.csv", index=False)
    lookup = {"source": "towns", "key": "town", "columns": list(columns), "live": live_of(source, **more).model_dump()}
    sources = {"rows": {"path": "rows.csv"}, "towns": {"path": "towns.csv"}}
    data = Data.model_validate({"target": "y", "sources": sources, "lookups": [lookup]})
    evidence = measure_access(data, folder, datetime(2026, 1, 1), table_reader())
    rows = evidence.records[evidence.records["source"] == "towns (live)"].to_dict("records")
    assert SECRET not in str(rows)
    return {row["check"]: row for row in rows}, evidence


def outcomes(rows):
    return {check: row["outcome"] for check, row in rows.items()}


def test_a_source_that_reads_and_agrees_passes_every_check(source, tmp_path):
    rows, evidence = checks(tmp_path, source)
    assert outcomes(rows) == dict.fromkeys(("connection", "permission", "answer", "latency", "agreement"), "passed")
    assert rows["agreement"]["found"] == "the same for 2 key(s)"
    assert "latency_ms:towns (live)" in set(evidence.metrics["metric"])
    assert {finding.outcome for finding in findings(evidence)} <= {"passed", "not applicable"}


def test_what_differs_is_counted_and_warned_of_and_stops_nothing(source, tmp_path):
    source.put("a", 9, 9)
    source.drop("b")
    rows, evidence = checks(tmp_path, source)
    assert rows["agreement"]["outcome"] == "warned"
    assert rows["agreement"]["found"] == "of 2 key(s) 1 have another value and 1 are not there"
    assert all(finding.outcome.lets_through for finding in findings(evidence))


def test_an_identity_that_may_write_is_refused_with_what_to_do(source, tmp_path):
    if isinstance(source, Sqlite):
        source.url = f"sqlite:///{source.path}"
    else:
        source.url = source.url.replace("reading", "writing").replace("asking", "postgres")
    found = checks(tmp_path, source)[0]["permission"]
    assert found["outcome"] == "failed"
    assert any(words in found["found"] for words in ("opened for writing", "is a superuser", "it may SET"))
    assert any(words in found["remedy"] for words in ("mode=ro", "GRANT SELECT", "ACL SETUSER"))


def test_asking_whether_it_may_write_writes_nothing(request, tmp_path):
    redis = source_of("redis", request, tmp_path)
    redis.put("a", 1.5, 2)
    redis.put("b", 3.25, None)
    before = sorted(redis.client.keys())
    redis.url = redis.url.replace("reading", "writing")
    checks(tmp_path, redis)
    assert sorted(redis.client.keys()) == before


def test_a_source_that_is_away_may_come_back_and_is_told_without_its_password(request, tmp_path):
    for kind in ("postgresql", "redis"):
        made = source_of(kind, request, tmp_path)
        made.way.shut = True
        rows, evidence = checks(tmp_path, made)
        assert outcomes(rows) == {"connection": "errored"}
        with pytest.raises(Away, match="towns \\(live\\): expected a connection to"):
            findings(evidence)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("select income from towns where town = :key", "no column schools"),
        (f"{QUERY} union all select 1, 2 from towns where town = :key", "more than one row"),
        ("select 'x' as income, schools from towns where town = :key", "income is no number but str"),
        ("select 1 as income, 2 as schools where :key = :key", "an answer for a key that no table holds"),
        ("select income, schools from town where town = :key", "no such table|does not exist|expected a source"),
    ],
)
def test_a_query_that_does_not_answer_is_seen_before_production_sees_it(query, told, request, tmp_path):
    for kind in ("sqlite", "postgresql"):
        made = source_of(kind, request, tmp_path)
        made.put("a", 1.5, 2)
        rows, _ = checks(tmp_path, made, query=query)
        wrong = next(row for row in rows.values() if row["outcome"] in ("failed", "errored"))
        assert any(words in wrong["found"] for words in told.split("|")), wrong


def test_a_source_slower_than_its_limit_is_refused(request, tmp_path):
    made = source_of("postgresql", request, tmp_path)
    made.put("a", 1.5, 2)
    slow = "select income, schools from (select pg_sleep(0.06)) as slept left join towns on town = :key"
    found = checks(tmp_path, made, query=slow, timeout_ms=30)[0]["latency"]
    assert found["outcome"] == "failed"
    assert found["expected"] == "95% of answers within 30 ms"


def test_a_frozen_table_that_is_none_is_told_beside(tmp_path):
    made = Sqlite(tmp_path)
    rows, _ = checks(tmp_path, made, table="town,wage\na,1\n")
    assert rows["agreement"]["outcome"] == "errored"


numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
keys = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(keys, st.tuples(numbers, numbers), min_size=1, max_size=20))
def test_whatever_a_table_holds_frozen_and_live_agree_on_every_key(tmp_path, table):
    folder = tmp_path / uuid.uuid4().hex
    folder.mkdir()
    made = Sqlite(folder)
    # SQLite tells no types: of a column without any number nothing says that it is one of numbers.
    for town, values in {**table, "there is one": (0.5, 0.5)}.items():
        made.put(town, *values)
    lookup = {"source": "towns", "key": "town", "columns": ["income", "schools"], "live": live_of(made).model_dump()}
    pd.DataFrame({"town": ["a"], "y": [1.0]}).to_csv(folder / "rows.csv", index=False)
    frozen = {"url": made.url, "query": "select town, income, schools from towns"}
    sources = {"rows": {"path": "rows.csv"}, "towns": frozen}
    data = Data.model_validate({"target": "y", "sources": sources, "lookups": [lookup]})
    records = measure_access(data, folder, datetime(2026, 1, 1), table_reader()).records
    [agreement] = records[records["check"] == "agreement"].to_dict("records")
    assert agreement["found"] == f"the same for {len({*table, 'there is one'})} key(s)"
