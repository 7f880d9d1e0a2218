from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted.base import POSITIVE, SPEC, TARGET, clean
from planted.calibration import FAULTS
from planted.models import columns
from planted.run import against, findings_of, subject_of
from qualified import case, parted, values
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from expectations.judge import judge
from expectations.options.calibration import Calibration
from expectations.options.fairness import Fairness
from expectations.options.slices import Declared
from expectations.spec import ReleaseSpec
from expectations.suites.calibration import TOLERATED, calibration_suite
from tasks.qualification.calibration import CHECK, measure_calibration
from tasks.qualification.calibration_errors import Claims, error_of, recalibration, spiegelhalter
from tasks.qualification.calibration_groups import Group, Promise, groups_of

PROMISE = Promise(0.9, 600)


def loans(model=None, tier=3, roles=None, n=4000):
    frame = clean(np.random.default_rng(0), n)
    model = make_pipeline(columns(), model or LogisticRegression(max_iter=500))
    return case(model, parted(frame), TARGET, tier=tier, roles=roles or {}, positive=POSITIVE)


def measured(one, groups=(), promise=PROMISE):
    return measure_calibration(one, Calibration(), promise, list(groups))


def judged(evidence, tier=3):
    spec = ReleaseSpec.model_validate({**SPEC, "risk": {"tier": tier}})
    return against(judge(evidence, calibration_suite(spec, list(evidence.metrics["metric"])), strict=True))


def claims(said, came):
    return Claims(said, came.astype(float), "a chance", np.ones(len(said), dtype=bool))


@pytest.fixture(scope="module")
def plain():
    return loans()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)
def test_planted_miscalibration_is_found(fault, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    found = against(findings_of(subject_of(fault, tmp_path), "calibration"))
    assert any(fault.says in one.expectation and one.outcome == "failed" for one in found), found


def test_a_calibrated_model_passes_and_its_slope_is_one(plain):
    found = measured(plain)
    assert not judged(found)
    slope = values(found).loc["calibration_slope"]
    assert slope["lower"] < 1 < slope["upper"]
    assert values(found).loc["spiegelhalter_p", "value"] > 0.01


def test_calibrated_chances_seldom_raise_an_alarm_whatever_they_are():
    rng, seen, sure = np.random.default_rng(0), [], 0
    for seed in range(200):
        said = rng.beta(0.7, 1.5, 400)
        found = error_of(claims(said, rng.random(400) < said), seed)
        seen.append(found.value)
        sure += found.ends(0.05)[0] > 0
    # The usual binned error of the same is about 0.05.
    assert abs(np.mean(seen)) < 0.005
    assert sure / 200 < 0.08


def test_the_error_of_chances_that_are_off_is_found():
    rng = np.random.default_rng(0)
    said = rng.random(4000)
    came = rng.random(4000) < 0.5 + (said - 0.5) / 2
    found = error_of(claims(said, came), 0)
    # On average |said - 0.5| / 2 of a uniform said.
    assert found.ends()[0] < 0.125 < found.ends()[1] + 0.01
    assert found.ends(0.05)[0] > TOLERATED
    slope = recalibration(claims(said, came))[1]
    assert slope.ends()[1] < 0.7
    assert spiegelhalter(claims(said, came)) < 1e-6


def test_classes_told_apart_without_error_have_no_slope():
    said = np.linspace(0.01, 0.99, 100)
    assert recalibration(claims(said, said > 0.5)) is None


def test_coverage_lost_in_a_group_is_found(plain):
    turned = plain.target.where(~plain.test["town"].eq("Easton"), plain.target.map({"yes": "no", "no": "yes"}))
    towns = [Group(town, plain.test["town"].eq(town).to_numpy()) for town in sorted(set(plain.test["town"]))]
    found = {one.expectation for one in judged(measured(replace(plain, target=turned), towns))}
    assert "coverage_shortfall:Easton" in found
    assert not found & {f"coverage_shortfall:{town}" for town in ("Ashford", "Brookfield", "Clayton", "Dunmore")}


def test_a_group_of_whom_too_much_is_said_is_found(plain):
    never = plain.target.mask(plain.test["job"].eq("nurse"), "no")
    nurses = [Group("nurses", plain.test["job"].eq("nurse").to_numpy())]
    found = measured(replace(plain, target=never), nurses)
    assert values(found).loc["bias:nurses", "value"] < -0.3
    assert "bias_at_least:nurses" in {one.expectation for one in judged(found)}


def test_a_group_that_is_too_small_is_said(plain):
    few = [Group("few", np.arange(len(plain.test)) < 5)]
    (found,) = judged(measured(plain, few))
    assert (found.expectation, found.outcome) == ("groups_too_small", "warned")


def test_groups_are_those_of_protected_columns_of_columns_asked_for_and_of_slices(plain):
    roles = {"group": ("protected",), "job": ("sensitive",)}
    declared = (Declared(name="the old", where={"age": (60, None)}),)
    asked = Calibration(groups=("town", "job", "age"))
    names = [one.name for one in groups_of(replace(plain, roles=roles), asked, Fairness(), declared, "town")]
    assert {"group=a", "town=Easton", "job=value 1 (not shown)", "the old"} <= set(names)
    assert len([name for name in names if name.startswith("town=")]) == 5
    assert not any("nurse" in name for name in names)


@pytest.mark.parametrize("rows", [0, 1, 30])
def test_with_few_rows_it_cannot_be_told(plain, rows):
    one = replace(plain, test=plain.test.head(rows), target=plain.target.head(rows))
    assert "inconclusive" in {f.outcome for f in judged(measured(one))}


def test_a_classifier_without_probabilities_is_not_asked():
    assert "no probabilities" in measured(loans(LinearSVC())).facts["not_applicable"]


def test_of_many_classes_the_chance_of_the_answer_is_asked():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=4000), "flag": rng.random(4000) < 0.5, "one": 1.0})
    noise = frame["x"] + rng.normal(0, 0.7, 4000)
    labels = np.array(["low", "middle", "high"])[np.digitize(noise, [-0.5, 0.5])]
    model = RandomForestClassifier(50, min_samples_leaf=20, random_state=0)
    good = case(model, parted(frame.assign(y=labels)), "y", tier=3)
    assert not judged(measured(good))
    grown = case(RandomForestClassifier(50, random_state=0), parted(frame.assign(y=labels)), "y", tier=3)
    assert "calibration_error_at_least" in {one.expectation for one in judged(measured(grown))}


def test_a_regression_is_asked_for_coverage_and_for_its_mean():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=4000), "z": rng.normal(size=4000)})
    frame = frame.assign(y=3 * frame["x"] + rng.normal(size=4000))
    good = case(LinearRegression(), parted(frame), "y", tier=3)
    found = measured(good)
    assert not judged(found)
    assert values(found).loc["truth_above_interval", "value"] == pytest.approx(0.05, abs=0.03)
    # Dearer by a standard deviation since then: too low everywhere, and outside of the interval.
    dearer = measured(replace(good, target=good.target + good.scale))
    assert {"calibration_error_at_least", "coverage_shortfall"} <= {one.expectation for one in judged(dearer)}


def test_a_truth_that_is_missing_is_left_out():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=4000)})
    frame = frame.assign(y=3 * frame["x"] + rng.normal(size=4000))
    one = case(GradientBoostingRegressor(n_estimators=30, random_state=0), parted(frame), "y", tier=3)
    gone = np.arange(len(one.test)) % 10 == 0
    half = [Group("half", np.arange(len(one.test)) % 2 == 0)]
    found = values(measured(replace(one, target=one.target.mask(gone)), half))
    assert found.loc["calibration_error", "n"] == found.loc["coverage", "n"] == (~gone).sum()
    assert np.isfinite(found.loc["bias:half", "value"])


def test_confidence_that_misleads_is_told(plain):
    odd = plain.said.probabilities.max(axis=1) > 0.8
    turned = plain.target.mask(odd, plain.target.map({"yes": "no", "no": "yes"}))
    found = judged(measured(replace(plain, target=turned)))
    assert "surer_half_worse_by_at_least" in {one.expectation for one in found}


@pytest.mark.parametrize(("value", "outcomes"), [(TOLERATED, []), (TOLERATED + 1e-9, ["failed"])])
def test_the_limit_itself_is_still_good(plain, value, outcomes):
    found = measured(plain)
    mine = found.metrics["metric"] == "calibration_error_at_least"
    changed = replace(found, metrics=found.metrics.assign(value=found.metrics["value"].mask(mine, value)))
    assert [one.outcome for one in judged(changed)] == outcomes


def test_the_plots_say_in_words_what_they_draw(plain):
    diagram, bought = CHECK.plots(measured(plain), {})
    assert "10 bins of equally many records" in diagram.alt
    assert "of the surer half" in bought.alt


@given(st.integers(0, 2**32 - 1), st.integers(20, 300))
@settings(max_examples=30)
def test_the_error_lies_between_nothing_and_one_whatever_was_said(seed, n):
    rng = np.random.default_rng(seed)
    said = rng.choice([0.0, 0.5, 1.0, rng.random()], n)
    came = rng.random(n) < rng.random()
    found = error_of(claims(said, came), seed)
    assert -1 <= found.ends(0.05)[0] <= found.value <= 1
    # Never more than the mean distance that any record could be off.
    assert found.value <= np.abs(came - said).mean() + 1e-12
