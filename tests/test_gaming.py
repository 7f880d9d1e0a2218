import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd import odd_case
from planted import models
from planted.base import SPEC, TARGET, clean
from planted.gaming import FAULTS, term_decides
from planted.run import against, findings_of, subject_of
from qualified import case, parted, values
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from expectations.errors import CannotAsk
from expectations.judge import judge
from expectations.options.gaming import Gaming
from expectations.records import Evidence, metric_rows
from expectations.spec import Budgets, Guards, ReleaseSpec
from expectations.suites.gaming import CROSSES, gaming_suite
from tasks.qualification.codes import asked, codes_of, trusted
from tasks.qualification.gaming import measure_gaming
from tasks.qualification.gaming_moves import best_moves, values_of
from tasks.qualification.gaming_plots import plots
from tasks.qualification.goals import goals_of

LOANS = ReleaseSpec.model_validate(SPEC)
CONTROLLED = ("actor_controlled",)


def loans(table=clean, n=1200, **roles):
    frame = table(np.random.default_rng(0)).head(n)
    pipeline = make_pipeline(models.columns(), LogisticRegression(max_iter=500))
    return case(pipeline, parted(frame), TARGET, positive="yes", roles=roles)


def unguarded(estimator, frame, target, **more):
    """A package whose guards refuse nothing: only what the model says counts."""
    budgets = {name: 1e-9 for name in Budgets.model_fields}
    return case(estimator, parted(frame), target, asked=Guards(budgets=budgets), **more)


def outcomes(evidence, spec=LOANS):
    suite = gaming_suite(spec, [str(name) for name in evidence.metrics["metric"]])
    return {one.expectation: one.outcome.value for one in judge(evidence, suite, strict=True)}


def line(**more):
    """A regression: 10 for each `a`, which goes from 0 to 1; nothing for `b`."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.uniform(0, 1, 600), "b": rng.normal(size=600)})
    return unguarded(LinearRegression(), frame.assign(y=10 * frame["a"]), "y", **more)


@pytest.fixture(scope="module")
def played():
    roles = {"x": CONTROLLED, "rooms": CONTROLLED, "kind": CONTROLLED}
    one = odd_case(classes=True, roles=roles, positive="much")
    return one, codes_of(one), goals_of(one, Gaming())


def test_a_column_that_means_nothing_gains_nothing_and_one_that_decides_lets_all_cross():
    useless = measure_gaming(loans(term=CONTROLLED), Gaming(favourable="positive"))
    telling = measure_gaming(loans(term_decides, term=CONTROLLED), Gaming(favourable="positive"))
    assert values(useless).loc["crosses_by_gaming:yes", "value"] < 0.1
    assert values(telling).loc["surely_crosses_by_gaming:yes", "value"] > 0.9
    assert outcomes(useless)["surely_crosses_by_gaming:yes"] == "passed"
    assert outcomes(telling)["surely_crosses_by_gaming:yes"] == "failed"
    assert telling.facts["best_moves"][0].startswith("for yes: set term to 6")
    assert telling.records["crosses"].head(50).all()
    assert all(plot is not None for plot in plots(telling, {}))


def test_without_a_word_both_answers_are_tried_and_the_spec_can_name_one():
    one = loans(term=CONTROLLED)
    both = values(measure_gaming(one, Gaming()))
    assert {"crosses_by_gaming:yes", "crosses_by_gaming:no"} <= set(both.index)
    negative = values(measure_gaming(one, Gaming(favourable="negative")))
    assert "crosses_by_gaming:yes" not in negative.index
    with pytest.raises(CannotAsk, match="expected one of positive, negative, no, yes, found 'high'"):
        measure_gaming(one, Gaming(favourable="high"))


def test_gain_and_crossing_of_a_line_are_what_arithmetic_says():
    one = line(roles={"a": CONTROLLED})
    high = values(measure_gaming(one, Gaming(favourable="high", line=9.0)))
    top = one.columns[0].upper
    below = one.test["a"] < 0.9
    assert high.loc["crosses_unless_guarded:high", "value"] == 1
    assert high.loc["crosses_by_gaming:high", "n"] == below.sum()
    assert high.loc["gain:high", "value"] == pytest.approx((10 * (top - one.test["a"][below])).mean())
    unreachable = values(measure_gaming(one, Gaming(favourable="high", line=10.5)))
    assert unreachable.loc["crosses_by_gaming:high", "value"] == 0
    low = values(measure_gaming(one, Gaming(favourable="low", gain=5.0)))
    assert low.loc["crosses_by_gaming:low", "value"] == pytest.approx((one.test["a"] > 0.5).mean(), abs=0.02)


def test_who_crosses_where_guards_refuse_is_told_apart():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=900)})
    # `b` goes along with `a`: to move it alone makes a row that the guards do not know.
    frame["b"] = frame["a"] + rng.normal(0, 0.05, 900)
    frame["y"] = np.where(frame["a"] + frame["b"] > 0, "yes", "no")
    one = case(LogisticRegression(), parted(frame), "y", positive="yes", roles={"b": CONTROLLED})
    found = measure_gaming(one, Gaming(favourable="yes"))
    table = values(found)
    assert table.loc["crosses_unless_guarded:yes", "value"] > 0.8
    assert table.loc["crosses_by_gaming:yes", "value"] < 0.3
    open_one = unguarded(LogisticRegression(), frame, "y", positive="yes", roles={"b": CONTROLLED})
    assert values(measure_gaming(open_one, Gaming(favourable="yes"))).loc["crosses_by_gaming:yes", "value"] > 0.8


def test_two_columns_together_are_tried_where_one_alone_does_not_help():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.integers(0, 8, 1500), "b": rng.integers(0, 8, 1500), "c": rng.normal(size=1500)})
    frame["y"] = np.where((frame["a"] == 7) & (frame["b"] == 7), "yes", "no")
    roles = {"a": CONTROLLED, "b": CONTROLLED}
    one = unguarded(RandomForestClassifier(20, random_state=0), frame, "y", positive="yes", roles=roles)
    table = values(measure_gaming(one, Gaming(favourable="yes")))
    assert table.loc["crosses_by_gaming:yes:a and b", "value"] > 0.9
    assert table.loc["crosses_by_gaming:yes:a", "value"] < 0.2
    assert table.loc["crosses_by_gaming:yes:b", "value"] < 0.2


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.lists(st.sampled_from(["x", "rooms", "kind"]), min_size=1, max_size=3, unique=True))
def test_moves_are_what_they_say_nothing_else_moves_and_more_columns_never_gain_less(played, chosen):
    one, codes, goals = played
    few = one.smaller(30)
    places = [at for at, column in enumerate(codes.columns) if column.name in chosen]
    found = best_moves(few, codes, places, goals, 5)
    for goal in goals:
        best = found.taken(goal)
        after = asked(few, codes, best.cells)
        assert np.allclose(goal.score(after), best.score)
        assert ((best.score >= goal.score(found.before)) | best.reaches).all()
        assert (best.reaches == (goal.wanting(found.before) & goal.reached(found.before, after))).all()
        assert (best.crosses == (best.reaches & trusted(few, codes, best.cells))).all()
        others = [at for at in range(len(codes.columns)) if at not in places]
        assert np.array_equal(best.cells[:, others], found.cells[:, others], equal_nan=True)
        assert (best_moves(few, codes, places[:1], goals, 5).taken(goal).rank <= best.rank).all()


def test_leaving_a_column_out_is_a_move_where_training_rows_did(played):
    one, codes, _ = played
    at = next(at for at, column in enumerate(codes.columns) if column.name == "x")
    assert np.isnan(values_of(one, codes, at, 5)).sum() == 1
    rooms = next(at for at, column in enumerate(codes.columns) if column.name == "rooms")
    assert not np.isnan(values_of(one, codes, rooms, 5)).any()


def test_without_a_controlled_column_the_question_stays_open_until_the_spec_says_why():
    one = loans()
    open_one = measure_gaming(one, Gaming())
    assert outcomes(open_one) == {"actor_controlled_columns": "warned"}
    assert "none_because" in open_one.facts["asked"]
    told = measure_gaming(one, Gaming(none_because="all columns come from the bureau"))
    assert told.facts["not_applicable"] == "nobody controls any column: all columns come from the bureau"
    absent = measure_gaming(one, Gaming(), ("elsewhere",))
    assert "elsewhere" in absent.facts["not_applicable"]


def test_values_of_hidden_columns_are_not_shown():
    one = loans(term_decides, term=("actor_controlled", "sensitive"))
    found = measure_gaming(one, Gaming(favourable="yes"))
    assert set(found.records["best_move"]) == {"term changed (not shown)"}
    assert found.facts["best_moves"] == ["for yes: set term to a value that is not shown (100% of those who cross)"]


def test_the_limit_holds_on_the_boundary_and_not_beyond_and_too_few_cannot_tell():
    name, nan = "surely_crosses_by_gaming:yes", np.nan

    def said(value, n=200, spec=LOANS):
        return outcomes(Evidence("gaming", metric_rows([(name, value, nan, nan, n, 130)]), pd.DataFrame()), spec)[name]

    assert said(CROSSES[3]) == "passed"
    assert said(CROSSES[3] + 1e-6) == "failed"
    assert said(0.0, n=129) == said(nan) == "inconclusive"
    stricter = ReleaseSpec.model_validate({**SPEC, "checks": {"gaming": {"at_most": 0.1}}})
    looser = ReleaseSpec.model_validate({**SPEC, "checks": {"gaming": {"at_most": 0.9}}})
    assert said(0.11, spec=stricter) == "failed"
    assert said(CROSSES[3] + 1e-6, spec=looser) == "failed"


def test_several_labels_gaps_and_few_rows_are_no_trouble(played):
    data = load_wine(as_frame=True)
    frame = data.data.assign(label=np.array([f"wine {label}" for label in data.target], dtype=object))
    frame = frame.sample(frac=1, random_state=0).reset_index(drop=True)
    roles = {"alcohol": CONTROLLED, "hue": CONTROLLED}
    one = case(RandomForestClassifier(20, random_state=0), parted(frame), "label", roles=roles)
    found = measure_gaming(one, Gaming())
    assert {"gain:wine 0", "gain:wine 1", "gain:wine 2"} <= set(values(found).index)
    told = outcomes(measure_gaming(played[0].smaller(30), Gaming()))
    assert told["surely_crosses_by_gaming:much"] == told["surely_crosses_by_gaming:little"] == "inconclusive"
    assert "passed" not in told.values()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)
def test_a_planted_fault_is_caught(fault, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    found = against(findings_of(subject_of(fault, tmp_path), "gaming"))
    assert (fault.says, "failed") in [(one.expectation, one.outcome.value) for one in found]
