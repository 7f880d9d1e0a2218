"""What is said of records that were made to provoke: the declared, the generated and the searched ones."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from planted.base import SPEC, Planted, clean
from planted.run import against, findings_of, subject_of
from planted.scenarios import FAULTS
from qualified import case, parted, values
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from expectations.errors import CannotAsk
from expectations.options.scenarios import Expected, Scenarios
from infra.spec_file import read_spec
from tasks.convertible import check_convertible
from tasks.qualification.answered import plausible_interval
from tasks.qualification.declared import declared_rows
from tasks.qualification.scenarios import CHECK, measure_scenarios
from tasks.qualification.searching import shrunk

FEW = Scenarios(searched=500)


def columns():
    numbers = make_column_selector(dtype_include=["number", "bool"])
    texts = make_column_selector(dtype_exclude=["number", "bool"])
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_column_transformer((make_pipeline(SimpleImputer(), StandardScaler()), numbers), (encoder, texts))


def classes(n=900, **more):
    frame = clean(np.random.default_rng(0), n)[["income", "amount", "town", "repaid"]]
    return frame.rename(columns={"repaid": "y"}).assign(**more)


@pytest.fixture(scope="module")
def loans():
    return case(make_pipeline(columns(), LogisticRegression()), parted(classes()), "y", positive="yes")


class Broken:
    """A package that goes wrong on the records that `wrong` finds: it raises, or answers `says`, and trusts it."""

    def __init__(self, inner, wrong, says=None):
        self.inner, self.wrong, self.says = inner, wrong, says
        self.sent, self.signature, self.predictions = inner.sent, inner.signature, inner.predictions

    def answers(self, frame):
        wrong, answer = self.wrong(frame).to_numpy(dtype=bool), self.inner.answers(frame)
        if self.says is None and wrong.any():
            raise RuntimeError("out of range")
        if self.says is not None:
            answer["prediction"][wrong] = self.says
            answer["trusted"][wrong] = True
        return answer


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=500), "b": rng.integers(1, 9, 500).astype(float)})
    frame["y"] = 2 * frame["a"] + frame["b"] + rng.normal(0, 0.1, 500)
    return case(make_pipeline(StandardScaler(), LinearRegression()), parted(frame), "y")


def test_a_sound_package_lets_nothing_through(loans):
    evidence = measure_scenarios(loans, FEW, {})
    found = values(evidence)["value"]
    assert found[["crashes", "nan_trusted", "implausible_trusted", "batch_differences"]].sum() == 0
    assert found[["beyond_trusted", "unseen_missing_trusted", "unknown_trusted"]].sum() == 0
    assert evidence.records["held"].all()
    kinds = {"extreme", "missing", "unknown category", "contradictory", "unit × 1000", "unit ÷ 1000", "batch", "search"}
    assert set(evidence.records["kind"]) == kinds


def test_a_crash_is_found_and_shrunk_to_what_it_takes(numbers):
    broken = replace(numbers, scorer=Broken(numbers.scorer, lambda rows: np.isneginf(rows["a"])))
    evidence = measure_scenarios(broken, FEW, {})
    assert values(evidence)["value"]["crashes"] > 1
    told = evidence.records[evidence.records["scenario"].str.startswith("crash")]
    assert set(told["scenario"]) == {"crash: a test record with a = -inf"}
    assert told["crash"].iloc[0] == "RuntimeError: out of range"


@pytest.mark.parametrize(
    ("says", "metric"), [(np.nan, "nan_trusted"), (np.inf, "nan_trusted"), (1e9, "implausible_trusted")]
)
def test_an_answer_that_cannot_be_one_is_found_where_it_is_trusted(numbers, says, metric):
    broken = replace(numbers, scorer=Broken(numbers.scorer, lambda rows: rows["a"] == 0, says))
    found = values(measure_scenarios(broken, FEW, {}))["value"]
    others = {"crashes", "nan_trusted", "implausible_trusted"} - {metric}
    assert found[metric] > 0
    assert found[list(others)].sum() == 0


def test_a_package_that_trusts_what_training_never_saw_is_told(numbers):
    wild = Broken(numbers.scorer, lambda rows: rows["b"].abs() > 50, 5.0)
    found = values(measure_scenarios(replace(numbers, scorer=wild), FEW, {}))["value"]
    assert 0.4 < found["beyond_trusted"] < 0.6
    assert found["swapped:b"] > 0.9
    assert found["sure_swapped:b"] > 0.8
    assert found["sure_swapped:a"] < 0.05


def test_an_answer_that_hangs_on_its_batch_is_told(numbers):
    class Ranks(Broken):
        def answers(self, frame):
            answer = self.inner.answers(frame)
            answer["prediction"] = answer["prediction"] + len(frame)
            return answer

    ranks = replace(numbers, scorer=Ranks(numbers.scorer, None))
    assert values(measure_scenarios(ranks, FEW, {}))["value"]["batch_differences"] > 100


def test_a_package_that_cannot_take_no_records_is_told_apart(numbers):
    class Some(Broken):
        def answers(self, frame):
            if not len(frame):
                raise RuntimeError("no rows")
            return self.inner.answers(frame)

    found = values(measure_scenarios(replace(numbers, scorer=Some(numbers.scorer, None)), FEW, {}))["value"]
    assert (found["empty_batch_crashes"], found["crashes"]) == (1, 0)


def test_the_plausible_interval_has_its_ends_inside(numbers):
    assert plausible_interval(numbers, (0, 5)) == (0, 5)
    for says, found in ((5.0, 0), (np.nextafter(5, 6), 1)):
        broken = replace(numbers, scorer=Broken(numbers.scorer, lambda rows: rows["a"] > -99, says))
        assert (values(measure_scenarios(broken, FEW, {}, (0, 5)))["value"]["implausible_trusted"] > 0) == found


def test_gaps_as_training_had_them_may_be_answered_and_new_ones_may_not():
    rng = np.random.default_rng(0)
    frame = classes()
    frame["amount"] = frame["amount"].mask(rng.random(len(frame)) < 0.2)
    one = case(make_pipeline(columns(), LogisticRegression()), parted(frame), "y", positive="yes")
    rows = measure_scenarios(one, FEW, {}).records.query("kind == 'missing'").set_index("scenario")
    assert rows.loc["amount (as in training)", "trusted"] > 0.5
    assert rows.loc["income (never in training)", "trusted"] == 0
    assert rows.loc["every column", "expected"] == "refuse"
    assert rows["held"].all()


@pytest.mark.parametrize("rows", [0, 1, 30])
def test_few_records_are_no_yes(loans, rows):
    small = replace(loans, test=loans.test.head(rows), target=loans.target.head(rows))
    metrics = values(measure_scenarios(small, FEW, {}))
    assert metrics.loc["sure_swapped:income", "n"] < metrics.loc["sure_swapped:income", "n_required"]
    assert (metrics.loc["crashes", "n"] == 0) == (rows == 0)


def test_odd_columns_and_text_and_many_classes_are_asked_too():
    rng = np.random.default_rng(0)
    frame = classes()
    frame["flag"], frame["same"] = rng.random(len(frame)) < 0.3, 7.0
    words = ["pay", "now", "free", "invoice", "meeting", "today", "lunch", "report"]
    frame["note"] = [" ".join(rng.choice(words, 6)) for _ in range(len(frame))]
    frame["y"] = np.select([frame["income"] > 40000, frame["flag"]], ["high", "flagged"], "rest")
    evidence = measure_scenarios(case(make_pipeline(columns(), LogisticRegression()), parted(frame), "y"), FEW, {})
    assert evidence.records["held"].all()
    assert (evidence.records["kind"] == "look-alike").sum() == 3
    assert "swapped:flag" not in set(evidence.metrics["metric"])
    assert evidence.facts["texts_without_known_values"] == ["note = never seen in training"]


def asked(**one):
    return Scenarios.model_validate({"searched": 500, "sets": [{"name": "one", **one}]})


def held(one, scenarios, root="."):
    sets = declared_rows(scenarios, root, None, one.scorer.sent)
    return values(measure_scenarios(one, scenarios, sets))["value"]["scenario:one"]


RICH, POOR = {"income": 60000, "amount": 2000}, {"income": 9000, "amount": 25000}


@pytest.mark.parametrize(
    ("rows", "expect", "share"),
    [
        ([RICH, POOR], {"label": "yes"}, 0.5),
        ([RICH], {"between": [0.5, 1], "answer": True}, 1),
        ([POOR], {"between": [0.5, 1]}, 0),
        ([{"income": 1e9}, {"amount": None}], "refuse", 1),
        ([RICH], "refuse", 0),
        ([{"income": 1e9}], {"between": [0, 1], "answer": True}, 0),
        ([RICH | {"town": 7}], "refuse", 1),
    ],
)
def test_a_declared_set_says_how_many_of_its_rows_came_out_as_declared(loans, rows, expect, share):
    assert held(loans, asked(rows=rows, fill=True, expect=expect)) == share


def test_a_declared_set_tells_what_came_of_it(loans):
    scenarios = asked(rows=[RICH, {"income": 1e9}], fill=True, expect="answer")
    sets = declared_rows(scenarios, ".", None, loans.scorer.sent)
    got = measure_scenarios(loans, scenarios, sets).records.set_index("scenario").loc["one", "got"]
    assert got.startswith("yes 2× with a chance of 0.")
    assert "; 1 refused: " in got
    assert "outside:income 1×" in got


def test_a_share_on_its_limit_holds(loans):
    scenarios = asked(rows=[RICH, POOR], fill=True, expect={"label": "yes", "share": 0.5})
    sets = declared_rows(scenarios, ".", None, loans.scorer.sent)
    records = measure_scenarios(loans, scenarios, sets).records
    assert records.set_index("scenario").loc["one", "held"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_declared_set_is_read_from_a_file(loans, tmp_path, ending):
    rows = loans.test.head(5)
    rows.to_csv(tmp_path / "set.csv", index=False)
    rows.to_parquet(tmp_path / "set.parquet")
    assert held(loans, asked(path=f"set.{ending}", expect={"between": [0, 1]}), tmp_path) == 1


def test_all_that_cannot_be_read_is_told_at_once(loans, tmp_path):
    pd.DataFrame({"income": [1.0]}).to_csv(tmp_path / "short.csv", index=False)
    pd.DataFrame({"income": []}).to_parquet(tmp_path / "empty.parquet")
    sets = [
        {"name": "away", "path": "away.csv", "expect": "refuse"},
        {"name": "short", "path": "short.csv", "expect": "refuse"},
        {"name": "empty", "path": "empty.parquet", "fill": True, "expect": "refuse"},
    ]
    with pytest.raises(CannotAsk) as told:
        declared_rows(Scenarios.model_validate({"sets": sets}), tmp_path, None, loans.scorer.sent)
    away, short, empty = told.value.problems
    assert away.startswith("checks.scenarios.sets 'away': expected a file at")
    assert short == (
        "checks.scenarios.sets 'short': expected the columns income, amount, town; amount, town are lacking. Add them, "
        "or say fill: true to have training's typical values in their place."
    )
    assert "'empty': expected at least one row, found none" in empty


def test_what_no_answer_can_be_is_refused(loans):
    with pytest.raises(CannotAsk, match="expected one of no, yes, found the label 'maybe'"):
        held(loans, asked(rows=[RICH], fill=True, expect={"label": "maybe"}))
    with pytest.raises(CannotAsk, match="expected numbers in income, found 'much'"):
        held(loans, asked(rows=[{"income": "much"}], fill=True, expect="refuse"))


@pytest.mark.parametrize(
    ("expect", "told"),
    [
        ({}, "expect nothing"),
        ({"refuse": True, "label": "a"}, "refuse stands alone"),
        ({"between": [2, 1]}, "between is"),
    ],
)
def test_an_expectation_that_makes_no_sense_is_an_error(expect, told):
    with pytest.raises(ValueError, match=told):
        Expected.model_validate(expect)


@given(st.sets(st.sampled_from("abcdef"), min_size=1), st.sets(st.sampled_from("abcdef")))
def test_shrinking_leaves_what_it_takes_and_nothing_else(needed, more):
    changes = dict.fromkeys(sorted(needed | more), 0)
    assert set(shrunk(changes, lambda kept: needed <= set(kept))) == needed


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)
def test_a_planted_fault_is_caught(fault, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    found = against(findings_of(subject_of(fault, tmp_path), "scenarios"))
    assert [one for one in found if fault.says in one.expectation and one.outcome.value == "failed"]
    assert all(fault.says in one.expectation for one in found), found


@pytest.mark.parametrize("seed", range(3))
def test_of_the_clean_table_there_is_nothing_to_say(seed, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    subject = subject_of(Planted("clean", "scenarios", "", train="logistic"), tmp_path, seed)
    assert against(findings_of(subject, "scenarios")) == []
    plots = [plot for plot in CHECK.plots(CHECK.measure(subject), {}) if plot]
    assert plots[0].alt.startswith("What becomes of provoking records. extreme: ")


def test_a_set_belongs_to_the_identity_of_a_release(tmp_path):
    rows = {"sets": [{"name": "one", "path": "set.csv", "expect": "refuse"}]}
    spec = tmp_path / "release.yaml"
    spec.write_text(yaml.safe_dump({**SPEC, "checks": {"scenarios": rows}}))
    digests = set()
    for text in ("income\n1\n", "income\n2\n"):
        (tmp_path / "set.csv").write_text(text)
        digests.add(read_spec(spec).digest)
    assert len(digests) == 2


def test_a_forest_of_numbers_with_gaps_holds(numbers):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": rng.normal(size=500), "b": rng.normal(size=500), "c": rng.choice(["x", "y"], 500)})
    frame["y"] = frame["a"] + (frame["c"] == "x") + rng.normal(0, 0.1, 500)
    frame["b"] = frame["b"].mask(rng.random(500) < 0.3)
    one = case(make_pipeline(columns(), RandomForestRegressor(20, random_state=0)), parted(frame), "y")
    assert measure_scenarios(one, FEW, {}).records["held"].all()


def test_a_set_that_lacks_columns_is_told_before_the_training(tmp_path):
    classes(60).to_parquet(tmp_path / "loans.parquet")
    (tmp_path / "short.csv").write_text("income\n1\n")
    data = {"target": "y", "sources": {"loans": {"path": "loans.parquet"}}}
    sets = {"sets": [{"name": "one", "path": "short.csv", "expect": "refuse"}]}
    spec = {**SPEC, "data": data, "checks": {"scenarios": sets}, "candidate": {"train": "train:never"}}
    (tmp_path / "release.yaml").write_text(yaml.safe_dump(spec))
    with pytest.raises(CannotAsk, match="'one': expected the columns income, amount, town; amount, town are lacking"):
        check_convertible(read_spec(tmp_path / "release.yaml"), datetime(2026, 1, 1))
