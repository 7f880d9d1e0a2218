import csv
import gzip
import itertools
import sqlite3
import tempfile
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.errors import CannotAsk
from expectations.spec import Source
from infra.sources import csv_file, expanded, probe, probing, read_batches, redacted

AS_OF = datetime(2026, 1, 1)
SECRET = "s3@cr/et:%41"


def no_function(*_):
    raise AssertionError


def read(folder, run_function=no_function, **source):
    batches = list(read_batches("s", Source(**source), folder, run_function))
    assert len({str(batch.schema) for batch in batches}) == 1
    return pa.concat_tables(batches)


def parquet(folder, **columns):
    pq.write_table(pa.table(columns), folder / "t.parquet")
    return {"path": "t.parquet"}


def database(folder, *statements):
    with sqlite3.connect(folder / "t.db") as opened:
        for statement in statements:
            opened.execute(statement)
    opened.close()
    return f"sqlite:///file:{folder}/t.db?mode=ro&uri=true"


def checks(folder, source, required=(), as_of=AS_OF, run_function=no_function):
    rows = probe("s", Source(**source), folder, set(required), as_of, run_function)
    return {row["check"]: row for row in rows}


@pytest.mark.parametrize(("last", "kind"), [("0.5", pa.float64()), ("x", pa.string()), ("", pa.int64())])
def test_the_last_row_of_a_csv_has_its_say_on_the_type(tmp_path, last, kind):
    lines = [*map(str, range(70_000)), last]
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{line},1\n" for line in lines))
    table = read(tmp_path, path="t.csv")
    assert table.schema.field("a").type == kind
    assert table.num_rows == 70_001


BLOCKS = [
    ["1", "2", "3"],
    ["4", "0.5", "6"],
    ["", "", ""],
    ["x", "1", "2"],
    ["+7", "nan", "Infinity"],
    ["true", "False"],
]
TIMES = [["2025-01-02"], ["2025-01-02 03:04:05"], [""]]


@pytest.mark.parametrize("column", list(itertools.permutations(BLOCKS, 3)) + list(itertools.permutations(TIMES, 2)))
def test_the_order_of_rows_and_the_size_of_blocks_do_not_count_for_the_type(tmp_path, monkeypatch, column):
    lines = [f"{value},{number}\n" for number, value in enumerate(itertools.chain(*column))]
    kinds = set()
    for size, order in itertools.product([3, 20, 1 << 20], [1, -1]):
        monkeypatch.setattr(csv_file, "BLOCK_BYTES", size)
        (tmp_path / "t.csv").write_text("a,b\n" + "".join(lines[::order]))
        kinds.add(str(read(tmp_path, path="t.csv").schema))
    assert len(kinds) == 1


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2.5"], "double"),
        (["1", "inf"], "double"),
        (["true", "False"], "bool"),
        (["true", "1"], "string"),
        (["2025-01-02", "x"], "string"),
        (["2025-01-02", "2025-01-02 03:04:05"], "timestamp[us]"),
        (["99999999999999999999", "1"], "double"),
        (["99999999999999999999", "1.5"], "double"),
        (["", ""], "string"),
    ],
)
@pytest.mark.parametrize("size", [3, 1 << 20])
def test_the_narrowest_type_that_holds_every_value_is_taken(tmp_path, monkeypatch, values, kind, size):
    monkeypatch.setattr(csv_file, "BLOCK_BYTES", size)
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{value},1\n" for value in values))
    assert str(read(tmp_path, path="t.csv").schema.field("a").type) == kind


@given(st.lists(st.tuples(st.text('ab,"\n\r é', max_size=6), st.integers()), max_size=20), st.integers(1, 40))
def test_blocks_may_end_anywhere_in_quoted_texts(rows, size):
    with tempfile.TemporaryDirectory() as name, mock.patch.object(csv_file, "BLOCK_BYTES", size):
        rows = [(f"-{text}", number % 2**60) for text, number in rows]
        with Path(name, "t.csv").open("w", newline="") as file:
            csv.writer(file, quoting=csv.QUOTE_NONNUMERIC).writerows([("a", "b\n"), *rows])
        assert [tuple(row.values()) for row in read(Path(name), path="t.csv").to_pylist()] == rows


def test_a_quote_that_is_never_closed_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_file, "LONGEST_RECORD_BYTES", 1 << 22)
    (tmp_path / "t.csv").write_text('a,b\n"x,1\n' + "y,2\n" * 3_000_000)
    with pytest.raises(CannotAsk, match="is a quote left open"):
        read(tmp_path, path="t.csv")


def test_texts_that_mean_missing_are_missing(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n1,NA\nNA,x\n"))
    table = read(tmp_path, path="t.csv.gz", null_values=("NA",))
    assert table.to_pylist() == [{"a": 1, "b": None}, {"a": None, "b": "x"}]


def test_every_type_becomes_one_of_five(tmp_path):
    paris = timezone(timedelta(hours=2))
    columns = {
        "int": pa.array([1], pa.int8()),
        "float": pa.array([1.5], pa.float32()),
        "decimal": pa.array([Decimal("1.5")]),
        "category": pa.array(["x"], pa.large_string()).dictionary_encode(),
        "flag": [True],
        "day": [date(2025, 1, 2)],
        "zoned": pa.array([datetime(2025, 1, 2, 12, tzinfo=paris)], pa.timestamp("ms", "Europe/Paris")),
        "fine": pa.array([1_001], pa.timestamp("ns")),
        "nothing": pa.nulls(1),
    }
    [row] = read(tmp_path, **parquet(tmp_path, **columns)).to_pylist()
    assert row["zoned"] == datetime(2025, 1, 2, 10)
    assert row["fine"] == datetime(1970, 1, 1, 0, 0, 0, 1)
    assert (row["category"], row["decimal"], row["nothing"]) == ("x", 1.5, None)
    kinds = [str(kind) for kind in read(tmp_path, path="t.parquet").schema.types]
    assert kinds == ["int64", "double", "double", "string", "bool", *["timestamp[us]"] * 3, "string"]


def test_columns_that_no_model_takes_are_all_named(tmp_path):
    with pytest.raises(CannotAsk) as error:
        read(tmp_path, **parquet(tmp_path, good=[1], lists=[[1]], raw=[b"x"]))
    assert [problem.split(" is ")[0] for problem in error.value.problems] == ["s: column lists", "s: column raw"]


def test_a_query_whose_first_batch_is_missing_and_whose_last_is_a_fraction_has_one_type(tmp_path):
    count = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 70000)"
    query = f"{count} select case when i < 66000 then null when i < 69000 then i else i + 0.5 end as a from n;"
    table = read(tmp_path, url=database(tmp_path), query=query)
    assert table.schema.types == [pa.float64()]
    assert table.column("a").null_count == 65_999


def test_a_colon_in_a_query_is_a_colon(tmp_path):
    assert read(tmp_path, url=database(tmp_path), query="select 'at :noon' as a").to_pylist() == [{"a": "at :noon"}]


def test_a_query_without_rows_has_its_columns(tmp_path):
    url = database(tmp_path, "create table t (a int, b text)")
    assert read(tmp_path, url=url, query="select * from t").column_names == ["a", "b"]


def test_sqlite_keeps_times_as_text_and_they_are_times(tmp_path):
    url = database(
        tmp_path, "create table t (at)", "insert into t values ('2025-01-02 03:04:05'), ('2025-01-03'), (null)"
    )
    found = read(tmp_path, url=url, query="select * from t", event_time="at").column("at").to_pylist()
    assert found == [datetime(2025, 1, 2, 3, 4, 5), datetime(2025, 1, 3), None]


@pytest.mark.parametrize("times", [["yesterday"], [20250101]])
def test_an_event_time_that_is_no_time_is_refused(tmp_path, times):
    with pytest.raises(CannotAsk, match="expected times in event_time at"):
        read(tmp_path, **parquet(tmp_path, at=times), event_time="at")


def test_a_function_writes_a_parquet_file_and_runs_once_for_a_probe(tmp_path):
    calls = []

    def run(function, root, out):
        calls.append((function, root))
        pq.write_table(pa.table({"a": [1], "at": [datetime(2025, 12, 31)]}), out)
        return out

    source = {"function": "make:rows", "event_time": "at", "fresh_within_days": 3}
    assert read(tmp_path, run, **source).column("a").to_pylist() == [1]
    assert checks(tmp_path, source, run_function=run)["freshness"]["outcome"] == "passed"
    assert checks(tmp_path, source, run_function=run)["latency"]["outcome"] == "not applicable"
    assert calls == [("make:rows", tmp_path)] * 3


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"path": "no.csv"}, "s: expected a file at"),
        ({"path": "empty.csv"}, "s: could not be read: empty CSV"),
        ({"path": "ragged.csv"}, "s: could not be read"),
        ({"path": "text.parquet"}, "s: could not be read"),
        ({"url": "sqlite:///no.db", "query": "select 1"}, "s: expected a SQLite file at"),
        ({"url": "sqlite:///file:no.db?mode=ro&uri=true", "query": "select 1"}, "s: expected a connection to sqlite"),
        ({"url": "nosuch://h/d", "query": "select 1"}, "s: expected a connection to nosuch"),
        ({"url": "pg://u:${SEATRIAL_UNSET}@h/d", "query": "select 1"}, r"s: the url names \$\{SEATRIAL_UNSET\}"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_sentence_and_gives_one_errored_row(tmp_path, monkeypatch, source, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n1,2,3\n")
    (tmp_path / "text.parquet").write_text("not parquet")
    with pytest.raises(CannotAsk, match=told):
        read(tmp_path, **source)
    assert [row["outcome"] for row in checks(tmp_path, source).values()] == ["errored"]
    assert not (tmp_path / "no.db").exists()


def test_a_bad_query_names_where_to_mend_it(tmp_path):
    with pytest.raises(CannotAsk, match=r"no such table: nope. Mend data.sources.s.query"):
        read(tmp_path, url=database(tmp_path), query="select * from nope")


def test_a_probe_leaves_every_byte_of_a_writable_database_as_it_was(tmp_path):
    database(tmp_path, "create table t (a)", "insert into t values (1)")
    before = (tmp_path / "t.db").read_bytes()
    found = checks(tmp_path, {"url": f"sqlite:///{tmp_path}/t.db", "query": "select * from t"})
    assert found["permission"]["outcome"] == "failed"
    assert "mode=ro" in found["permission"]["remedy"]
    assert (tmp_path / "t.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["t.db"]


def test_a_locked_database_is_errored_and_never_passed(tmp_path, monkeypatch):
    database(tmp_path, "create table t (a)")
    writer = sqlite3.connect(tmp_path / "t.db", isolation_level=None)
    writer.execute("begin immediate")
    found = checks(tmp_path, {"url": f"sqlite:///{tmp_path}/t.db?timeout=0.1", "query": "select * from t"})
    writer.close()
    assert found["permission"]["outcome"] == "errored"


def test_files_have_no_permission_to_ask_of(tmp_path):
    assert checks(tmp_path, parquet(tmp_path, a=[1]))["permission"]["outcome"] == "not applicable"


@pytest.mark.parametrize(
    ("times", "outcome"),
    [
        ([datetime(2025, 12, 29)], "passed"),
        ([datetime(2025, 12, 28, 23, 59)], "failed"),
        ([datetime(2025, 1, 1), datetime(2026, 1, 2)], "failed"),
        ([], "failed"),
    ],
)
@pytest.mark.parametrize("as_of", [AS_OF, AS_OF.replace(tzinfo=UTC)])
def test_fresh_is_the_newest_row_up_to_as_of(tmp_path, times, outcome, as_of):
    source = parquet(tmp_path, at=pa.array(times, pa.timestamp("us")))
    found = checks(tmp_path, {**source, "event_time": "at", "fresh_within_days": 3}, as_of=as_of)
    assert found["freshness"]["outcome"] == outcome


@pytest.mark.parametrize(("limit", "outcome"), [(60_000, "passed"), (0, "failed")])
def test_the_time_to_the_first_rows_is_held_against_a_stated_limit(tmp_path, monkeypatch, limit, outcome):
    monkeypatch.setattr(probing, "FIRST_ROWS_LIMIT_MS", limit)
    found = checks(tmp_path, parquet(tmp_path, a=[1]))["latency"]
    assert found["outcome"] == outcome
    assert found["expected"] == f"first rows within {limit:,} ms"


def test_freshness_of_a_column_that_is_not_there_is_inconclusive(tmp_path):
    found = checks(tmp_path, {**parquet(tmp_path, a=[1]), "event_time": "at", "fresh_within_days": 3}, {"at"})
    assert found["freshness"]["outcome"] == "inconclusive"
    assert found["schema"]["outcome"] == "failed"


def test_a_secret_may_hold_any_character_and_is_never_told(tmp_path, monkeypatch):
    pytest.importorskip("psycopg")
    monkeypatch.setenv("DB_PASSWORD", SECRET)
    url = "postgresql+psycopg://ro:${DB_PASSWORD}@127.0.0.1:1/db"
    [row] = checks(tmp_path, {"url": url, "query": "select 1"}).values()
    assert row["outcome"] == "errored"
    assert "127.0.0.1" in row["found"]
    assert not any(part in str(row) for part in ("s3", "cr/et", "DB_PASSWORD"))
    assert expanded("s", url) == "postgresql+psycopg://ro:s3%40cr%2Fet%3A%2541@127.0.0.1:1/db"


def test_a_url_is_shown_without_its_secrets():
    assert redacted("pg://u:p@ss@h/d?sslmode=on") == "pg://u:***@h/d?sslmode=on"
    assert redacted("pg://h/d?user=u&password=abc&x=1") == "pg://h/d?user=u&password=***&x=1"
