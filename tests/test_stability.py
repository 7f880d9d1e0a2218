"""A slight change, a claim, and time: what each does to the answers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted.base import Planted, clean
from planted.run import against, findings_of, subject_of
from planted.stability import FAULTS, IN_TIME
from qualified import case, parted, values
from scipy.stats import beta
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor
from test_scenarios import classes, columns

from expectations.errors import CannotAsk
from expectations.expectation import metric
from expectations.judge import judge
from expectations.options.stability import Stability
from expectations.tiers import TIERS
from expectations.verdicts import Outcome
from tasks.qualification.columns import Column, columns_of
from tasks.qualification.over_time import (
    History,
    OverTime,
    Timed,
    line_through,
    measure_package,
    measure_refits,
    parts_of,
    rows_of,
)
from tasks.qualification.slight import COUNT, LEVEL, NUMBER, TYPO, change_of, changed
from tasks.qualification.stability import CHECK, measure_stability
from tasks.qualification.sure import sure_share


def table(n=1200, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.uniform(-2, 2, n), "k": rng.integers(0, 200, n) * 1.0})
    return frame.assign(y=frame["a"] + 0.5 * frame["b"] + rng.normal(0, 0.3, n))


def numbers(estimator, frame=None, **more):
    return case(estimator, parted(table() if frame is None else frame), "y", **more)


def features(evidence):
    return pd.DataFrame(evidence.facts["features"]).set_index("column")


# Slight changes

WHOLE = Column("k", "number", lower=0, upper=100, spread=20.0, step=1.0, whole=True)


@pytest.mark.parametrize(
    ("column", "noise", "how", "size"),
    [
        (Column("a", "number", lower=0, upper=9, spread=2.0), {}, NUMBER, 0.1),
        (Column("a", "number", lower=0, upper=9, spread=2.0), {"a": 0.7}, NUMBER, 0.7),
        (WHOLE, {}, NUMBER, 1.0),
        (replace(WHOLE, spread=100.0), {}, NUMBER, 5.0),
        (replace(WHOLE, spread=5.0), {}, NUMBER, 1.0),
        (replace(WHOLE, spread=4.9), {}, COUNT, 1.0),
        (replace(WHOLE, spread=1.0), {"k": 1.0}, NUMBER, 1.0),
        (replace(WHOLE, upper=1.0, spread=0.5), {}, LEVEL, 0.0),
        (Column("c", "category", levels=("x", "y")), {}, LEVEL, 0.0),
        (Column("t", "text"), {}, TYPO, 0.0),
    ],
)
def test_what_a_slight_change_is(column, noise, how, size):
    change = change_of(column, noise)
    assert (change.how, change.noise, change.why_not) == (how, pytest.approx(size), "")
    assert change.slight == (how in (NUMBER, TYPO))


@pytest.mark.parametrize(
    "column", [Column("a", "number", lower=3, upper=3), Column("a", "number"), Column("c", "category", levels=("x",))]
)
def test_of_one_value_there_is_nothing_to_change(column):
    assert change_of(column, {}).why_not.startswith("training saw one")


@given(
    st.lists(st.one_of(st.none(), st.integers(-50, 50)), min_size=2, max_size=30), st.floats(0.1, 30), st.integers(0, 9)
)
def test_a_changed_number_moves_stays_whole_and_stays_inside(held, noise, seed):
    values_ = pd.Series(held, dtype=float)
    column = columns_of(pd.DataFrame({"a": values_}), ["a"], {})[0]
    if not column.upper > column.lower:
        return
    change = replace(change_of(column, {"a": noise}), how=NUMBER)
    after = changed(change, values_, np.random.default_rng(seed))
    gaps = values_.isna().to_numpy()
    assert (np.isnan(after) == gaps).all()
    moved = np.abs(after - values_.to_numpy())[~gaps]
    assert (after[~gaps] == np.round(after[~gaps])).all()
    assert (moved <= max(round(noise), 1)).all()
    assert (after[~gaps] >= column.lower).all()
    assert (after[~gaps] <= column.upper).all()


def test_a_level_becomes_another_one_and_a_gap_stays():
    column = Column("c", "category", levels=("x", "y", "z"))
    held = pd.Series(["x", "y", None, "z"] * 20, dtype=object)
    after = changed(change_of(column, {}), held, np.random.default_rng(0))
    assert all(
        now is None if before is None else now in column.levels and now != before
        for before, now in zip(held, after, strict=True)
    )


@given(st.integers(0, 200), st.integers(1, 200), st.sampled_from([0.05, 0.005]))
def test_a_sure_share_is_the_exact_lower_bound(hits, n, alpha):
    hits = min(hits, n)
    bound = sure_share(np.arange(n) < hits, alpha)
    assert bound == (pytest.approx(beta.ppf(alpha, hits, n - hits + 1)) if hits else 0)
    assert bound <= hits / n


def test_a_smooth_model_hardly_moves_and_its_sensitivity_is_its_slope():
    evidence = measure_stability(numbers(make_pipeline(StandardScaler(), LinearRegression())), Stability())
    found, told = values(evidence)["value"], features(evidence)
    assert found[[name for name in found.index if name.startswith("sure_")]].max() == 0
    # Half of a twentieth of the spread to all of it, in deviations of y (1.19): 0.031 in the middle.
    assert told.loc["a", "median"] == pytest.approx(0.75 * 0.05 / 1.19, rel=0.1)
    assert told.loc["a", "p99"] / told.loc["b", "p99"] == pytest.approx(
        2 * told.loc["a", "noise"] / told.loc["b", "noise"], rel=0.1
    )


def test_a_model_that_hangs_on_digits_is_told_by_the_column():
    frame = table()
    frame["y"] = np.where(frame["k"] % 4 < 2, 5.0, -5.0) + frame["a"] * 0.1
    evidence = measure_stability(numbers(DecisionTreeRegressor(random_state=0), frame), Stability())
    found = values(evidence)["value"]
    assert found["sure_flips:k"] > 0.3
    assert found["sure_jumps:k"] > 0.3
    assert found[["sure_flips:a", "sure_flips:b"]].max() < 0.1
    worst = evidence.records.sort_values("difference", ascending=False).iloc[0]
    assert (worst["column"], worst["flipped"]) == ("k", True)


def test_stated_noise_is_the_measure():
    one = numbers(make_pipeline(StandardScaler(), LinearRegression()))
    assert values(measure_stability(one, Stability(noise={"a": 5.0})))["value"]["sure_flips:a"] > 0.9


def test_values_of_people_are_not_shown():
    evidence = measure_stability(
        numbers(LinearRegression(), roles={"a": ("protected",), "b": ("sensitive",)}), Stability()
    )
    shown = evidence.records.groupby("column")["change"].agg(set)
    assert shown["a"] == shown["b"] == {"not shown"}
    assert "not shown" not in shown["k"]


@pytest.mark.parametrize("n", [0, 1, 30])
def test_few_records_are_no_yes(n):
    one = numbers(LinearRegression())
    metrics = values(measure_stability(replace(one, test=one.test.head(n), target=one.target.head(n)), Stability()))
    asked = [name for name in metrics.index if name.startswith("sure_")] or ["columns_changed"]
    assert (metrics.loc[asked, "n"] < metrics.loc[asked, "n_required"]).all()


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_a_thousand_records_are_enough_at_every_tier(level):
    one = numbers(LinearRegression(), table(4200))
    metrics = values(measure_stability(replace(one, tier=TIERS[level]), Stability(monotone={"a": "increasing"})))
    assert (metrics["n"] >= metrics["n_required"]).all()


def test_many_classes_gaps_truth_values_and_one_value_are_asked_too():
    rng, frame = np.random.default_rng(0), classes()
    frame["flag"], frame["same"], frame["one"] = rng.random(len(frame)) < 0.3, 7.0, "x"
    frame["amount"] = frame["amount"].mask(rng.random(len(frame)) < 0.2)
    frame["town"] = frame["town"].where(rng.random(len(frame)) > 0.1, None)
    frame["note"] = [" ".join(rng.choice(["pay", "now", "free", "today", "lunch"], 8)) for _ in range(len(frame))]
    frame["y"] = np.select([frame["income"] > 40000, frame["flag"]], ["high", "flagged"], "rest")
    evidence = measure_stability(case(make_pipeline(columns(), LogisticRegression()), parted(frame), "y"), Stability())
    assert set(evidence.facts["not_changed"]) == {"same", "one"}
    assert dict(features(evidence)["judged"]) == {
        "income": True,
        "amount": True,
        "town": False,
        "flag": False,
        "note": True,
    }
    found = values(evidence)["value"]
    assert found[[name for name in found.index if name.startswith("sure_")]].max() < 0.1


def test_a_column_that_the_model_has_not_is_named_with_the_nearest():
    one = numbers(LinearRegression())
    with pytest.raises(CannotAsk) as told:
        measure_stability(one, Stability(noise={"aa": 1.0}, monotone={"zzz": "increasing"}))
    assert told.value.problems == (
        "checks.stability.noise: expected a number column that a caller sends, found 'aa'; the nearest is 'a'.",
        "checks.stability.monotone: expected a number column that a caller sends, found 'zzz'; there are a, b, k.",
    )


# Claims


@pytest.mark.parametrize(("claim", "broken"), [("increasing", 0), ("decreasing", 1)])
def test_a_claim_holds_of_all_records_or_of_none(claim, broken):
    found = values(measure_stability(numbers(LinearRegression()), Stability(monotone={"a": claim})))
    assert found.loc["violations:a", "value"] == broken
    assert (found.loc["sure_violations:a", "value"] > 0.9) == bool(broken)
    assert (found.loc["largest_violation:a", "value"] > 1) == bool(broken)


def test_a_claim_that_training_enforced_holds_and_one_that_it_did_not_is_found():
    frame = table().assign(
        y=lambda rows: np.where(
            np.abs(rows["a"]) + np.random.default_rng(1).normal(0, 0.2, len(rows)) > 0.7, "yes", "no"
        )
    )
    for how, broken in (({"monotonic_cst": [1, 0, 0]}, False), ({}, True)):
        model = HistGradientBoostingClassifier(max_iter=30, random_state=0, **how)
        found = values(
            measure_stability(numbers(model, frame, positive="yes"), Stability(monotone={"a": "increasing"}))
        )
        assert (found.loc["sure_violations:a", "value"] > 0.01) == broken


def test_a_fall_on_the_slack_is_no_violation():
    one = numbers(LinearRegression())
    largest = values(measure_stability(one, Stability(monotone={"b": "decreasing"})))["value"]["largest_violation:b"]
    for slack, share in ((largest, 0), (largest * 0.999, 1)):
        found = values(measure_stability(one, Stability(monotone={"b": "decreasing"}, monotone_slack=slack)))["value"]
        assert found["violations:b"] == pytest.approx(share)


def test_of_many_classes_a_claim_cannot_be_told_and_is_not_passed():
    frame = table().assign(y=lambda rows: pd.cut(rows["a"], 3, labels=["low", "middle", "high"]).astype(str))
    evidence = measure_stability(
        numbers(LogisticRegression(max_iter=1000), frame), Stability(monotone={"a": "increasing"})
    )
    row = values(evidence).loc["sure_violations:a"]
    assert row["n"] < row["n_required"]
    assert "more than two classes" in evidence.facts["monotone"]["not_asked"]


# Time


def timed(frame, days):
    return Timed(
        frame.drop(columns="y"), frame["y"], pd.Timestamp("2024-01-01") + pd.to_timedelta(pd.Series(days), unit="D")
    )


@given(st.floats(-0.2, 0.4), st.integers(0, 50))
def test_a_line_gives_back_the_slope_of_its_parts(slope, seed):
    months = np.arange(10.0)
    loss = 1 + slope * (months - months.mean()) / 1
    parts = pd.DataFrame({"group": "g", "months": months, "loss": loss + 5, "level": loss + 5, "n": 50})
    line = line_through(parts)
    assert line.slope == pytest.approx(slope / 6, abs=1e-9)
    assert line.error < 1e-9
    noisy = line_through(parts.assign(loss=parts["loss"] + np.random.default_rng(seed).normal(0, 0.1, 10)))
    assert noisy.bounds(0.025)[0] < noisy.slope < noisy.bounds(0.025)[1]


def test_a_line_needs_four_parts_and_parts_need_forty_records():
    times = pd.Series(pd.date_range("2024-01-01", periods=400, freq="D"))
    assert [len(parts_of(np.ones(n), times[:n], times[0], 12, "g")) for n in (0, 39, 40, 159, 160, 400)] == [
        0,
        0,
        1,
        3,
        4,
        10,
    ]
    enough, few = (parts_of(np.ones(n), times[:n], times[0], 12, "g") for n in (160, 159))
    assert line_through(enough) is not None
    assert line_through(few) is None


def test_the_interval_of_no_slope_holds_nothing_as_often_as_it_says():
    rng, held = np.random.default_rng(0), 0
    times = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(600), unit="D"))
    for _ in range(300):
        low, high = line_through(parts_of(rng.exponential(1, 600), times, times[0], 12, "g")).bounds(0.025)
        held += low <= 0 <= high
    assert 0.92 <= held / 300 <= 0.98


def test_a_package_in_a_world_that_turns_decays_and_in_one_that_stays_does_not():
    for turn in (0.0, 2.0):
        frame, days = table(2000), np.arange(2000) / 2
        later = np.maximum(days - 750, 0) / 250
        frame["y"] = frame["a"] * (1 - turn * later) + np.random.default_rng(2).normal(0, 0.3, 2000)
        one, found = numbers(LinearRegression(), frame), OverTime()
        every = timed(frame, days)
        measure_package(one, every.at(np.arange(1500, 2000)), every.times[1199], found)
        rows = {row[0]: row[1] for row in rows_of(one, found, 0.05)}
        assert (rows["sure_decay_per_month"] > 0.05) == bool(turn)


def test_test_records_among_training_do_not_tell_of_the_package():
    frame, found = table(), OverTime()
    every = timed(frame, np.arange(1200))
    measure_package(numbers(LinearRegression(), frame), every, every.times[5], found)
    assert found.lines == {}
    assert "split.by: time" in found.skipped["package"]


def test_too_short_a_time_is_not_passed():
    frame, found = table(), OverTime()
    every, one = timed(frame, np.arange(1200) / 60), numbers(LinearRegression(), frame)
    measure_package(one, every.at(np.arange(900, 1200)), every.times[700], found)
    [row] = rows_of(one, found, 0.05)
    assert (row[0], np.isnan(row[1])) == ("sure_decay_per_month", True)
    evidence = measure_stability(
        one, Stability(), History(every.at(np.arange(700)), every.at(np.arange(900, 1200)), every)
    )
    assert "over 0.2 months" in evidence.facts["unmeasured"]["sure_decay_per_month"]
    suite = [metric("sure_decay_per_month", high=0.05)]
    [finding] = judge(evidence, suite, strict=True)
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert "parts over 1 month are needed to lay a line" in finding.found


def test_a_simple_model_may_be_the_steadier_one():
    """What the trees use breaks by and by; the line does not see it."""
    rng, n = np.random.default_rng(0), 3000
    days, k = np.arange(n) / 4, rng.integers(0, 2, n) * 2.0 - 1
    frame = pd.DataFrame({"a": rng.normal(size=n), "k": k, "m": rng.integers(0, 2, n) * 2.0 - 1})
    frame["y"] = frame["a"] + 3 * frame["k"] * frame["m"] * np.cos(2 * np.pi * days / 375) + rng.normal(0, 0.1, n)
    one, found = numbers(GradientBoostingRegressor(n_estimators=30, random_state=0), frame), OverTime()
    measure_refits(one, timed(frame, days), 3, found)
    assert set(found.lines) == {"refits", "simple", "against simple"}
    every = timed(frame, days)
    told = measure_stability(one, Stability(), History(every, every, every)).facts["over_time"]
    assert told["slopes_a_month"]["refits"] > told["slopes_a_month"]["simple"]


def test_without_moments_time_is_not_asked_and_says_why():
    evidence = measure_stability(numbers(LinearRegression()), Stability())
    assert "no event_time" in evidence.facts["over_time"]["not_applicable"]
    assert not [name for name in evidence.metrics["metric"] if "month" in name]


# Whole releases


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)
def test_a_planted_fault_is_caught(fault, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    found = against(findings_of(subject_of(fault, tmp_path), "stability"))
    assert [one for one in found if fault.says in one.expectation and one.outcome.value == "failed"], found


def steady(rng):
    frame = clean(rng)
    return frame.assign(day=pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 700, len(frame)), unit="D"))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("table", "data"), [(clean, {}), (steady, {"data": IN_TIME})], ids=["no time", "in time"])
def test_of_a_clean_table_there_is_nothing_to_say(table, data, seed, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    subject = subject_of(Planted("clean", "stability", "", table, data, "logistic"), tmp_path, seed)
    assert against(findings_of(subject, "stability")) == []
    plots = [plot for plot in CHECK.plots(CHECK.measure(subject), {}) if plot]
    assert len(plots) == (2 if data else 1)
