"""Guards inside the graph, asked through onnxruntime as a caller would."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from guarded import SPEC, cars, encoded, features, guarded, labelled, three, truth
from onnx import TensorProto, helper, numpy_helper
from scipy.stats import betabinom, binomtest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from expectations.expectation import metric
from expectations.judge import judge
from expectations.records import Evidence, metric_rows
from expectations.spec import Budgets, Guards
from expectations.suites.every import suite_of
from expectations.verdicts import Outcome, worst
from infra.packages import replay
from infra.runtime import SIGNATURE_KEY, Predictions, Scorer
from tasks.conversion.export import stamp
from tasks.conversion.trials import Trials, try_out
from tasks.conversion.writer import ML
from tasks.convert import convert
from tasks.guards.build import Rows, build_guards
from tasks.guards.composed import measure_composed
from tasks.guards.conformal import conformal_quantile
from tasks.guards.core import Core
from tasks.guards.evidence import Case, calibration_row, covered, measure_coverage
from tasks.guards.proof import as_sent, complete, made_safe
from tasks.guards.step import prove

AMES = Path(__file__).parent.parent / "examples" / "ames"


@pytest.fixture(scope="module")
def car_package():
    return guarded(encoded(Ridge()), three(cars()), "price")


def test_each_column_inside_its_interval_and_the_combination_not_is_refused(car_package):
    package, _, _ = car_package
    odd = pd.DataFrame({"year": [2018.0], "weight kg": [2400.0], "make": ["Saab"]})
    answer = package.answers(odd)
    assert answer["in_domain"].all()
    assert not answer["trusted"].any()
    assert reasons(package, answer) == [["odd combination"]]


def reasons(package, answer):
    names = package.signature["reasons"]["flags"]
    return [[names[at] for at in row.nonzero()[0]] for row in answer["flags"]]


@pytest.mark.parametrize(
    ("change", "reason", "bit"),
    [
        ({"year": np.nan}, "missing:year", 1),
        ({"year": 2300.0}, "outside:year", 2),
        ({"weight kg": np.inf}, "outside:weight kg", 2),
        ({"weight kg": -np.inf}, "outside:weight kg", 2),
        ({"make": "Tesla"}, "unknown:make", 4),
        ({"make": None}, "missing:make", 1),
    ],
)
def test_a_bad_value_is_named_and_changes_no_other_row(car_package, change, reason, bit):
    package, _, _ = car_package
    rows = three(cars())[2].head(5).drop(columns="price")
    bad = rows.astype({"make": object})
    for column, value in change.items():
        bad.loc[2, column] = value
    before, after = package.answers(rows), package.answers(bad)
    assert reason in reasons(package, after)[2]
    assert after["reasons"][2, 0] & bit
    assert not after["trusted"][2, 0]
    for name, values in before.items():
        assert np.array_equal(np.delete(values, 2, axis=0), np.delete(after[name], 2, axis=0)), name


def strict_core():
    """A core that knows two makes and fails on any third, as encoders do that were told to."""
    one_hot = helper.make_node("OneHotEncoder", ["make"], ["hot"], domain=ML, cats_strings=["Saab", "Fiat"], zeros=0)
    price = helper.make_node("MatMul", ["flat", "weights"], ["price"])
    weights = numpy_helper.from_array(np.array([[1.0], [2.0]], dtype=np.float32), "weights")
    two = numpy_helper.from_array(np.array([-1, 2]), "two")
    made = helper.make_graph(
        [one_hot, helper.make_node("Reshape", ["hot", "two"], ["flat"]), price],
        "strict",
        [helper.make_tensor_value_info("make", TensorProto.STRING, [None, 1])],
        [helper.make_tensor_value_info("price", TensorProto.FLOAT, [None, 1])],
        [weights, two],
    )
    model = helper.make_model(made)
    stamp(model)
    signature = {"inputs": [{"column": "make", "input": "make", "type": "string"}], "classes": []}
    helper.set_model_props(model, {SIGNATURE_KEY: json.dumps(signature)})
    return model.SerializeToString()


def test_a_core_that_fails_on_unknown_texts_is_given_known_ones_and_answers():
    core = strict_core()
    rows = pd.DataFrame({"make": ["Saab", "Saab", "Fiat"] * 20})
    part = Rows(rows, np.tile([1.0, 1.0, 2.0], 20))
    graph, chosen = build_guards(Core(core, Scorer(core).signature, False), part, part, Guards())
    asked = pd.DataFrame({"make": ["Saab", "Tesla", None, "Fiat"]})
    with pytest.raises(Exception, match="Unknown Category"):
        Scorer(core).score(asked)
    answer = Scorer(graph).answers(asked)
    assert chosen["made_safe_by_commonest"] == ["make"]
    assert answer["prediction"][:, 0].tolist() == [1, 1, 1, 2]
    assert answer["trusted"][:, 0].tolist() == [True, False, False, True]
    assert made_safe(answer["flags"], Scorer(graph).signature, asked).tolist() == [False, True, True, False]


def test_a_column_in_which_training_saw_gaps_passes_them_on_to_the_core():
    frame = cars()
    frame.loc[::7, "year"] = np.nan
    numbers = frame.drop(columns="make")
    package, core, chosen = guarded(HistGradientBoostingRegressor(max_iter=20, random_state=0), three(numbers), "price")
    rows = pd.DataFrame({"year": [np.nan, np.nan], "weight kg": [1500.0, np.nan]})
    answer = package.answers(rows)
    assert chosen["may_be_missing"] == ["year"]
    assert package.score(rows).values[0] == core.score(rows).values[0]
    assert reasons(package, answer)[1][:1] == ["missing:weight kg"]
    assert answer["in_domain"][:, 0].tolist() == [True, False]


@pytest.mark.parametrize("loader", [load_wine, load_digits])
def test_the_package_answers_as_its_core_on_every_row(loader):
    frame = labelled(loader)
    package, core, _ = guarded(make_pipeline(StandardScaler(), LogisticRegression()), three(frame), "class")
    assert (package.score(frame).values == core.score(frame).values).all()
    assert np.array_equal(package.score(frame).probabilities, core.score(frame).probabilities)


def test_labels_without_probabilities_have_no_set_and_are_guarded_all_the_same():
    package, _, chosen = guarded(make_pipeline(StandardScaler(), LinearSVC()), three(labelled(load_wine)), "class")
    answer = package.answers(labelled(load_wine))
    assert chosen["conformal"].startswith("none")
    assert "conformal_set" not in answer
    assert answer["trusted"].mean() > 0.8


DATA = {"diabetes": load_diabetes, "cancer": load_breast_cancer, "digits": load_digits, "wine": load_wine}


SEEDS = range(3)
CASES = [*DATA, "ames", "cars"]
# So many questions are asked below; together they are wrong once in a hundred runs of other seeds.
SURE = 0.01 / (len(CASES) * len(SEEDS) * 3)


@pytest.mark.parametrize("name", CASES)
def test_coverage_and_false_alarms_are_what_was_stated_on_data_that_nobody_saw(name):
    for seed in SEEDS:
        package, calibrated, test, target = package_of(name, seed)
        answer, actual = package.answers(test), truth(test[target])
        missed = ~inside(package, answer, actual)
        alarms = {"domain": answer["reasons"][:, 0] & 7 > 0, "odd": answer["reasons"][:, 0] & 8 > 0}
        for budget, raised in ((0.1, missed), (0.05, alarms["domain"]), (0.02, alarms["odd"])):
            assert chance_of_more(raised, calibrated, budget) > SURE, (seed, budget, raised.mean())


def chance_of_more(raised, calibrated, budget):
    """How probable so many or more are where a limit leaves floor((n + 1) budget) of n + 1 calibration ranks beyond it:
    of such limits the binomial's share is itself random, with a beta distribution (Vovk 2012)."""
    beyond = int(np.floor((calibrated + 1) * budget + 1e-9))
    if not beyond:
        return float(not raised.any())
    return betabinom.sf(raised.sum() - 1, len(raised), beyond, calibrated + 1 - beyond)


@pytest.mark.parametrize("wrong", [0.5, 0.7])
def test_a_wrong_quantile_is_caught_by_the_release_and_by_the_test_above(wrong):
    parts = three(cars())
    package, _, chosen = guarded(encoded(Ridge()), parts, "price", Guards(interval="absolute"))
    answer, actual = dict(package.answers(parts[2])), truth(parts[2]["price"])
    for end in ("lower", "upper"):
        answer[end] = answer["prediction"] + wrong * (answer[end] - answer["prediction"])
    case = Case(parts[2], actual, answer, package.predictions(answer), chosen["calibration_rows"])
    rows = metric_rows(measure_coverage(case, Guards(), 100))
    evidence = Evidence("guards", rows, pd.DataFrame())
    suite = [one for one in suite_of("guards", SPEC, list(rows["metric"])) if "coverage" in one.kwargs["metric"]]
    assert worst(finding.outcome for finding in judge(evidence, suite, strict=True)) is Outcome.FAILED
    assert chance_of_more(~covered(case), chosen["calibration_rows"], 0.1) < SURE


def package_of(name, seed):
    """(package, calibration rows, test rows, target)."""
    model, frame, target = subject_of(name)
    parts = three(frame, seed)
    return guarded(model, parts, target)[0], len(parts[1]), parts[2], target


def subject_of(name):
    if name == "ames":
        return ames_pipeline(), ames(), "Sale_Price"
    if name == "cars":
        return encoded(Ridge()), cars(), "price"
    if name == "diabetes":
        frame = load_diabetes(as_frame=True).frame.astype(float)
        return make_pipeline(StandardScaler(), Ridge()), frame, "target"
    return RandomForestClassifier(30, random_state=0), labelled(DATA[name]), "class"


def inside(package, answer, actual):
    if "lower" in answer:
        return (actual >= answer["lower"][:, 0]) & (actual <= answer["upper"][:, 0])
    place = [package.signature["classes"].index(label) for label in actual]
    return answer["conformal_set"][np.arange(len(place)), place]


def ames():
    houses = pd.read_parquet(AMES / "houses.parquet").drop(columns="Sold_On")
    return houses.astype({"Sale_Price": float})


def ames_pipeline():
    sys.path.insert(0, str(AMES))
    try:
        from train import columns
    finally:
        sys.path.remove(str(AMES))
    return make_pipeline(columns(), Ridge(alpha=10))


@pytest.fixture(scope="module")
def ames_package():
    return guarded(ames_pipeline(), three(ames()), "Sale_Price")[0]


def test_a_recent_and_impossible_house_is_refused(ames_package):
    recent = three(ames())[2].query("Year_Built >= 2004")
    trusted = recent[ames_package.answers(recent)["trusted"][:, 0]]
    assert len(trusted) > 0.9 * len(recent)
    # 3,500 square feet of living area in three rooms: each was seen, never together.
    impossible = trusted.assign(TotRms_AbvGrd=3, Gr_Liv_Area=3500)
    answer = ames_package.answers(impossible)
    assert answer["in_domain"].all()
    assert not answer["trusted"].any()


def test_an_unknown_neighbourhood_and_a_gap_are_refused(ames_package):
    houses = three(ames())[2]
    usual = houses[ames_package.answers(houses)["trusted"][:, 0]].head(2)
    unknown = usual.assign(Neighborhood="Beverly_Hills")
    gap = usual.assign(Lot_Area=np.nan)
    assert [r[0] for r in reasons(ames_package, ames_package.answers(unknown))] == ["unknown:Neighborhood"] * 2
    assert [r[0] for r in reasons(ames_package, ames_package.answers(gap))] == ["missing:Lot_Area"] * 2


def test_coverage_holds_within_each_group_and_an_unseen_group_gets_the_rests():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(0, 1, 3000), "ignored": rng.choice(["calm", "wild"], 3000, p=[0.8, 0.2])})
    frame["y"] = frame["x"] + np.where(frame["ignored"] == "wild", 3.0, 0.3) * rng.normal(0, 1, 3000)
    parts = three(frame)
    package, _, chosen = guarded(Ridge(), parts, "y", Guards(group="ignored", interval="absolute"))
    test, answer = parts[2], package.answers(parts[2])
    held = inside(package, answer, test["y"].to_numpy())
    for group in ("calm", "wild"):
        mine = (test["ignored"] == group).to_numpy()
        assert binomtest(int(held[mine].sum()), int(mine.sum()), 0.9).pvalue > 0.001, group
    assert [item["column"] for item in package.signature["inputs"]] == ["x", "ignored"]
    assert chosen["quantile_by_group"]["wild"] > 5 * chosen["quantile_by_group"]["calm"]
    unseen = package.answers(test.head(1).assign(ignored="new"))
    assert (unseen["upper"] - unseen["lower"]).item() == pytest.approx(2 * chosen["quantile"])


def test_where_errors_grow_the_normalised_interval_grows_with_them_and_still_covers():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 10, 4000)
    frame = pd.DataFrame({"x": x, "z": rng.normal(0, 1, 4000), "y": x + rng.normal(0, 0.1 + x / 3)})
    parts = three(frame)
    package, _, chosen = guarded(Ridge(), parts, "y")
    answer = package.answers(parts[2])
    width, held = (answer["upper"] - answer["lower"])[:, 0], inside(package, answer, parts[2]["y"].to_numpy())
    assert chosen["conformal"] == "normalised residual"
    assert width[parts[2]["x"] > 8].mean() > 3 * width[parts[2]["x"] < 2].mean()
    assert binomtest(int(held.sum()), len(held), 0.9).pvalue > 0.001


def test_too_few_calibration_rows_promise_nothing_and_alarm_about_nothing():
    parts = three(cars())
    package, _, chosen = guarded(encoded(Ridge()), [parts[0], parts[1].head(5)], "price")
    answer = package.answers(parts[2].head(3))
    assert np.isinf(answer["upper"]).all()
    assert chosen["odd_above"] is None


def test_a_tighter_budget_alarms_less():
    asked = Guards(budgets=Budgets(anomaly=0.2))
    loose, strict = (guarded(encoded(Ridge()), three(cars()), "price", one)[0] for one in (asked, Guards()))
    alarms = [(one.answers(three(cars())[2])["reasons"] & 8 > 0).mean() for one in (loose, strict)]
    assert alarms[0] > 0.1 > 0.04 > alarms[1]


def car_proof(package_model, asked_model):
    """(graph's evidence, golden records) of a package made of one model and held against another."""
    parts, every = three(cars()), features(cars(), "price")
    train, calibration = (Rows(part.drop(columns="price"), truth(part["price"])) for part in parts[:2])
    packed, asked = (
        model.fit(features(parts[0], "price"), parts[0]["price"]) for model in (package_model, asked_model)
    )
    core, _ = convert(packed, every, "m", 1e-5)
    graph, _ = build_guards(Core(core, Scorer(core).signature, False), train, calibration, Guards())
    trials = complete(try_out(asked, every), cars(), Scorer(graph).signature)
    return graph, *prove(graph, trials, 1e-5)


def held(evidence):
    return worst(finding.outcome for finding in judge(evidence, CONVERSION, strict=True))


CONVERSION = suite_of("package", SPEC, ["boundary_mismatches"])


def test_the_guarded_file_itself_is_proven_on_everything_that_the_conversion_was_tried_on():
    graph, evidence, golden = car_proof(encoded(Ridge()), encoded(Ridge()))
    assert held(evidence) is Outcome.PASSED
    assert set(evidence.records["family"]) == {"snapshot", "category", "extreme"}
    assert set(golden["outputs"]) == set(Scorer(graph).outputs)
    assert golden["outputs"]["trusted"][:3] == [[False]] * 3


def test_a_package_around_another_model_is_caught():
    _, evidence, _ = car_proof(encoded(Ridge(alpha=2)), encoded(Ridge()))
    assert held(evidence) is Outcome.FAILED


def test_rows_that_were_made_safe_are_set_apart_and_counted(car_package):
    package, _, _ = car_package
    rows = features(cars().head(4), "price")
    rows.loc[1, "year"] = np.nan
    said = Predictions(np.arange(4.0))
    kept = as_sent(package, Trials(rows, np.array(["snapshot"] * 4, dtype=object), said))
    assert kept.facts == {"rows_made_safe": 1}
    assert kept.trained.values.tolist() == [0, 2, 3]


def test_a_changed_answer_of_any_guard_is_a_golden_record_that_differs(car_package):
    graph, _, golden = car_proof(encoded(Ridge()), encoded(Ridge()))
    for name in ("upper", "anomaly_score", "reasons", "in_domain"):
        before = golden["outputs"][name][7][0]
        golden["outputs"][name][7][0] = not before if isinstance(before, bool) else before + 1
        assert replay(Scorer(graph), golden) == [7], name
        golden["outputs"][name][7][0] = before


@pytest.mark.parametrize(("rows", "outcome"), [(0, "inconclusive"), (8, "inconclusive"), (9, "passed")])
def test_limits_from_too_few_rows_promise_nothing(rows, outcome):
    # The 90 % quantile of eight scores is infinite, and an interval without ends always holds the truth.
    case = Case(pd.DataFrame(), np.zeros(0), {}, Predictions(np.zeros(0)), calibrated=rows)
    evidence = Evidence("guards", metric_rows([calibration_row(case, Guards())]), pd.DataFrame())
    assert np.isfinite(conformal_quantile(np.zeros(rows), 0.9)) == (outcome == "passed")
    assert [one.outcome for one in judge(evidence, [metric("calibration_rows", low=1)], strict=False)] == [outcome]


def composed(trusted, tier=2):
    """The finding on 400 answers, of which the first 200 are far off."""
    error = np.concatenate([np.full(200, 10.0), np.ones(200)]) + np.random.default_rng(0).random(400)
    rows = metric_rows(measure_composed(np.zeros(400), Predictions(error), trusted))
    return finding_of("worse_with_rejections", rows, tier)


def finding_of(name, rows, tier=2):
    spec = SPEC.model_copy(update={"risk": SPEC.risk.model_copy(update={"tier": tier})})
    [asked] = [one for one in suite_of("guards", spec, []) if one.kwargs["metric"] == name]
    [finding] = judge(Evidence("guards", rows, pd.DataFrame()), [asked], strict=True)
    return finding


@pytest.mark.parametrize(("tier", "outcome"), [(1, Outcome.WARNED), (2, Outcome.WARNED), (3, Outcome.FAILED)])
def test_guards_that_refuse_the_good_answers_are_told_and_stop_what_is_at_stake(tier, outcome):
    assert composed(np.arange(400) < 250, tier).outcome is outcome
    assert composed(np.arange(400) >= 150, tier).outcome is Outcome.PASSED


def test_guards_that_refuse_by_chance_or_nothing_make_nothing_surely_worse():
    for trusted in (np.ones(400, dtype=bool), np.random.default_rng(1).random(400) < 0.9):
        assert composed(trusted, tier=4).outcome is Outcome.PASSED


def test_of_too_few_trusted_answers_nobody_can_tell():
    assert composed(np.arange(400) < 4, tier=3).outcome is Outcome.INCONCLUSIVE


def test_wrong_labels_among_the_trusted_count_as_errors_do():
    right = np.arange(400) < 200
    said = Predictions(np.where(right, "yes", "no").astype(object), classes=("no", "yes"))
    rows = metric_rows(measure_composed(np.full(400, "yes", dtype=object), said, ~right))
    assert finding_of("worse_with_rejections", rows, 3).outcome is Outcome.FAILED


@pytest.mark.parametrize(("cost", "outcome"), [(2.1, Outcome.PASSED), (3.0, Outcome.PASSED), (3.1, Outcome.WARNED)])
@pytest.mark.parametrize("size", ["1", "1000"])
def test_guards_that_cost_several_times_the_model_are_told(size, cost, outcome):
    rows = metric_rows([(f"guarded_over_bare_{size}", cost, np.nan, np.nan, 10, 1)])
    assert finding_of(f"guarded_over_bare_{size}", rows).outcome is outcome


def test_a_record_alone_gets_the_answer_that_it_gets_among_others_and_none_gets_none(car_package):
    package, _, _ = car_package
    rows = features(three(cars())[2].head(20), "price")
    rows.loc[3, "year"], rows.loc[5, "weight kg"], rows.loc[7, "make"] = np.nan, np.inf, "Tesla"
    together, alone = package.answers(rows), [package.answers(rows.iloc[[at]]) for at in range(20)]
    for name, values in together.items():
        assert np.array_equal(values, np.concatenate([one[name] for one in alone])), name
        assert len(package.answers(rows.head(0))[name]) == 0


def test_an_infinite_number_says_nothing_and_is_answered_as_a_gap_is(car_package):
    package, _, _ = car_package
    row = features(three(cars())[2].head(1), "price")
    gap, far = (package.answers(row.assign(year=value)) for value in (np.nan, np.inf))
    assert gap["prediction"] == far["prediction"]
    assert reasons(package, gap)[0][0] == "missing:year"
    assert reasons(package, far)[0][0] == "outside:year"
