"""Alternatives: made as they say, told honestly, and the simplest sufficient one found."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from expectations.errors import CannotAsk
from expectations.sufficiency import answer, better_and_steadier, recommend
from infra.runtime import Scorer
from infra.scoring_cost import scoring_costs
from tasks.compress import recommended
from tasks.compression import backtest, baselines, graphs, networks, students, trees
from tasks.compression.case import Case, Recipe
from tasks.compression.frontier import Yardstick, running_cost, skill_differences
from tasks.compression.making import FAILED, LEFT_OUT, MEASURED, NOT_APPLICABLE, Budget, Made, fully_proven, make_all
from tasks.compression.words import left_out, recommendation, size
from tasks.conversion.export import export
from tasks.convert import convert

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(0)


def houses(n=400):
    frame = pd.DataFrame({"size": RNG.normal(100, 30, n), "rooms": RNG.integers(1, 9, n)})
    frame["town"] = RNG.choice(["Ames", "Boone"], n)
    price = pd.Series(frame["size"] * 2 + frame["rooms"] ** 2 * 3 + 20 * (frame["town"] == "Ames"))
    return frame, price + RNG.normal(0, 5, n)


def columns():
    numbers, texts = ["size", "rooms"], ["town"]
    return ColumnTransformer([("n", StandardScaler(), numbers), ("t", OneHotEncoder(handle_unknown="ignore"), texts)])


def case_of(model, labels=False):
    frame, price = houses()
    target = pd.Series(np.where(price > price.median(), "dear", "cheap")) if labels else price
    return Case(make_pipeline(columns(), model).fit(frame, target), frame, target)


def made(case, seconds=60.0):
    graph, _ = convert(case.candidate, case.features, "m", 1e-5)
    return {one.recipe.name: one for one in make_all(case, graph, case.features, "m", 1e-5, Budget(seconds))}


@pytest.mark.parametrize(
    ("model", "labels"),
    [
        (RandomForestRegressor(20, random_state=0), False),
        (RandomForestClassifier(20, random_state=0), True),
        (GradientBoostingRegressor(n_estimators=20), False),
        (GradientBoostingClassifier(n_estimators=20), True),
        (HistGradientBoostingClassifier(max_iter=20), True),
        (MLPRegressor(hidden_layer_sizes=(8,), max_iter=30), False),
        (MLPClassifier(hidden_layer_sizes=(8,), max_iter=30), True),
        (Ridge(), False),
        (LogisticRegression(), True),
    ],
)
def test_every_alternative_is_converted_and_proven_or_says_why_not(model, labels):
    found = made(case_of(model, labels))
    assert {one.status for one in found.values()} <= {MEASURED, NOT_APPLICABLE}, found
    for one in found.values():
        exact = one.status == NOT_APPLICABLE or one.recipe.idea == "quantised" or one.proven(1e-5)
        assert exact, (one.recipe.name, one.max_difference)
        assert one.status == MEASURED or one.reason


def test_fewer_trees_are_the_first_of_the_same_trees():
    case = case_of(RandomForestRegressor(8, random_state=0))
    half = next(recipe for recipe in trees.recipes(case) if recipe.name == "4 of 8 trees").make(case)
    numbers = case.numbers
    expected = np.mean([tree.predict(numbers) for tree in case.candidate[-1].estimators_[:4]], axis=0)
    assert half.predict(case.features) == pytest.approx(expected)
    assert len(case.candidate[-1].estimators_) == 8


def test_boosting_cut_short_is_boosting_that_stopped_there():
    case = case_of(GradientBoostingRegressor(n_estimators=10, random_state=0))
    short = trees.first_trees(case.candidate[-1], 4)
    stages = list(case.candidate[-1].staged_predict(case.numbers))
    assert short.predict(case.numbers) == pytest.approx(stages[3])


def test_adaboost_keeps_each_trees_weight():
    case = case_of(AdaBoostRegressor(n_estimators=6, random_state=0))
    short = trees.first_trees(case.candidate[-1], 3)
    assert len(short.estimators_) == 3
    assert np.isfinite(short.predict(case.numbers)).all()


def test_a_target_that_is_transformed_stays_so_with_fewer_trees():
    frame, price = houses()
    inner = make_pipeline(columns(), RandomForestRegressor(8, random_state=0))
    candidate = TransformedTargetRegressor(inner, func=np.log, inverse_func=np.exp).fit(frame, price)
    case = Case(candidate, frame, price)
    half = next(recipe for recipe in trees.recipes(case) if recipe.name == "4 of 8 trees").make(case)
    assert np.corrcoef(half.predict(frame), price)[0, 1] > 0.9


def test_half_of_the_units_is_half_as_large_and_half_of_the_weights_is_zero():
    case = case_of(MLPRegressor(hidden_layer_sizes=(20, 10), max_iter=50, random_state=0))
    fewer, sparse = (recipe.make(case)[-1] for recipe in networks.recipes(case))
    assert [layer.shape[1] for layer in fewer.coefs_] == [10, 5, 1]
    assert all(abs(np.mean(layer == 0) - 0.5) < 0.06 for layer in sparse.coefs_)
    assert not any((layer == 0).any() for layer in case.candidate[-1].coefs_)


def test_a_student_learns_what_the_teacher_says_and_not_what_happened():
    case = case_of(GradientBoostingClassifier(n_estimators=20), labels=True)
    wrong = Case(case.candidate, case.features, case.target.sample(frac=1, random_state=0).reset_index(drop=True))
    student = students.recipes(wrong)[0].make(wrong)
    assert (student.predict(case.features) == case.candidate.predict(case.features)).mean() > 0.9


def test_a_linear_baseline_takes_gaps_and_has_no_scaler():
    frame, price = houses()
    frame.loc[::7, "size"] = np.nan
    candidate = HistGradientBoostingClassifier(max_iter=5).fit(frame[["size", "rooms"]], price > price.median())
    case = Case(candidate, frame[["size", "rooms"]], price > price.median())
    assert baselines.linear(case).score(case.features, case.target) > 0.8


def test_eight_bits_make_a_network_smaller_and_do_nothing_to_trees():
    network, forest = case_of(MLPRegressor(hidden_layer_sizes=(64, 64), max_iter=5)), case_of(RandomForestRegressor(5))
    graph = export(network.candidate, network.features, "m", "float")
    small = graphs.quantised(graph)
    assert len(small) < 0.6 * len(graph)
    assert np.isfinite(Scorer(small).score(network.features).values).all()
    with pytest.raises(graphs.NothingToDo, match="multiplies no matrices"):
        graphs.quantised(export(forest.candidate, forest.features, "m", "double"))


def test_a_graph_that_only_onnxruntime_knows_is_no_alternative():
    import onnx

    case = case_of(Ridge())
    graph = onnx.load_from_string(export(case.candidate, case.features, "m", "double"))
    graph.graph.node[0].domain = "com.microsoft"
    with pytest.raises(graphs.NothingToDo, match=r"com\.microsoft"):
        graphs._finished(graph, graph.SerializeToString())


def test_what_the_budget_leaves_out_is_told():
    found = made(case_of(RandomForestRegressor(8)), seconds=0.0)
    assert {one.status for one in found.values()} == {LEFT_OUT, NOT_APPLICABLE}
    assert all("cpu_seconds" in one.reason for one in found.values() if one.status == LEFT_OUT)


def test_a_fit_that_fails_is_a_row_and_not_an_end():
    case = case_of(RandomForestRegressor(8))
    broken = Case(case.candidate, case.features, case.target.astype(object).where(case.target.index > 3, "x"))
    found = made(broken)
    assert found["linear"].status == FAILED
    assert found["4 of 8 trees"].status == MEASURED


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [
        (-0.005, 0.001, "sufficient"),
        (-0.01, 0.001, "sufficient"),
        (-0.02, -0.011, "not sufficient"),
        (-0.02, 0.0, "cannot tell"),
        (-0.02, -0.01, "cannot tell"),
        (float("nan"), 0.0, "cannot tell"),
    ],
)
def test_an_interval_that_reaches_over_the_tolerance_is_never_sufficient(lower, upper, said):
    assert answer(lower, upper, 0.01) == said


def row(name, bytes_, cpu=10.0, said="sufficient", proven=True, gap=-0.002):
    told = {"name": name, "onnx_bytes": bytes_, "cpu_us": cpu, "answer": said, "proven": proven}
    return told | {"skill_difference": gap, "lower": gap - 0.001, "upper": gap + 0.001, "simpler": bytes_ < 800}


CANDIDATE = row("candidate", 1000.0)


@pytest.mark.parametrize(
    ("rows", "prefer", "expected"),
    [
        ([row("a", 500), row("b", 200)], "size", "b"),
        ([row("a", 500), row("b", 200, said="cannot tell")], "size", "a"),
        ([row("b", 200, said="not sufficient")], "size", None),
        ([row("b", 200, proven=False)], "size", None),
        ([row("b", 200, cpu=13.0)], "size", None),
        ([row("b", 900)], "size", None),
        ([row("a", 500, cpu=2.0), row("b", 200, cpu=7.0)], "cpu", "a"),
        ([row("b", 200, cpu=float("nan"))], "size", None),
        ([], "size", None),
    ],
)
def test_the_smallest_sufficient_and_proven_one_is_recommended(rows, prefer, expected):
    found = recommend(rows, CANDIDATE, prefer)
    assert (found and found["name"]) == expected


def test_the_recommendation_is_a_sentence_and_doubt_is_no_yes():
    chosen = row("b", 200)
    assert "'b' suffices: 200 B, within 0.01 R²" in recommendation([CANDIDATE, chosen], chosen, 0.01, "R²")
    doubtful = row("b", 200, said="cannot tell")
    assert "cannot tell is not yes" in recommendation([CANDIDATE, doubtful], None, 0.01, "R²")
    assert "is the simplest" in recommendation([CANDIDATE, row("c", 900)], None, 0.01, "R²")
    assert [size(n) for n in (9_500_000, 17_000, 1_700, 12)] == ["9.5 MB", "17 kB", "1.7 kB", "12 B"]


def test_the_difference_in_skill_is_the_difference_in_r2_and_wider_for_more_alternatives():
    from sklearn.metrics import r2_score

    actual = RNG.normal(0, 1, 800)
    one, other = actual + RNG.normal(0, 0.3, 800), actual + RNG.normal(0, 0.4, 800)
    square = [(said - actual) ** 2 for said in (one, other, np.full(800, actual.mean()))]
    found = skill_differences(square[0], {"b": square[1]}, square[2], 100)["b"]
    assert found[0] == pytest.approx(r2_score(actual, other) - r2_score(actual, one))
    many = skill_differences(square[0], {name: square[1] for name in "bcdefghij"}, square[2], 100)["b"]
    assert many[1] < found[1] < found[0] < found[2] < many[2]


def test_a_yardstick_names_skill_and_guesses_by_the_training_target():
    labels = np.array(["a", "b"] * 50, dtype=object)
    stick = Yardstick("log_loss", labels, labels, lambda a, p: np.zeros(len(a)), None)
    assert stick.guess(("a", "b")).mean() == pytest.approx(np.log(2))
    assert "log loss" in stick.unit


def test_running_cost_comes_from_measured_seconds_and_stated_prices():
    from expectations.spec import Compression

    cost = running_cost(3600.0, Compression(watts_per_core=10, price_per_core_hour=0.05, price_per_kwh=0.3))
    assert cost["cpu_s_per_million"] == 3600
    assert cost["kwh_per_million"] == pytest.approx(0.01)
    assert cost["money_per_million"] == pytest.approx(0.05 + 0.003)


def test_scoring_costs_are_of_each_graph_and_one_that_cannot_run_is_absent():
    case = case_of(RandomForestRegressor(100, random_state=0))
    large = export(case.candidate, case.features, "m", "double")
    small = export(case_of(Ridge()).candidate, case.features, "m", "double")
    found = scoring_costs({"large": large, "small": small, "broken": b"none"}, case.features)
    assert set(found) == {"large", "small"}
    assert found["large"]["memory_mb"] > found["small"]["memory_mb"]
    assert found["large"]["batch_cpu_us"] > found["small"]["batch_cpu_us"] > 0
    assert all(cost["p50_ms"] <= cost["p95_ms"] and cost["load_ms"] > 0 for cost in found.values())


def test_windows_never_test_on_what_was_known_and_no_moment_is_on_two_sides():
    times = pd.Series(pd.to_datetime("2020-01-01") + pd.to_timedelta(RNG.integers(0, 40, 2000), unit="D"))
    parted = list(backtest.windows(times, 4))
    assert len(parted) == 4
    for past, following in parted:
        assert times.iloc[past].max() < times.iloc[following].min()
    assert len({at for _, following in parted for at in following}) == sum(len(f) for _, f in parted)
    assert list(backtest.windows(pd.Series([times[0]] * 500), 4)) == []
    assert list(backtest.windows(times.head(50), 4)) == []


def test_over_time_each_model_is_fitted_on_the_past_only_and_decay_is_seen():
    frame, price = houses(2000)
    drifting = price + np.where(np.arange(2000) > 1000, 4.0 * (frame["size"] - 100), 0.0)
    case = Case(
        make_pipeline(columns(), RandomForestRegressor(8, random_state=0)).fit(frame, drifting), frame, drifting
    )
    found = made(case)
    times = pd.Series(pd.to_datetime("2020-01-01") + pd.to_timedelta(np.arange(2000), unit="h"))
    history = backtest.History(frame, drifting, times, "rmse", lambda a, p: np.zeros(len(a)), None)
    candidate = Made(Recipe("candidate", "candidate"), MEASURED, estimator=case.candidate)
    tested = backtest.back_test(candidate, list(found.values()), case, history, 3, Budget(60))
    skills = tested.pivot(index="name", columns="window", values="skill")
    assert skills.loc["linear", 1] > 0.8 > skills.loc["linear", 2]
    assert {"candidate", "linear", "4 of 8 trees", "distilled: one tree"} <= set(skills.index)
    assert set(backtest.summaries(tested).columns) == {"over_time", "worst_window", "spread", "trend"}


def test_the_steadier_one_is_named_beside_the_better_one_but_never_one_that_is_always_bad():
    tested = {
        "guessing": {"over_time": 0.0, "spread": 0.0},
        "linear": {"over_time": 0.7, "spread": 0.01},
        "forest": {"over_time": 0.8, "spread": 0.1},
    }
    assert better_and_steadier(tested, 3) == ("forest", "linear")
    assert better_and_steadier(tested, 2) is None


def test_one_that_differs_on_a_threshold_is_not_recommended_and_its_row_says_so(monkeypatch):
    case = case_of(RandomForestRegressor(8, random_state=0))
    found = list(made(case).values())
    rows = [
        row("candidate", 1e9, cpu=1e9),
        *(row(n, b) | {"note": ""} for n, b in (("linear", 200), ("guessing", 300))),
    ]

    def planted(one, *rest):
        again = fully_proven(one, *rest)
        return again if one.recipe.name != "linear" else Made(one.recipe, MEASURED, "", one.estimator, b"x", 1.0)

    monkeypatch.setattr("tasks.compress.fully_proven", planted)
    assert recommended(rows, found, "size", case.features, 1e-5)["name"] == "guessing"
    assert "differs from its estimator" in rows[1]["note"]
    monkeypatch.setattr("tasks.compress.fully_proven", fully_proven)
    sound = [rows[0], row("linear", 200) | {"note": ""}]
    assert recommended(sound, found, "size", case.features, 1e-5)["name"] == "linear"


def test_what_was_left_out_for_time_stands_in_the_recommendation():
    assert left_out([]) == ""
    assert "raise compression.cpu_seconds: linear." in left_out(["linear"])


def test_measuring_that_takes_too_long_is_told_in_words():
    records = pd.DataFrame({"a": [1.0, 2.0]})
    with pytest.raises(CannotAsk, match=r"more than 0.01 s for 0 graphs. Set model.compress: off"):
        scoring_costs({}, records, timeout_s=0.01)
