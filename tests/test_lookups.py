"""Frozen tables: from a source, through the snapshot, into the package, where a caller sends the key alone."""

import json
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from expectations.errors import CannotAsk
from expectations.spec import Data
from expectations.verdicts import Outcome, worst
from infra.evidence_store import get_json
from infra.runtime import Scorer
from infra.spec_file import read_spec
from infra.workshop import table_reader
from tasks import steps
from tasks.access import measure_access, required_columns
from tasks.check import Subject
from tasks.guards import step
from tasks.guards.build import build_guards
from tasks.job import Job
from tasks.snapshot import build_snapshot, sample_rows

AMES = Path(__file__).parent.parent / "examples" / "ames"
AS_OF = datetime(2026, 1, 1)
LOOKUP = {"source": "incomes", "key": "town", "columns": ["income"], "default": {"income": 9}}


LIVE = {"url": "sqlite:///t.db", "query": "select income from t where town = :key"}


def town_data(**more):
    sources = {"rows": {"path": "rows.parquet"}, "incomes": {"path": "incomes.csv"}}
    return {"target": "y", "sources": sources, "lookups": [LOOKUP], **more}


@pytest.fixture
def towns(tmp_path):
    """Three rows in two towns and in none; what two towns earn."""
    (tmp_path / "out").mkdir()
    pd.DataFrame({"town": ["b", "a", None, "z"], "y": [1.0, 2, 3, 4]}).to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "incomes.csv").write_text("town,income\na,10\nb,20\n")
    return tmp_path


def snapshot(folder, **more):
    data = Data.model_validate(town_data(**more))
    manifest = build_snapshot(data, folder, AS_OF, folder / "out", table_reader())
    return manifest, pd.read_parquet(folder / "out" / "data.parquet")


def test_rows_get_what_the_table_says_of_their_key_and_the_default_where_it_says_nothing(towns):
    manifest, rows = snapshot(towns)
    assert rows["income"].tolist() == [20, 10, 9, 9]
    assert rows["town"].tolist()[:2] == ["b", "a"]
    assert manifest["lookups"][0]["rows"] == 2
    assert manifest["sources"][1]["coverage"] == 0.5
    assert pd.read_parquet(towns / "out" / "lookup-0.parquet")["income"].tolist() == [10, 20]
    assert sample_rows(Data.model_validate(town_data()), towns, AS_OF, table_reader(), 4).equals(rows)


def test_without_a_default_what_an_unknown_key_gets_is_missing(towns):
    _, rows = snapshot(towns, lookups=[{**LOOKUP, "default": {}}])
    assert rows["income"].isna().tolist() == [False, False, True, True]


def test_a_changed_table_is_another_content(towns):
    before = snapshot(towns)[0]["lookups"][0]["content_digest"]
    (towns / "incomes.csv").write_text("town,income\nb,20\na,10\n")
    assert snapshot(towns)[0]["lookups"][0]["content_digest"] == before
    (towns / "incomes.csv").write_text("town,income\na,10\nb,20.5\n")
    assert snapshot(towns)[0]["lookups"][0]["content_digest"] != before


def test_of_a_table_with_times_the_latest_known_row_of_each_key_is_frozen(towns):
    table = "town,income,since\na,1,2025-01-01\na,2,2025-06-01\nb,3,2025-01-01\na,99,2026-06-01\n"
    (towns / "incomes.csv").write_text(table)
    sources = town_data()["sources"]
    sources["incomes"]["event_time"] = "since"
    assert snapshot(towns, sources=sources)[1]["income"].tolist() == [3, 2, 9, 9]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("town,income\na,1\na,1\nb,2\n", "1 key\\(s\\) stand more than once, such as a; leave one row for each town"),
        ("town,income\na,1\n,2\n", "1 row\\(s\\) have no town"),
        (
            "town,income\n1,1\n2,2\n",
            "the key town is String in the rows and Int64 there; make it whole numbers in both",
        ),
        ("town,income\n1.5,1\n2,2\n", "the key town is Float64; keys are texts or whole numbers"),
        ("town,income\n9007199254740993,1\n2,2\n", "holds numbers beyond 2\\*\\*53"),
        ("town,income\na,much\n", "income is String; only numbers can be looked up"),
        ("town,income\na,inf\n", "income holds an infinite number"),
        ("town,wage\na,1\n", "expected the columns income, found the columns town, wage"),
        ("town,income\n", "expected one row for each key"),
    ],
)
def test_a_table_that_is_no_lookup_is_refused_in_a_sentence(towns, table, words):
    (towns / "incomes.csv").write_text(table)
    with pytest.raises(CannotAsk, match=words):
        snapshot(towns)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (pd.DataFrame({"y": [1.0]}), "expects the column town in the rows"),
        (pd.DataFrame({"town": [1], "y": [1.0]}), "the key town is Int64 in the rows and String there; make it text"),
        (pd.DataFrame({"town": ["a"], "income": [1.0], "y": [1.0]}), "brings income, which the rows have already"),
    ],
)
def test_rows_that_do_not_fit_a_lookup_are_refused_in_a_sentence(towns, rows, words):
    rows.to_parquet(towns / "rows.parquet")
    with pytest.raises(CannotAsk, match=words):
        snapshot(towns)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": "income"}, "lookup names the source 'income'; the nearest is 'incomes'"),
        ({"source": "rows"}, "a lookup's source has no other part"),
        ({"colums": ["income"]}, "data.lookups.0.colums is not a key of a release spec. Did you mean 'columns'?"),
        ({"default": {"incom": 1}}, "default names the column 'incom'; the nearest is 'income'"),
        ({"default": {"income": "inf"}}, "finite number"),
        ({"columns": ["y"]}, "looked-up columns are new ones, and not the target"),
        ({"key": "y"}, "the lookup's key 'y' is no column that a caller sends"),
        ({"columns": ["town"]}, "key and columns are each named once"),
        ({"live": {**LIVE, "query": "delete from t where k = :key"}}, "query is one SELECT, found something else"),
        ({"live": {**LIVE, "query": "with x as (delete from t) select :key"}}, "query only reads, found delete"),
        ({"live": {**LIVE, "query": "select 1 where 1 = :key; select 2"}}, "query is one SELECT"),
        ({"live": {**LIVE, "query": "select 1"}}, "has the one parameter :key, outside quotes; found none"),
        ({"live": {**LIVE, "query": "select 1 where a = :key and b = :town"}}, "found :key, :town"),
        ({"live": {**LIVE, "query": "select ':key' where a = :key"}}, "the one parameter :key, outside quotes"),
        ({"live": {**LIVE, "url": "postgresql://me:hunter2@h/d"}}, "holds a password in clear"),
        ({"live": {**LIVE, "url": "postgresql://h/d?password=hunter2"}}, "holds a password in clear"),
        ({"live": {"url": "redis://:hunter2@h/0", "prefix": "t:"}}, "holds a password in clear"),
        ({"live": {**LIVE, "url": "redis://h/0"}}, "redis is asked with prefix, and not with query"),
        ({"live": {"url": "sqlite:///t.db", "prefix": "t:"}}, "sqlite is asked with query, and not with prefix"),
        ({"live": {**LIVE, "stale_seconds": 1}}, "stale_seconds (1) is at least cache_seconds"),
        ({"live": {**LIVE, "cache_second": 1}}, "Did you mean 'cache_seconds'?"),
    ],
)
def test_a_wrong_lookup_is_an_error_of_the_spec_with_the_nearest_name(tmp_path, change, words):
    lookup = LOOKUP | {"default": {}} | change
    items = json.dumps(lookup)[1:-1]
    (tmp_path / "release.yaml").write_text(
        "model: {name: m, task: regression, owner: o}\ncandidate: {train: 'train:fit'}\ndata:\n  target: y\n"
        "  sources: {rows: {path: rows.csv}, incomes: {path: incomes.csv}}\n"
        f"  lookups:\n    - {{{items}}}\n"
    )
    with pytest.raises(CannotAsk) as told:
        read_spec(tmp_path / "release.yaml")
    assert words in str(told.value)


def test_the_access_step_reaches_the_table_and_asks_for_its_columns(towns):
    data = Data.model_validate(town_data(ignore=["town"], roles={"income": ["sensitive"]}))
    assert required_columns(data, "incomes") == {"town", "income"}
    assert required_columns(data, "rows") == {"town", "y"}
    records = measure_access(data, towns, AS_OF, table_reader()).records
    assert {"rows", "incomes"} == set(records["source"])
    (towns / "incomes.csv").write_text("town,wage\na,1\n")
    records = measure_access(data, towns, AS_OF, table_reader()).records
    wrong = records[records["outcome"] == Outcome.FAILED]
    assert wrong[["source", "check"]].to_numpy().tolist() == [["incomes", "schema"]]


TRAIN = """\
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
def fit(features, target):
    open("columns.txt", "w").write(",".join(features.columns))
    columns = ColumnTransformer([
        ("n", StandardScaler(), make_column_selector(dtype_include="number")),
        ("t", OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number"))])
    return make_pipeline(columns, GradientBoostingRegressor(n_estimators=20, random_state=0)).fit(features, target)
"""
SPEC = """\
model: {name: price, task: regression, owner: olga}
candidate: {train: "train:fit"}
data:
  target: Sale_Price
  IGNORE
  sources: {houses: {path: houses.parquet}, incomes: {path: incomes.csv}}
  lookups:
    - source: incomes
      key: Neighborhood
      columns: [median_income, schools]
      default: {median_income: 60000}
      live:
        url: "postgresql://reading:${TOWN_PASSWORD}@towns.example/towns"
        query: select median_income, schools from incomes where "Neighborhood" = :key
"""
NEVER_SOLD = "Nowhere_Yet"


def ames_project(folder, ignored):
    """Houses without what their neighbourhoods earn; a table with that, and with a neighbourhood of no house."""
    columns = ["Neighborhood", "Gr_Liv_Area", "Year_Built", "Sale_Price"]
    houses = pd.read_parquet(AMES / "houses.parquet")[columns].astype({"Sale_Price": float})
    houses.to_parquet(folder / "houses.parquet", index=False)
    names = [*sorted(houses["Neighborhood"].unique()), NEVER_SOLD]
    table = pd.DataFrame({"Neighborhood": names, "median_income": np.arange(len(names)) * 1000.1 + 40_000})
    table.assign(schools=np.arange(len(names)) % 7).to_csv(folder / "incomes.csv", index=False)
    (folder / "train.py").write_text(TRAIN)
    (folder / "release.yaml").write_text(SPEC.replace("IGNORE", "ignore: [Neighborhood]" if ignored else ""))
    return Job(read_spec(folder / "release.yaml"), str(folder / "store"), AS_OF)


@pytest.fixture(scope="module", params=[True, False], ids=["key is no feature", "key is a feature too"])
def converted(request, tmp_path_factory):
    """A release of the houses as far as the converted candidate."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SEATRIAL_HOME", str(tmp_path_factory.mktemp("home")))
        job = ames_project(tmp_path_factory.mktemp("ames"), request.param)
        subject = Subject(job, steps.take_snapshot.fn(job))
        subject = Subject(job, subject.manifest, steps.make_candidate.fn(subject))
        yield Subject(job, subject.manifest, subject.trained, steps.convert_and_package.fn(subject))


def outcomes(subject, packed):
    return {finding.expectation: finding.outcome for finding in steps.judged.fn(subject, packed["proof"])}


@pytest.fixture(scope="module")
def guarded_package(converted):
    packed = step.guard(converted)
    return packed, Scorer(converted.job.store().get_blob(packed["blobs"]["graph"]))


def test_the_estimator_is_trained_on_looked_up_columns_and_a_caller_sends_the_key(converted, guarded_package):
    _, package = guarded_package
    assert {"median_income", "schools"} <= set((converted.job.file.root / "columns.txt").read_text().split(","))
    assert package.sent == {"Neighborhood": "string", "Gr_Liv_Area": "double", "Year_Built": "double"}


def test_the_guarded_file_is_proven_with_keys_as_inputs_and_every_key_of_the_table(converted, guarded_package):
    packed, _ = guarded_package
    found = outcomes(converted, packed)
    assert worst(found.values()) is Outcome.PASSED
    assert found["lookup_mismatches"] is Outcome.PASSED
    evidence = pd.read_parquet(converted.job.store().blob_path(packed["proof"]["blobs"]["records"]))
    assert {"snapshot", "boundary", "extreme"} <= set(evidence["family"])
    assert (evidence["family"] == "snapshot").sum() == converted.manifest["rows"]


def test_a_key_gets_its_numbers_and_an_unknown_one_the_default_and_a_reason(guarded_package):
    _, package = guarded_package
    rows = pd.DataFrame({"Neighborhood": ["North_Ames", NEVER_SOLD, "Beverly_Hills", None]})
    answer = package.answers(rows.assign(Gr_Liv_Area=1500.0, Year_Built=1970.0))
    names = package.signature["reasons"]["flags"]
    assert answer["looked_up"][0].tolist() == [40_000 + 1000.1 * 15, 1]
    assert answer["looked_up"][1].tolist() == [40_000 + 1000.1 * 28, 0]
    assert answer["looked_up"][2:, 0].tolist() == [60_000] * 2
    assert np.isnan(answer["looked_up"][2:, 1]).all()
    unknown = answer["flags"][:, names.index("unknown:Neighborhood in incomes")]
    assert unknown.tolist() == [False, False, True, True]
    assert answer["trusted"][:, 0].tolist()[2:] == [False, False]
    assert (answer["reasons"][2:, 0] & 4 == 4).all()


def test_the_package_takes_live_values_and_names_no_secret(converted, guarded_package):
    packed, package = guarded_package
    live = package.signature["live_lookups"][0]["live"]
    assert "${TOWN_PASSWORD}" in live["url"]
    rows = pd.DataFrame({"Neighborhood": [NEVER_SOLD], "Gr_Liv_Area": 1500.0, "Year_Built": 1970.0})
    answer = package.answers(rows.assign(**{"live/median_income": 7.0, "live/schools": 3, "live state/incomes": 1}))
    assert answer["looked_up"].tolist() == [[7, 3]]
    golden = get_json(converted.job.store(), packed["blobs"]["golden"])
    assert set(golden["columns"]["live state/incomes"]) == {0, 1, 2, 3, 4}


def wrong_value(values, default, keys):
    values[keys.index(NEVER_SOLD), 0] += 0.1


def wrong_default(values, default, keys):
    default[0] += 0.1


def swapped(values, default, keys):
    values[[3, 4]] = values[[4, 3]]


@pytest.mark.parametrize("fault", [wrong_value, wrong_default, swapped])
def test_one_wrong_value_in_the_file_stops_the_release(converted, fault, monkeypatch):
    monkeypatch.setattr(step, "build_guards", partial(built_with, fault))
    found = outcomes(converted, step.guard(converted))
    assert found["lookup_mismatches"] is Outcome.FAILED


def built_with(fault, core, train, calibration, asked, lookups, release):
    table = lookups[0]
    values, default = table.values.copy(), list(table.default)
    fault(values, default, table.keys)
    wrong = replace(table, values=values, default=tuple(default))
    return build_guards(core, train, calibration, asked, (wrong,), release)


def test_rows_that_were_joined_otherwise_than_the_file_looks_up_stop_the_release(converted, monkeypatch):
    moved = converted.data().assign(median_income=lambda rows: rows["median_income"].to_numpy()[::-1])
    features = converted.job.features(moved)
    monkeypatch.setattr(step, "_trials", lambda subject: step.try_out(subject.candidate(), features))
    found = outcomes(converted, step.guard(converted))
    assert found["max_difference"] is Outcome.FAILED
    assert found["lookup_mismatches"] is Outcome.PASSED
