import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd import odd_case
from planted import models
from planted.base import SPEC, TARGET, clean
from planted.robustness import FAULTS
from planted.run import against, findings_of, subject_of
from qualified import case, parted, values
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from expectations.judge import judge
from expectations.options.robustness import Robustness
from expectations.records import Evidence, metric_rows
from expectations.spec import ReleaseSpec
from expectations.suites.robustness import CONFIDENT, FLIPPED, robustness_suite
from tasks.qualification.codes import asked, codes_of
from tasks.qualification.look_alikes import KINDS
from tasks.qualification.robustness import measure_robustness
from tasks.qualification.robustness_plots import plots
from tasks.qualification.robustness_search import Searched
from tasks.qualification.small_changes import moves
from tasks.qualification.text_attacks import WORD, touched

LOANS = ReleaseSpec.model_validate(SPEC)


def loans(model, seed=0, n=1200, tier=2, **roles):
    frame = clean(np.random.default_rng(seed), n)
    return case(make_pipeline(models.columns(), model), parted(frame), TARGET, positive="yes", roles=roles, tier=tier)


def outcomes(evidence, spec=LOANS):
    suite = robustness_suite(spec, [str(name) for name in evidence.metrics["metric"]])
    return {one.expectation: one.outcome.value for one in judge(evidence, suite, strict=True)}


@pytest.fixture(scope="module")
def searched():
    return Searched(odd_case(classes=True, roles={"flag": ("protected",)}), Robustness())


def test_of_a_line_the_nearest_turned_decision_is_found_where_it_is():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.uniform(-1, 1, 800), "b": rng.normal(size=800)})
    frame["y"] = np.where(frame["a"] > 0, "yes", "no")
    one = case(LogisticRegression(C=1e4), parted(frame), "y", positive="yes")
    found = measure_robustness(one, Robustness())
    spread = one.columns[0].spread
    far = np.abs(one.test["a"].to_numpy()[found.records["record"]]) / spread
    assert len(found.records) == len(one.test)
    # Halved six times from a start that is not the nearest point of the line, and `b` hardly counts.
    assert np.allclose(found.records["distance"], far, atol=0.08)
    assert np.median(np.abs(found.records["distance"] - far)) < 0.03
    assert values(found).loc["turned_by_one_column", "value"] > 0.9


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1000))
def test_what_is_found_turns_the_decision_in_range_and_keeps_what_is_kept(searched, seed):
    from dataclasses import replace

    one = Searched(replace(searched.case, seed=seed).smaller(40), searched.options)
    found, codes = one.nearest, one.codes
    before, after = one.decisions.cells[found.rows], found.cells
    assert one.decisions.differ(found.rows, asked(one.case, codes, after)).all()
    for at, column in enumerate(codes.columns):
        moved = ~((before[:, at] == after[:, at]) | (np.isnan(before[:, at]) & np.isnan(after[:, at])))
        if column.name in ("flag", "same"):
            assert not moved.any()
        if column.kind == "number" and moved.any():
            assert (after[moved, at] >= column.lower).all()
            assert (after[moved, at] <= column.upper).all()
        if column.whole:
            assert (after[moved, at] == np.round(after[moved, at])).all()
    assert np.allclose(found.distance, codes.distances(before, after).sum(axis=1))
    assert (found.distance > 0).all()


def test_rows_become_numbers_and_back_without_another_answer(searched):
    codes = codes_of(searched.case)
    back = codes.decode(codes.encode(searched.case.test))
    assert (searched.case.ask(back).values == searched.case.said.values).all()
    assert (codes.encode(back)[:, -1] == codes.encode(searched.case.test)[:, -1]).all()


def test_a_small_change_of_a_whole_number_is_whole_and_small():
    rooms, income = (next(c for c in loans_columns() if c.name == name) for name in ("term", "income"))
    assert moves(rooms, 0.001) == []
    assert all(step == int(step) and abs(step) <= 0.1 * income.spread for step in moves(income, 0.1))
    assert len(moves(income, 0.1)) == 4


def loans_columns():
    from tasks.qualification.columns import columns_of

    frame = clean(np.random.default_rng(0), 300).drop(columns=TARGET)
    return columns_of(frame, frame.columns, {})


def test_a_smooth_model_turns_near_its_line_only_and_a_brittle_one_where_it_was_sure():
    smooth = measure_robustness(loans(LogisticRegression(max_iter=500)), Robustness())
    brittle = measure_robustness(loans(DecisionTreeClassifier(random_state=0)), Robustness())
    assert values(smooth).loc["confident_flips", "value"] == 0
    assert values(smooth).loc["flipped_by_small_change", "value"] < 0.12
    assert values(brittle).loc["surely_confident_flips", "value"] > 0.15
    assert outcomes(smooth)["surely_confident_flips"] == "passed"
    assert outcomes(brittle)["surely_confident_flips"] == "failed"
    assert values(brittle).loc["distance_median", "value"] < values(smooth).loc["distance_median", "value"] / 2
    assert all(plot is not None for plot in plots(brittle, {})[:1])


def test_examples_name_the_change_and_hide_what_is_hidden():
    found = measure_robustness(loans(LogisticRegression(max_iter=500), income=("sensitive",)), Robustness())
    assert len(found.facts["smallest_changes"]) == 5
    assert found.records["distance"].is_monotonic_increasing
    of_income = found.records["change"].str.extract(r"income ([^;]+)")[0].dropna()
    assert set(of_income) == {"changed (not shown)"}
    assert found.records["change"].str.contains(r"amount [\d,]+ → [\d,]+").any()


def test_the_spec_says_what_is_immutable_and_without_any_column_there_is_nothing_to_ask():
    one = loans(LogisticRegression(max_iter=500), group=("protected",))
    every = tuple(column.name for column in one.columns)
    kept = measure_robustness(one, Robustness(immutable=("income", "amount")))
    assert not kept.records["change"].str.contains("income|amount").any()
    assert kept.facts["immutable"] == ["amount", "income"]
    none = measure_robustness(one, Robustness(immutable=every))
    assert none.facts["not_applicable"].startswith("every column")


def test_a_regression_turns_when_its_answer_moves_by_a_standard_deviation():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=600), "b": rng.normal(size=600)})
    frame["y"] = 10 * frame["a"] + rng.normal(0, 0.1, 600)
    found = measure_robustness(case(LinearRegression(), parted(frame), "y"), Robustness())
    table = values(found)
    assert "confident_flips" not in table.index
    assert table.loc["flipped_by_small_change", "value"] == 0
    assert table.loc["distance_10pct", "value"] == pytest.approx(1, abs=0.1)
    near = measure_robustness(case(LinearRegression(), parted(frame), "y"), Robustness(turns=0.5))
    assert values(near).loc["flipped_by_small_change", "value"] > 0.9
    spec = ReleaseSpec.model_validate(
        {**SPEC, "model": {"name": "m", "task": "regression", "owner": "o@example.com"}, "risk": {"tier": 3}}
    )
    enough = [(name, v, lo, hi, 400, 300) for name, v, lo, hi, _, _ in near.metrics.itertuples(index=False)]
    assert outcomes(Evidence("robustness", metric_rows(enough), near.records), spec) == {
        "surely_flipped_by_small_change": "failed"
    }


def test_the_limits_hold_on_the_boundary_and_not_beyond_it():
    nan = np.nan

    def said(flipped, confident, n=500):
        rows = [("surely_flipped_by_small_change", flipped), ("surely_confident_flips", confident)]
        metrics = metric_rows([(name, value, nan, nan, n, 300) for name, value in rows])
        return list(outcomes(Evidence("robustness", metrics, pd.DataFrame())).values())

    assert said(FLIPPED[3], CONFIDENT) == ["passed", "passed"]
    assert said(FLIPPED[3] + 1e-6, CONFIDENT + 1e-6) == ["failed", "failed"]
    assert said(nan, nan) == ["inconclusive", "inconclusive"]
    assert said(0.0, 0.0, n=299) == ["inconclusive", "inconclusive"]


def test_too_few_records_cannot_tell():
    few = measure_robustness(odd_case(classes=True).smaller(30), Robustness())
    assert set(outcomes(few).values()) == {"inconclusive"}
    assert not few.records.empty


def test_gaps_truth_values_and_constants_are_no_trouble_to_a_regression():
    found = measure_robustness(odd_case(), Robustness())
    assert values(found).loc["attacks_found", "value"] > 0.7
    assert not found.records["change"].str.contains("same|missing").any()


@pytest.mark.parametrize("kind", KINDS)
def test_so_many_words_are_touched_and_no_others(kind):
    text = "please send money quickly, brother (thanks)"
    for count in (1, 3):
        changed = touched(text, np.random.default_rng(count), kind, count)
        pairs = zip(WORD.findall(text), WORD.findall(changed), strict=True)
        assert sum(one != other for one, other in pairs) == count
    assert touched("  ", np.random.default_rng(0), kind, 3) == "  "


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)
def test_a_planted_fault_is_caught(fault, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    found = against(findings_of(subject_of(fault, tmp_path), "robustness"))
    assert fault.says in [one.expectation for one in found if one.outcome.value == "failed"]
