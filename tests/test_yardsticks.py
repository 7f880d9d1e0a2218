"""What a release is held against, and what is counted of its traffic: planted changes are found, quiet stays quiet."""

import json

import numpy as np
import polars as pl
import pytest
from guarded import SPEC, cars, encoded, guarded, three
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from expectations.sequential.standing import Standing
from expectations.spec import ReleaseSpec
from tasks.monitoring.counting import count, counted_from_json
from tasks.monitoring.limits import upper_end
from tasks.monitoring.measures import measured
from tasks.monitoring.reference import ReferenceRows, reference_of
from tasks.monitoring.running import advance, calm, ended, judge_running, running_from_json, start
from tasks.monitoring.yardsticks import set_yardsticks, yardsticks_from_json

MINUTE = 60
TYPES = {"income": "double", "rooms": "double", "town": "string", "sex": "string"}
SIGNATURE = {
    "inputs": [{"column": name, "input": name, "type": kind} for name, kind in TYPES.items()],
    "classes": [],
    "reasons": {"bits": ["missing"], "flags": ["missing: income"]},
}
CLASSES = {**SIGNATURE, "classes": ["bad", "good"]}


def spec_of(task="regression", monitoring=None, **parts):
    """A spec as short as one can be."""
    positive = {"positive": "good"} if task == "binary" else {}
    data = {"target": "price", "sources": {"rows": {"path": "rows.parquet"}}, **parts.pop("data", {})}
    return ReleaseSpec.model_validate(
        {
            "model": {"name": "m", "task": task, "owner": "o@example.com", **positive},
            "candidate": {"skops": "m.skops"},
            "data": data,
            "monitoring": monitoring or {},
            **parts,
        }
    )


def rows_of(n, seed=0, **changed):
    """Rows of the log with their truth: a price that is about the income, and is predicted so."""
    draw = np.random.default_rng(seed)
    income = draw.lognormal(3, 0.5, n)
    truth = 10 * income + draw.normal(0, 20, n)
    said = {
        "input.income": income,
        "input.rooms": draw.choice([2.0, 3.0, 4.0], n),
        "input.town": draw.choice(["Ames", "Boone", "Nevada"], n, p=[0.6, 0.35, 0.05]),
        "input.sex": draw.choice(["f", "m"], n),
        "output.prediction": 10 * income,
        "output.lower": 10 * income - 33,
        "output.upper": 10 * income + 33,
        "output.anomaly_score": draw.normal(-2, 1, n),
        "output.trusted": draw.random(n) > 0.05,
        "output.reasons": np.zeros(n, dtype=np.int64),
        "error": pl.Series([None] * n, dtype=pl.String),
        "latency_ms": draw.lognormal(3, 0.3, n),
        "truth_number": truth,
        "truth": [str(one) for one in truth],
    }
    return pl.DataFrame({**said, **changed})


def labels_of(n, seed=0, right=0.8):
    """The same of a classifier that is right as often as it says."""
    draw = np.random.default_rng(seed)
    truth = draw.choice(["bad", "good"], n, p=[0.3, 0.7])
    said = np.where(draw.random(n) < right, truth, np.where(truth == "bad", "good", "bad"))
    return rows_of(n, seed).with_columns(
        pl.Series("truth", truth),
        pl.Series("output.prediction", said),
        pl.lit(None, dtype=pl.Float64).alias("truth_number"),
        pl.Series("output.probabilities", [[right, 1 - right] if one == "bad" else [1 - right, right] for one in said]),
        pl.Series("output.conformal_set", [[True, True]] * n),
    )


def held(spec=None, rows=None, signature=SIGNATURE):
    return set_yardsticks(spec or spec_of(), ReferenceRows(rows_of(3000) if rows is None else rows, signature))


def after(yardsticks, frames, late=0):
    """The answers after a tick for each frame of rows, all of which have their truth."""
    running = start(yardsticks)
    for at, frame in enumerate(frames):
        running = advance(yardsticks, running, count(yardsticks, frame, frame), MINUTE * at)
    return {one.alarm: one for one in judge_running(yardsticks, running)}


def traffic(minutes, make=rows_of, seed=100, each=60, **changed):
    return [make(each, seed + at).with_columns(**changed) for at in range(minutes)]


def alarmed(answers):
    return {name for name, one in answers.items() if one.standing is Standing.ALARM}


HOUR = traffic(60)
HELD = held()


def test_traffic_like_the_own_rows_is_quiet_and_nothing_is_passed_over():
    answers = after(HELD, HOUR)
    assert alarmed(answers) == set()
    assert {one.standing for one in answers.values()} == {Standing.QUIET, Standing.NOT_APPLICABLE}
    assert {name for name, one in answers.items() if one.standing is Standing.NOT_APPLICABLE} == {"lookups", "slices"}
    assert answers["lookups"].words == "lookups: the package looks nothing up."


@pytest.mark.parametrize(
    ("changed", "alarms", "loudest"),
    [
        ({"input.income": pl.col("input.income") * 1000}, {"inputs"}, "income above"),
        ({"input.income": pl.col("input.income") / 1000}, {"inputs"}, "income at most"),
        ({"input.income": pl.lit(None, dtype=pl.Float64)}, {"inputs"}, "income is missing more often"),
        ({"input.income": pl.lit(float("nan"))}, {"inputs"}, "income is missing more often"),
        ({"input.income": pl.lit(20.0)}, {"inputs"}, "income"),
        ({"input.rooms": pl.lit(7.0)}, {"inputs"}, "rooms is rare or new"),
        ({"input.rooms": pl.lit("3")}, {"inputs"}, "rooms is more often '3'"),
        ({"input.town": pl.lit("Paris")}, {"inputs"}, "town is rare or new"),
        ({"input.town": pl.lit("Nevada")}, {"inputs"}, "town is more often 'Nevada'"),
        ({"input.town": pl.lit("")}, {"inputs"}, "town is missing more often"),
        ({"output.anomaly_score": pl.col("output.anomaly_score") + 2}, {"oddity"}, "the anomaly score above"),
        ({"output.trusted": pl.lit(False)}, {"guards"}, "not trusted"),
        ({"error": pl.lit("it broke")}, {"errors"}, "failed"),
        ({"latency_ms": pl.lit(500.0)}, {"latency"}, "slower than 200 ms"),
        ({"truth_number": pl.col("truth_number") + 40}, {"quality", "calibration"}, None),
    ],
)
def test_each_planted_change_raises_its_alarm_within_the_hour_and_no_other(changed, alarms, loudest):
    answers = after(HELD, traffic(20, **changed))
    assert alarmed(answers) == alarms
    if loudest:
        assert answers[next(iter(alarms))].worst[0].startswith(loudest)


def test_another_population_is_seen_in_inputs_predictions_and_the_estimate():
    rich = [frame.filter(pl.col("input.income") > 25) for frame in traffic(40, each=200)]
    assert {"inputs", "predictions"} <= alarmed(after(HELD, rich))


def test_flipped_labels_are_an_alarm_of_quality_and_calibration_and_are_seen_in_nothing_else():
    yardsticks = held(spec_of("binary"), labels_of(3000), CLASSES)
    flip = pl.when(pl.col("truth") == "bad").then(pl.lit("good")).otherwise(pl.lit("bad"))
    assert alarmed(after(yardsticks, traffic(30, labels_of))) == set()
    assert alarmed(after(yardsticks, traffic(30, labels_of, truth=flip))) == {"quality", "calibration"}


def test_before_any_label_less_confidence_is_an_estimate_of_less_quality():
    yardsticks = held(spec_of("binary"), labels_of(3000), CLASSES)
    chances = pl.Series("output.probabilities", [[0.45, 0.55]] * 60)
    unsure = [frame.with_columns(chances) for frame in traffic(20, labels_of)]
    running = start(yardsticks)
    for at, frame in enumerate(unsure):
        running = advance(yardsticks, running, count(yardsticks, frame, frame[:0]), MINUTE * at)
    answers = {one.alarm: one for one in judge_running(yardsticks, running)}
    assert alarmed(answers) == {"estimated_quality", "predictions"}
    assert answers["quality"].standing is Standing.CANNOT_TELL
    assert "nothing was counted yet" in answers["quality"].words


def test_a_declared_slice_and_a_protected_column_have_alarms_of_their_own():
    spec = spec_of(
        checks={"slices": {"declared": [{"name": "small", "where": {"income": [None, 15]}}]}},
        data={"roles": {"sex": ["actor_controlled"], "town": ["protected"]}},
        serving={"log": {"protected": "hash"}},
    )
    yardsticks = held(spec)
    assert [one.labels[0] for one in yardsticks.measures["slices"]] == ["the loss where small"]
    assert yardsticks.left_out["slices"] == ("town: the log does not hold it in clear.",)
    assert yardsticks.left_out["inputs"] == ("Not measured, as the log does not hold them in clear: town.",)
    worse = pl.when(pl.col("input.income") < 15).then(pl.col("truth_number") + 60).otherwise(pl.col("truth_number"))
    assert "slices" in alarmed(after(yardsticks, traffic(60, truth_number=worse)))


LOOKING_UP = {
    "sources": {"rows": {"path": "rows.parquet"}, "towns": {"path": "towns.parquet"}},
    "lookups": [{"source": "towns", "key": "town", "columns": ["people"]}],
}
FLAGS = {**SIGNATURE, "reasons": {"bits": [], "flags": ["unknown:town", "unknown:town in towns"]}}


@pytest.mark.parametrize(
    ("flags", "reasons", "is_alarm"),
    [([False, True], 4, True), ([False, False], 64, True), ([False, False], 128, True), ([True, False], 4, False)],
)
def test_keys_that_are_not_found_and_sources_that_are_late_are_an_alarm_of_lookups(flags, reasons, is_alarm):
    found = pl.Series("output.flags", [[False, False]] * 1000)
    yardsticks = held(spec_of(data=LOOKING_UP), rows_of(1000).with_columns(found), FLAGS)
    bad = [frame.with_columns(pl.Series("output.flags", [flags] * len(frame))) for frame in traffic(10)]
    answers = after(yardsticks, [frame.with_columns(pl.lit(reasons).alias("output.reasons")) for frame in bad])
    assert ("lookups" in alarmed(answers)) == is_alarm


def test_truths_that_are_not_in_their_set_are_an_alarm_of_calibration():
    yardsticks = held(spec_of("binary"), labels_of(3000), CLASSES)
    empty = pl.Series("output.conformal_set", [[False, False]] * 60)
    answers = after(yardsticks, [frame.with_columns(empty) for frame in traffic(10, labels_of)])
    assert answers["calibration"].worst == ("truths outside their set",)


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ({"town": "Ames"}, {"Ames"}),
        ({"town": ["Ames", "Nevada"]}, {"Ames", "Nevada"}),
        ({"town": None}, {""}),
        ({"rooms": 3}, {"Ames", "Boone", "Nevada", ""}),
    ],
)
def test_a_slice_holds_the_rows_that_its_conditions_mean(where, rows):
    told = rows_of(3000, **{"input.town": np.random.default_rng(0).choice(["Ames", "Boone", "Nevada", ""], 3000)})
    spec = spec_of(checks={"slices": {"declared": [{"name": "some", "where": where}]}})
    [measure] = held(spec, told).measures["slices"]
    counted = ~np.isnan(measured(measure, told)[:, 0])
    assert set(told["input.town"].to_numpy()[counted]) == rows
    wanted = told["input.rooms"] == 3 if "rooms" in where else told["input.town"].is_in(list(rows))
    assert counted.tolist() == wanted.to_list()


def test_without_inputs_in_the_log_drift_of_inputs_is_told_as_not_measured():
    yardsticks = held(spec_of(serving={"log": {"inputs": False}}))
    answers = after(yardsticks, HOUR[:2])
    assert answers["inputs"].standing is Standing.CANNOT_TELL
    assert "the log does not hold them in clear: income, rooms, sex, town" in answers["inputs"].words


def test_a_column_that_is_gone_from_the_log_is_told_and_is_not_taken_for_quiet():
    answers = after(HELD, [frame.drop("input.town") for frame in HOUR])
    assert answers["inputs"].standing is Standing.CANNOT_TELL
    assert "the log has no input.town." in answers["inputs"].words


def test_answers_of_another_are_no_answers_of_this_release():
    spec = spec_of(serving={"on_distrust": "fallback"})
    strange = traffic(30, **{"answered_by": pl.lit("fallback"), "output.prediction": pl.lit(0.0)})
    answers = after(held(spec), strange)
    assert alarmed(answers) == set()
    assert answers["predictions"].standing is answers["quality"].standing is Standing.CANNOT_TELL


def test_constant_and_empty_columns_are_no_alarm_as_they_are_and_one_once_they_change():
    same = {"input.rooms": pl.lit(3.0), "input.town": pl.lit(None, dtype=pl.String)}
    yardsticks = held(rows=rows_of(1000).with_columns(**same))
    assert alarmed(after(yardsticks, traffic(30, **same))) == set()
    answers = after(yardsticks, traffic(10, **{**same, "input.rooms": pl.lit(4.0)}))
    assert set(answers["inputs"].worst) == {"rooms is less often '3'", "rooms is rare or new"}
    answers = after(yardsticks, traffic(10, **{**same, "input.town": pl.lit("Ames")}))
    assert answers["inputs"].worst[0].startswith("town is missing less often")


def test_a_slow_request_is_one_slow_answer_however_many_records_it_has():
    slow = rows_of(300, 9).with_columns(latency_ms=pl.lit(500.0), row=pl.int_range(300))
    assert alarmed(after(HELD, [*HOUR, slow])) == set()
    each = slow.with_columns(row=pl.lit(0))
    assert alarmed(after(HELD, [*HOUR, each])) == {"latency"}


def test_no_rows_at_all_change_nothing_and_are_not_quiet():
    empty = HOUR[0][:0]
    counted = count(HELD, empty, empty)
    assert all(not sums.any() for sums in counted.sums.values())
    assert {one.standing for one in after(HELD, [empty]).values()} == {Standing.CANNOT_TELL, Standing.NOT_APPLICABLE}


def test_two_parts_of_a_tick_are_one_tick():
    both = pl.concat(HOUR[:2])
    parts = count(HELD, HOUR[0], HOUR[0]).plus(count(HELD, HOUR[1], HOUR[1]))
    for name, sums in count(HELD, both, both).sums.items():
        assert parts.sums[name] == pytest.approx(sums)


def test_yardsticks_ticks_and_the_running_state_are_the_same_after_json():
    told = json.loads(json.dumps(HELD.as_json()))
    again = yardsticks_from_json(told)
    counted = count(again, HOUR[0], HOUR[0])
    kept = counted_from_json(json.loads(json.dumps(counted.as_json())))
    running = advance(again, start(again), kept, 0)
    back = running_from_json(HELD, json.loads(json.dumps(running.as_json())))
    assert json.loads(json.dumps(again.as_json())) == told
    assert back.as_json() == advance(HELD, start(HELD), count(HELD, HOUR[0], HOUR[0]), 0).as_json()


def test_an_alarm_ends_only_after_a_calm_and_the_next_change_is_found_again():
    yardsticks = held(spec_of(monitoring={"calm_minutes": 10}))
    running, bad = start(yardsticks), traffic(5, latency_ms=pl.lit(500.0))
    for at, frame in enumerate([*bad, *HOUR[:30]]):
        running = advance(yardsticks, running, count(yardsticks, frame, frame), MINUTE * at)
        if at in (4, 8):
            assert not calm(yardsticks, running, "latency")
    assert calm(yardsticks, running, "latency")
    running = ended(yardsticks, running, "latency")
    assert "latency" not in {one.alarm for one in judge_running(yardsticks, running) if one.standing is Standing.ALARM}
    for at, frame in enumerate(bad):
        running = advance(yardsticks, running, count(yardsticks, frame, frame), MINUTE * (50 + at))
    assert "latency" in {one.alarm for one in judge_running(yardsticks, running) if one.standing is Standing.ALARM}


def test_few_own_rows_raise_what_is_tolerated_and_many_do_not():
    few, many = held(rows=rows_of(60)), held(rows=rows_of(20000))
    tops = [some.asked()["guards"].means[0, 0] for some in (few, many)]
    assert tops[0] > 0.15
    assert tops[1] == pytest.approx(0.1, abs=0.01)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 200), st.integers(1, 200), st.floats(0.001, 0.2))
def test_the_upper_end_is_above_the_figure_and_exact_is_never_above_chernoff(hits, count_, alpha):
    figure, n = np.array([min(hits, count_) / count_]), np.array([float(count_)])
    exact, loose = (upper_end(figure, n, alpha, flag)[0] for flag in (True, False))
    assert figure[0] <= exact <= loose + 1e-9


def test_a_package_is_held_against_its_own_answers_and_odd_combinations_are_seen_though_no_column_moved():
    train, calibration, test = three(cars(4000))
    package, _, _ = guarded(encoded(LinearRegression()), (train, calibration), "price")
    reference = reference_of(package, test.drop(columns="price"), test["price"], train.drop(columns="price"))
    assert reference.rows["output.prediction"].to_numpy() == pytest.approx(package.score(test).values)
    yardsticks = set_yardsticks(SPEC, reference)
    usual = reference.rows.with_columns(latency_ms=pl.lit(5.0))
    mixed = test.assign(year=test["year"].sample(frac=1, random_state=0).to_numpy())
    odd = reference_of(package, mixed.drop(columns="price"), mixed["price"]).rows.with_columns(latency_ms=pl.lit(5.0))
    draw = np.random.default_rng(0)
    clean, broken = ([some[draw.integers(0, len(some), 60)] for _ in range(30)] for some in (usual, odd))
    assert alarmed(after(yardsticks, clean)) == set()
    found = alarmed(after(yardsticks, broken))
    assert "oddity" in found
    assert "inputs" not in found
