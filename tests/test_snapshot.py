import hashlib
import sqlite3
from datetime import datetime, timedelta, timezone
from unittest import mock

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.errors import CannotAsk
from expectations.spec import Data, Join, Source
from infra.sources import probe
from tasks.content_digest import ContentDigest
from tasks.snapshot import build_snapshot, join_as_of, sample_rows

AS_OF = datetime(2026, 1, 1)


def no_function(*_):
    raise AssertionError


def snapshot(folder, source, **more):
    (folder / "out").mkdir(exist_ok=True)
    sources = {"rows": source, **more.pop("sources", {})}
    data = Data.model_validate({"target": "y", "sources": sources, **more})
    manifest = build_snapshot(data, folder, AS_OF, folder / "out", no_function)
    split = np.frombuffer((folder / "out" / "split.bin").read_bytes(), dtype=np.int8)
    return manifest, pd.read_parquet(folder / "out" / "data.parquet"), split


def frame(n=200):
    return pd.DataFrame(
        {"a": np.arange(n), "b": [None if i % 7 == 0 else f"t{i}" for i in range(n)], "y": np.arange(n) / 4}
    )


def test_csv_parquet_and_sql_of_the_same_rows_are_the_same_content(tmp_path):
    frame().to_csv(tmp_path / "t.csv", index=False)
    frame().to_parquet(tmp_path / "t.parquet", row_group_size=7)
    with sqlite3.connect(tmp_path / "t.db") as database:
        frame().to_sql("t", database, index=False)
    sql = {"url": f"sqlite:///file:{tmp_path}/t.db?mode=ro&uri=true", "query": "select * from t"}
    found = [snapshot(tmp_path, source)[0] for source in ({"path": "t.csv"}, {"path": "t.parquet"}, sql)]
    assert len({manifest["content_digest"] for manifest in found}) == 1
    assert len({manifest["split_digest"] for manifest in found}) == 1


def test_a_csv_column_that_turns_into_fractions_late_is_read_whole(tmp_path):
    values = [*range(70_000), 0.5]
    pd.DataFrame({"a": values, "y": 1}).astype({"a": object}).to_csv(tmp_path / "t.csv", index=False)
    assert snapshot(tmp_path, {"path": "t.csv"})[1]["a"].iloc[-1] == 0.5


@given(
    st.lists(st.tuples(st.integers(), st.floats(), st.text()), max_size=30).map(lambda r: r),
    st.integers(1, 9),
    st.randoms(),
)
def test_the_content_digest_knows_no_batches_and_no_order_of_columns(rows, size, random):
    rows = [(a % 2**40, b, c.encode("utf-8", "ignore").decode()) for a, b, c in rows]
    columns = list(zip(*rows, strict=True)) or [[], [], []]
    types = [pa.int64(), pa.float64(), pa.string()]
    table = pa.table({n: pa.array(list(v), t) for n, v, t in zip("abc", columns, types, strict=True)})
    whole, cut = ContentDigest(), ContentDigest()
    whole.update(table)
    order = random.sample(table.column_names, 3)
    for start in range(0, max(table.num_rows, 1), size):
        cut.update(table.select(order).slice(start, size))
    assert whole.hexdigest() == cut.hexdigest()


def test_one_changed_cell_changes_the_digest():
    digests = set()
    for values in ([1, 2], [1, 3], [1, None], [2, 1]):
        digest = ContentDigest()
        digest.update(pa.table({"a": pa.array(values, pa.int64())}))
        digests.add(digest.hexdigest())
    assert len(digests) == 4


def test_rows_known_after_as_of_are_not_taken(tmp_path):
    times = pd.to_datetime(["2025-12-31", "2026-01-01", "2026-01-02", None])
    pd.DataFrame({"t": times, "y": [1, 2, 3, 4]}).to_parquet(tmp_path / "t.parquet")
    manifest, rows, _ = snapshot(tmp_path, {"path": "t.parquet", "event_time": "t"})
    assert rows["y"].tolist() == [1, 2]
    assert manifest["sources"][0]["rows_after_as_of_dropped"] == 2


def test_equal_rows_fall_on_one_side_and_rows_keep_their_side(tmp_path):
    frame().to_csv(tmp_path / "t.csv", index=False)
    _, _, before = snapshot(tmp_path, {"path": "t.csv"})
    pd.concat([frame(), frame()]).to_csv(tmp_path / "t.csv", index=False)
    _, _, after = snapshot(tmp_path, {"path": "t.csv"})
    assert (after[:200] == before).all()
    assert (after[200:] == before).all()
    assert 0.15 < (before == 1).mean() < 0.35


def test_a_split_by_time_tests_on_the_latest(tmp_path):
    times = pd.date_range("2020-01-01", periods=100)
    pd.DataFrame({"t": times[::-1], "y": 1}).to_parquet(tmp_path / "t.parquet")
    _, rows, split = snapshot(tmp_path, {"path": "t.parquet", "event_time": "t"}, split={"by": "time", "test": 0.2})
    train, test, calibration = (rows["t"][split == part] for part in (0, 1, 2))
    assert test.min() > calibration.max() > calibration.min() > train.max()


def day(n):
    return datetime(2025, 1, n)


def test_a_join_takes_what_was_known_and_never_the_future():
    rows = pl.DataFrame({"k": ["x", "x", "z"], "t": [day(5), day(2), day(5)], "y": [1, 2, 3]})
    table = pl.DataFrame({"k": ["x", "x"], "since": [day(3), day(6)], "price": [10, 99]})
    joined, covered = join_as_of(rows, table, Join(source="s", on=("k",)), "t", "since")
    assert joined["price"].to_list() == [10, None, None]
    assert joined["y"].to_list() == [1, 2, 3]
    assert covered == 1


def test_a_join_forgets_what_is_too_old():
    rows = pl.DataFrame({"k": ["x"], "t": [day(20)]})
    table = pl.DataFrame({"k": ["x"], "since": [day(3)], "price": [10]})
    joined, _ = join_as_of(rows, table, Join(source="s", on=("k",), max_age_days=5), "t", "since")
    assert joined["price"].to_list() == [None]


def test_several_tables_are_joined_and_their_coverage_told(tmp_path):
    pd.DataFrame({"k": ["x", "y"], "t": [day(5), day(5)], "y": [1, 2]}).to_parquet(tmp_path / "t.parquet")
    pd.DataFrame({"k": ["x"], "since": [day(3)], "price": [10.0]}).to_parquet(tmp_path / "p.parquet")
    prices = {"prices": {"path": "p.parquet", "event_time": "since"}}
    joins = [{"source": "prices", "on": ["k"]}]
    manifest, rows, _ = snapshot(tmp_path, {"path": "t.parquet", "event_time": "t"}, sources=prices, joins=joins)
    assert rows["price"].fillna(-1).tolist() == [10, -1]
    assert manifest["sources"][1]["rows_covered"] == 1
    assert manifest["sources"][1]["coverage"] == 0.5


def test_an_empty_table_is_a_snapshot_of_no_rows(tmp_path):
    (tmp_path / "t.csv").write_text("a,y\n")
    assert snapshot(tmp_path, {"path": "t.csv"})[0]["rows"] == 0


def outcomes(folder, source, required=frozenset()):
    rows = probe("s", Source.model_validate(source), folder, set(required), AS_OF, no_function)
    return {row["check"]: row for row in rows}


def test_a_database_that_may_be_written_is_refused_and_a_read_only_one_is_not(tmp_path):
    with sqlite3.connect(tmp_path / "t.db") as database:
        frame().to_sql("t", database, index=False)
    query = {"query": "select * from t"}
    writable = outcomes(tmp_path, {"url": f"sqlite:///{tmp_path}/t.db", **query})
    reading = outcomes(tmp_path, {"url": f"sqlite:///file:{tmp_path}/t.db?mode=ro&uri=true", **query})
    assert writable["permission"]["outcome"] == "failed"
    assert reading["permission"]["outcome"] == "passed"


def test_a_server_that_is_away_is_told_without_its_password(tmp_path, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "s3cret")
    url = "postgresql+psycopg://ro:${DB_PASSWORD}@127.0.0.1:1/db"
    [row] = outcomes(tmp_path, {"url": url, "query": "select 1"}).values()
    assert row["outcome"] == "errored"
    assert "s3cret" not in str(row)


def test_a_missing_column_names_the_nearest(tmp_path):
    frame().to_csv(tmp_path / "t.csv", index=False)
    row = outcomes(tmp_path, {"path": "t.csv"}, {"aa"})["schema"]
    assert row["outcome"] == "failed"
    assert "nearest: a" in row["found"]


def test_data_that_is_too_old_fails(tmp_path):
    pd.DataFrame({"t": [day(5)], "y": [1]}).to_parquet(tmp_path / "t.parquet")
    source = {"path": "t.parquet", "event_time": "t", "fresh_within_days": 30}
    assert outcomes(tmp_path, source)["freshness"]["outcome"] == "failed"


def test_a_file_that_is_not_parquet_is_told_in_a_sentence(tmp_path):
    (tmp_path / "t.parquet").write_text("not parquet")
    with pytest.raises(CannotAsk, match="could not be read"):
        snapshot(tmp_path, {"path": "t.parquet"})


def test_a_row_keeps_its_side_when_a_later_row_misses_a_value(tmp_path):
    pd.DataFrame({"a": range(300), "f": True, "y": 1}).to_parquet(tmp_path / "t.parquet")
    _, _, before = snapshot(tmp_path, {"path": "t.parquet"})
    grown = pa.table({"a": [*range(300), None], "f": [*[True] * 300, None], "y": [1] * 301})
    pq.write_table(grown, tmp_path / "t.parquet")
    _, _, after = snapshot(tmp_path, {"path": "t.parquet"})
    assert (after[:300] == before).all()


def test_another_seed_is_another_split_of_numbers_too(tmp_path):
    pd.DataFrame({"a": range(300), "y": 1}).to_parquet(tmp_path / "t.parquet")
    splits = [snapshot(tmp_path, {"path": "t.parquet"}, split={"seed": seed})[2] for seed in (0, 0, 1)]
    assert (splits[0] == splits[1]).all()
    assert (splits[0] != splits[2]).any()


def test_a_group_stays_on_one_side_and_one_that_is_not_there_is_told(tmp_path):
    pd.DataFrame({"g": [i // 10 for i in range(300)], "y": range(300)}).to_parquet(tmp_path / "t.parquet")
    _, rows, split = snapshot(tmp_path, {"path": "t.parquet"}, split={"group": "g"})
    assert (pd.Series(split).groupby(rows["g"]).nunique() == 1).all()
    assert 0 < split.mean() < 1
    with pytest.raises(CannotAsk, match="no column h; there are g, y"):
        snapshot(tmp_path, {"path": "t.parquet"}, split={"group": "h"})


def test_times_before_1970_are_before_those_after(tmp_path):
    times = pd.date_range("1960-01-01", "1980-01-01", periods=100)
    pd.DataFrame({"t": times, "y": 1}).to_parquet(tmp_path / "t.parquet")
    _, _, split = snapshot(tmp_path, {"path": "t.parquet", "event_time": "t"}, split={"by": "time", "test": 0.25})
    assert (split == 1).nonzero()[0].tolist() == list(range(75, 100))


def test_rows_of_one_moment_stay_on_one_side(tmp_path):
    pd.DataFrame({"t": [day(1)] * 5 + [day(2)] * 5, "y": 1}).to_parquet(tmp_path / "t.parquet")
    _, _, split = snapshot(tmp_path, {"path": "t.parquet", "event_time": "t"}, split={"by": "time", "test": 0.7})
    assert split.tolist() == [0] * 5 + [1] * 5


def test_a_moment_with_a_zone_is_that_moment(tmp_path):
    pd.DataFrame({"t": [datetime(2025, 12, 31, 14), datetime(2025, 12, 31, 16)], "y": [1, 2]}).to_parquet(
        tmp_path / "t.parquet"
    )
    data = Data.model_validate({"target": "y", "sources": {"rows": {"path": "t.parquet", "event_time": "t"}}})
    (tmp_path / "out").mkdir()
    brisbane = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=10)))
    assert build_snapshot(data, tmp_path, brisbane, tmp_path / "out", no_function)["rows"] == 1


def test_the_file_has_the_same_bytes_whatever_the_row_groups_of_its_source(tmp_path):
    digests = set()
    for size in (1_000, 65_536, 1_000_000):
        frame(70_000).astype({"y": "float32"}).to_parquet(tmp_path / "t.parquet", row_group_size=size)
        snapshot(tmp_path, {"path": "t.parquet"})
        digests.add(hashlib.sha256((tmp_path / "out" / "data.parquet").read_bytes()).hexdigest())
    assert len(digests) == 1


MOMENTS = pd.to_datetime(["2025-01-01", "2025-01-02"]).astype("datetime64[us]")
ROWS = pd.DataFrame({"a": [1, 2], "b": ["x", None], "t": MOMENTS, "y": [0.5, np.nan]})


@pytest.mark.parametrize(
    ("rows", "copied"),
    [
        (ROWS, True),
        (ROWS.iloc[:0], False),
        (ROWS.astype({"a": "int32"}), False),
        (ROWS.astype({"a": "Int64"}), False),
        (ROWS.astype({"b": "category"}), False),
        (ROWS.astype({"t": "datetime64[ns]"}), False),
        (ROWS.set_index("a"), False),
        (ROWS.set_axis([3, 4]), False),
        (ROWS.assign(t=ROWS["t"].dt.tz_localize("UTC")), False),
        (ROWS.assign(t=[MOMENTS[0], None]), False),
        (ROWS.assign(t=[MOMENTS[0], AS_OF + timedelta(days=1)]), False),
    ],
)
def test_a_file_that_needs_no_change_is_copied_and_none_other(tmp_path, rows, copied):
    rows.to_parquet(tmp_path / "t.parquet")
    source = {"path": "t.parquet", "event_time": "t"}
    manifest, found, split = snapshot(tmp_path, source)
    same = (tmp_path / "t.parquet").read_bytes() == (tmp_path / "out" / "data.parquet").read_bytes()
    assert same == copied
    with mock.patch("tasks.snapshot.needs_no_change", return_value=False):
        again = snapshot(tmp_path, source)
    assert manifest == again[0]
    pd.testing.assert_frame_equal(found, again[1])
    assert split.tolist() == again[2].tolist()


def test_joined_rows_and_texts_in_categories_are_never_copied(tmp_path):
    pq.write_table(pa.table({"b": pa.array(["x"]).dictionary_encode(), "y": [1]}), tmp_path / "t.parquet")
    assert snapshot(tmp_path, {"path": "t.parquet"})[0]["columns"] == {"b": "string", "y": "int64"}
    assert pq.read_schema(tmp_path / "out" / "data.parquet").types == [pa.string(), pa.int64()]


def test_a_column_without_any_value_is_text(tmp_path):
    pq.write_table(pa.table({"a": pa.nulls(2), "y": [1, 2]}), tmp_path / "t.parquet")
    assert snapshot(tmp_path, {"path": "t.parquet"})[0]["columns"] == {"a": "string", "y": "int64"}


def joined(rows, table, on=("k",)):
    return join_as_of(pl.DataFrame(rows), pl.DataFrame(table), Join(source="s", on=on), "t", "since")[0]


def test_of_two_rows_of_one_moment_the_later_written_is_joined_and_a_missing_key_joins_nothing():
    table = {"k": [None, "x", "x"], "since": [day(1)] * 3, "price": [1, 2, 3]}
    assert joined({"k": [None, "x"], "t": [day(2)] * 2}, table)["price"].to_list() == [None, 3]


@pytest.mark.parametrize(
    ("table", "on", "told"),
    [
        ({"k": [1], "since": [day(1)]}, ("k",), "k is String in the rows and Int64 there"),
        ({"q": ["x"], "since": [day(1)]}, ("k",), r"expects the columns k \(in s\)"),
        ({"k": ["x"], "since": [day(1)], "y": [1]}, ("k",), "brings y, which the rows have already"),
    ],
)
def test_a_join_that_cannot_be_is_told_in_a_sentence(table, on, told):
    with pytest.raises(CannotAsk, match=told):
        joined({"k": ["x"], "t": [day(2)], "y": [1]}, table, on)


def test_a_join_with_an_empty_table_keeps_the_rows():
    empty = pl.DataFrame({"k": [], "since": [], "price": []}, {"k": pl.String, "since": pl.Datetime, "price": pl.Int64})
    assert joined({"k": [1], "t": [day(2)]}, empty).to_dicts() == [{"k": 1, "t": day(2), "price": None}]


def write(folder, kind, rows):
    if kind == "sql":
        with sqlite3.connect(folder / "t.db") as database:
            rows.to_sql("t", database, index=False)
        return {"url": f"sqlite:///file:{folder}/t.db?mode=ro&uri=true", "query": "select * from t"}
    path = folder / f"t.{kind}"
    rows.to_parquet(path) if kind == "parquet" else rows.to_csv(path, index=False)
    return {"path": path.name}


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet", "sql"])
@pytest.mark.parametrize("n", [1, 5, 2_000, 9_999])
def test_a_sample_is_the_first_rows_of_the_snapshot(tmp_path, kind, n):
    times = [day(9) if i % 2 else AS_OF + timedelta(days=1) for i in range(3_000)]
    rows = pd.DataFrame({"k": ["x"] * 3_000, "t": times, "late": [None] * 1_500 + [0.5] * 1_500, "y": range(3_000)})
    pd.DataFrame({"k": ["x"], "since": [day(3)], "price": [10.0]}).to_parquet(tmp_path / "p.parquet")
    sources = {"rows": {**write(tmp_path, kind, rows), "event_time": "t"}}
    sources["prices"] = {"path": "p.parquet", "event_time": "since"}
    data = Data.model_validate({"target": "y", "sources": sources, "joins": [{"source": "prices", "on": ["k"]}]})
    (tmp_path / "out").mkdir()
    build_snapshot(data, tmp_path, AS_OF, tmp_path / "out", no_function)
    whole = pd.read_parquet(tmp_path / "out" / "data.parquet").head(n)
    pd.testing.assert_frame_equal(sample_rows(data, tmp_path, AS_OF, no_function, n), whole, check_dtype=n > 1_000)


def test_a_sample_does_not_read_the_rest(tmp_path):
    (tmp_path / "t.csv").write_text("a,y\n" + "1,2\n" * 2_000_000 + "ragged,row,here\n")
    data = Data.model_validate({"target": "y", "sources": {"rows": {"path": "t.csv"}}})
    assert len(sample_rows(data, tmp_path, AS_OF, no_function, 500)) == 500


def test_a_sample_of_no_rows_has_its_columns(tmp_path):
    (tmp_path / "t.csv").write_text("a,y\n")
    data = Data.model_validate({"target": "y", "sources": {"rows": {"path": "t.csv"}}})
    assert sample_rows(data, tmp_path, AS_OF, no_function, 500).columns.tolist() == ["a", "y"]
