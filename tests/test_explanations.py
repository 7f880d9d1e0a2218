from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd import odd_case
from planted import models
from planted.base import TARGET, Planted, clean
from planted.explanations import FAULTS
from planted.run import against, findings_of, subject_of
from qualified import case, parted, values
from sklearn.datasets import load_wine
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from expectations.judge import judge
from expectations.options.explanations import Explanations
from expectations.records import Evidence, metric_rows
from expectations.suites.explanations import CONCENTRATED, MOVED, explanations_suite
from tasks.check import Subject
from tasks.qualification.codes import asked, codes_of
from tasks.qualification.contributions import contributions
from tasks.qualification.explanations import CHECK, measure_explanations
from tasks.qualification.explanations_plots import plots
from tasks.qualification.reliance import measure_reliance, measure_shift

RNG = np.random.default_rng(0)
FEW = Explanations(explained=5)


def loans(model, seed=0, n=1200, **roles):
    frame = clean(np.random.default_rng(seed), n)
    return case(make_pipeline(models.columns(), model), parted(frame), TARGET, positive="yes", roles=roles)


def boosted(seed=0, **roles):
    return loans(GradientBoostingClassifier(n_estimators=30, random_state=0), seed, **roles)


def plane(n=600):
    frame = pd.DataFrame(RNG.normal(size=(n, 4)), columns=list("abcd"))
    return frame.assign(y=3 * frame["a"] - 2 * frame["b"] + 0.5 * frame["c"] + RNG.normal(0, 0.1, n))


def judged(metrics, spec, **more):
    names = [row[0] for row in metrics]
    evidence = Evidence("explanations", metric_rows(metrics), pd.DataFrame())
    return {one.expectation: one.outcome.value for one in judge(evidence, explanations_suite(spec, names), strict=True)}


@pytest.fixture(scope="module")
def line():
    one = case(LinearRegression(), parted(plane()), "y")
    return one, codes_of(one)


@pytest.fixture(scope="module")
def trees():
    frame = plane().assign(y=lambda rows: rows["a"] * rows["b"] + np.abs(rows["c"]))
    one = case(GradientBoostingRegressor(n_estimators=40, random_state=0), parted(frame), "y")
    return one, codes_of(one)


def test_of_a_linear_model_the_contributions_are_the_closed_form(line):
    one, codes = line
    cells, held = codes.encode(one.test.head(6)), codes.encode(one.train.head(10))
    found = contributions(one, codes, cells, held)
    weights = one.candidate().coef_
    assert np.allclose(found.values, weights * (cells - held.mean(axis=0)))
    assert np.allclose(found.base, one.candidate().predict(one.train.head(10)).mean())


def test_of_trees_the_contributions_are_those_of_the_shap_library(trees):
    shap = pytest.importorskip("shap")
    one, codes = trees
    cells, held = codes.encode(one.test.head(4)), codes.encode(one.train.head(30))
    found = contributions(one, codes, cells, held)
    exact = shap.explainers.Exact(lambda rows: asked(one, codes, rows).values, held)(cells)
    assert np.allclose(found.base, exact.base_values)
    assert (np.abs(found.values - exact.values) < 4 * found.errors + 0.02).all()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 5), background=st.integers(1, 12))
def test_contributions_sum_to_the_answer_minus_the_base(trees, seed, rows, background):
    one, codes = trees
    drawn = np.random.default_rng(seed)
    cells = codes.encode(one.test.iloc[drawn.choice(len(one.test), rows)])
    held = codes.encode(one.train.iloc[drawn.choice(len(one.train), background)])
    found = contributions(replace(one, seed=seed), codes, cells, held)
    base = asked(one, codes, held).values.mean()
    assert np.allclose(found.values.sum(axis=1), asked(one, codes, cells).values - base)
    assert found.gap < 1e-9


def test_what_decides_comes_first_and_the_worst_answers_are_explained_in_words():
    found = measure_explanations(boosted(group=("protected",)), FEW)
    table = values(found)
    assert list(table.index[:2]) == ["importance:income", "importance:amount"]
    assert table.loc["importance:income", "lower"] > 0
    shares = table[table.index.str.startswith("share:")]
    assert shares["value"].sum() == pytest.approx(1)
    assert ((shares["lower"] <= shares["value"]) & (shares["value"] <= shares["upper"])).all()
    worst = found.records[found.records["drawn_as"] == "one of the worst"]
    assert len(worst) == 20
    assert worst["loss"].is_monotonic_decreasing
    told = worst[["adds_most", "adds_second", "adds_third"]]
    assert told.apply(lambda words: words.str.fullmatch(r"\w+ .+: [+−][\d.e-]+")).to_numpy().all()
    assert told.apply(lambda words: words.str.startswith("income")).any(axis=1).mean() > 0.8
    assert all(plot is not None and plot.alt for plot in plots(found, {}))


def test_values_of_hidden_columns_are_not_shown():
    found = measure_explanations(boosted(income=("sensitive",)), FEW)
    told = pd.concat([found.records[name] for name in ("adds_most", "adds_second", "adds_third")])
    of_income = told.str.extract(r"income ([^:]+):")[0].dropna()
    assert set(of_income) == {"(its value is not shown)"}
    assert "income" not in [curve["column"] for curve in found.facts["dependence"]]


def test_an_importance_is_the_rise_of_the_loss_when_a_column_is_shuffled(line):
    one, _ = line
    table = values(measure_explanations(one, Explanations(repeats=20)))
    weight = one.candidate().coef_[0]
    # E (w (x - x'))² = 2 w² var(x), in variances of the target.
    expected = 2 * weight**2 * one.test["a"].var() / one.scale**2
    row = table.loc["importance:a"]
    assert row["value"] == pytest.approx(expected, rel=0.15)
    assert row["lower"] < row["value"] < row["upper"]


def test_the_same_package_has_moved_nothing_and_chance_is_no_shift():
    one, other = boosted(), boosted(seed=1)
    mine = measure_reliance(one, 2)
    assert measure_shift(mine, mine, 0).sure == 0
    assert measure_shift(mine, measure_reliance(replace(one, scorer=other.scorer), 2), 0).sure < MOVED / 2


def test_a_champion_with_other_explanations_is_a_finding(loans_spec):
    one = boosted()
    frame = clean(np.random.default_rng(3), 1200)
    frame[TARGET] = np.where(frame["age"] + frame["term"] > 78, "yes", "no")
    pipeline = make_pipeline(models.columns(), GradientBoostingClassifier(n_estimators=30, random_state=0))
    champion = case(pipeline, parted(frame), TARGET, positive="yes").scorer
    found = measure_explanations(one, FEW, champion)
    row = values(found).loc["surely_moved"]
    assert row["value"] > 0.5
    assert "moved most" in found.facts["against_champion"]
    suite = explanations_suite(loans_spec, [str(name) for name in found.metrics["metric"]])
    outcomes = {f.expectation: f.outcome.value for f in judge(found, suite, strict=True)}
    assert outcomes["surely_moved"] == "warned"
    same = measure_explanations(one, FEW, one.scorer)
    assert values(same).loc["explanations_moved", "value"] == 0


def test_a_champion_that_needs_other_columns_cannot_be_compared_and_that_is_told(loans_spec):
    one = boosted()
    champion = case(LinearRegression(), parted(plane()), "y").scorer
    found = measure_explanations(one, FEW, champion)
    assert found.facts["against_champion"].startswith("cannot tell: the champion needs a, b, c, d")
    suite = explanations_suite(loans_spec, [str(name) for name in found.metrics["metric"]])
    assert {f.expectation: f.outcome.value for f in judge(found, suite, strict=True)}["surely_moved"] == "warned"


def test_limits_hold_on_the_boundary_and_not_beyond(loans_spec):
    nan = np.nan
    at = [("contributions_gap", 1e-6, nan, nan, 10, 1), ("surely_concentrated", CONCENTRATED, nan, nan, 500, 300)]
    beyond = [("contributions_gap", 1.1e-6, nan, nan, 10, 1), ("surely_concentrated", 0.801, nan, nan, 500, 300)]
    assert judged(at, loans_spec) == {"contributions_gap": "passed", "surely_concentrated": "passed"}
    assert judged(beyond, loans_spec) == {"contributions_gap": "failed", "surely_concentrated": "warned"}


def test_a_model_that_nothing_moves_and_too_few_records_are_no_yes(loans_spec):
    frame = plane(200).assign(y=np.where(RNG.random(200) < 0.5, 1.0, 2.0))
    from sklearn.dummy import DummyRegressor

    still = measure_explanations(case(DummyRegressor(), parted(frame), "y"), FEW)
    assert np.isnan(values(still).loc["surely_concentrated", "value"])
    few = boosted().smaller(30)
    found = measure_explanations(few, FEW)
    suite = explanations_suite(loans_spec, [str(name) for name in found.metrics["metric"]])
    outcomes = {f.expectation: (f.outcome.value, f.found) for f in judge(found, suite, strict=True)}
    assert outcomes["surely_concentrated"][0] == "warned"
    assert "are needed to tell" in outcomes["surely_concentrated"][1]


def test_several_classes_gaps_truth_values_and_constants_are_explained():
    data = load_wine(as_frame=True)
    frame = data.data.assign(label=np.array([f"wine {label}" for label in data.target], dtype=object))
    frame = frame.sample(frac=1, random_state=0).reset_index(drop=True)
    found = measure_explanations(case(RandomForestClassifier(20, random_state=0), parted(frame), "label"), FEW)
    assert values(found).loc["contributions_gap", "value"] < 1e-6
    odd = values(measure_explanations(odd_case(), FEW))
    assert odd.loc["contributions_gap", "value"] < 1e-6
    assert odd.loc["share:same", "value"] == 0


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)
def test_a_planted_fault_is_found(fault, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    found = against(findings_of(subject_of(fault, tmp_path), "explanations"))
    assert [one.expectation for one in found] == [fault.says]


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_said_against_a_clean_table_nor_beside_a_champion_that_is_the_same(seed, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    subject = subject_of(Planted("clean", "explanations", ""), tmp_path, seed)
    assert against(findings_of(subject, "explanations", "robustness", "gaming")) == []
    serving = SimpleNamespace(id="loans-1", package_digest=subject.packed["package"])
    monkeypatch.setattr(Subject, "champion", lambda _: serving)
    beside = CHECK.measure(subject)
    assert beside.facts["champion"] == "loans-1"
    assert values(beside).loc["explanations_moved", "value"] == 0
    assert against(findings_of(subject, "explanations")) == []


@pytest.fixture(scope="module")
def loans_spec():
    from planted.base import SPEC

    from expectations.spec import ReleaseSpec

    return ReleaseSpec.model_validate(SPEC)
