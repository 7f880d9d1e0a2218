"""Ensembles: members vote inside one package, and where they disagree it says so."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from guarded import SPEC, encoded, features, guarded, three
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.kernel_approximation import PolynomialCountSketch
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from voting import VOTES, classifiers, graded, priced, regressors

from expectations.candidate_spec import Candidate
from expectations.judge import judge
from expectations.records import Evidence, metric_rows
from expectations.spec import Guards
from expectations.suites.conversion import conversion_suite
from expectations.verdicts import Outcome
from infra.runtime import Predictions, Scorer, estimator_predictions
from tasks.conversion.export import export
from tasks.conversion.polling import disagreement_of, poll, polled_answers
from tasks.conversion.trials import on_rows
from tasks.convert import CannotConvert, convert
from tasks.ensemble import places, put_together
from tasks.guards.conformal import sure_excess
from tasks.guards.plan import KINDS
from tasks.parity import measure_parity, with_members

BIT = 1 << KINDS.index("disagreement")


@cache
def fitted(classes):
    frame = graded(300) if classes else priced(300)
    target = places(frame["price"]) if classes else frame["price"]
    given = classifiers() if classes else regressors()
    return features(frame, "price"), {name: one.fit(features(frame, "price"), target) for name, one in given}


KINDS_OF_VOTE = st.sampled_from(["mean", "soft", "majority"])
NAMES = st.sets(st.sampled_from(["line", "trees", "near", "tree"]), min_size=2)
WEIGHTS = st.lists(st.sampled_from([0.0, 0.25, 1.0, 1.5, 3.0]), min_size=4, max_size=4)


@given(
    vote=KINDS_OF_VOTE, weights=WEIGHTS, chosen=st.sets(st.sampled_from(["line", "trees", "near", "tree"]), min_size=2)
)
@settings(max_examples=15)
def test_the_graph_votes_as_scikit_learn_and_says_what_each_member_says(vote, weights, chosen):
    rows, members = fitted(vote != "mean")
    members = {name: one for name, one in members.items() if name in chosen}
    given_weights = dict(zip(members, weights, strict=False))
    if len(members) < 2 or not any(given_weights.values()):
        return
    origin = Candidate(
        members=dict.fromkeys(members, "train:fit"), vote="soft" if vote == "mean" else vote, weights=given_weights
    )
    labels = None if vote == "mean" else graded(300)["price"].to_numpy()
    model = put_together(members, origin, labels)
    scorer = Scorer(export(model, rows, "m", "double"))
    answer = scorer.answers(rows)
    told, said, trained = scorer.signature["members"], scorer.predictions(answer), estimator_predictions(model, rows)
    mine, theirs = poll(model, rows), polled_answers(told, answer[told["answers"]], said.classes)
    for left, right in ((trained, said), *((mine[name], theirs[name]) for name in members)):
        assert near(left, right)
    apart = disagreement_of(mine, trained)
    np.testing.assert_allclose(answer[told["disagreement"]][:, 0], apart, rtol=1e-9, atol=1e-9)
    assert told["weights"] == list(given_weights.values())


def near(left, right):
    same = not left.classes or (left.values == right.values).all()
    return same and np.allclose(left.distance(), right.distance(), rtol=1e-9, atol=1e-9)


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c"]), min_size=3, max_size=3), min_size=1, max_size=5))
def test_disagreement_is_0_where_all_say_the_same_below_1_and_blind_to_the_members_order(rows):
    table = np.array(rows, dtype=object)
    vote = Predictions(
        np.array([max(sorted(row), key=list(row).count) for row in table], dtype=object), None, tuple("abc")
    )
    members = {str(at): Predictions(column, None, tuple("abc")) for at, column in enumerate(table.T)}
    apart = disagreement_of(members, vote)
    assert ((apart == 0) == [len(set(row)) == 1 for row in rows]).all()
    assert (apart < 1).all()
    np.testing.assert_array_equal(apart, disagreement_of(dict(reversed(members.items())), vote))


def test_members_that_choose_columns_and_members_that_take_a_matrix_stand_side_by_side():
    frame = priced(200).drop(columns="make")
    rows = features(frame, "price")
    inner = VotingRegressor([("a", Ridge()), ("b", KNeighborsRegressor())])
    members = [
        ("whole", make_pipeline(StandardScaler(), Ridge())),
        ("chosen", encoded(Ridge(), texts=["year"])),
        ("in", inner),
    ]
    model = VotingRegressor(members).fit(rows, frame["price"])
    _, evidence = convert(model, rows, "m", 1e-6)
    assert outcomes(evidence, conversion_suite) == {Outcome.PASSED}


def outcomes(evidence, suite):
    """Without what only warns of extremes."""
    golden = metric_rows([("golden_mismatches", 0.0, np.nan, np.nan, 1, 1)])
    whole = Evidence(evidence.step, pd.concat([evidence.metrics, golden]), evidence.records)
    wanted = suite(SPEC, [str(name) for name in whole.metrics["metric"] if not name.startswith("extreme")])
    return {finding.outcome for finding in judge(whole, wanted, strict=True)}


@pytest.mark.parametrize("where", ["behind a scaler", "in a search"])
def test_the_members_of_an_ensemble_at_the_end_are_found(where):
    frame = priced(200).drop(columns="make")
    rows = features(frame, "price")
    voting = VotingRegressor([("line", Ridge()), ("trees", RandomForestRegressor(3, random_state=0))])
    search = GridSearchCV(voting, {"weights": [[1, 2]]}, cv=2)
    model = (make_pipeline(StandardScaler(), voting) if where == "behind a scaler" else search).fit(
        rows, frame["price"]
    )
    scorer = Scorer(export(model, rows, "m", "double"))
    told = scorer.signature["members"]
    said = polled_answers(told, scorer.answers(rows)[told["answers"]], ())
    assert list(said) == ["line", "trees"]
    assert all(near(one, said[name]) for name, one in poll(model, rows).items())


def test_the_proof_tries_the_thresholds_of_each_member_and_sees_two_that_answer_for_each_other():
    frame = priced(300)
    rows = features(frame, "price")
    model = VotingRegressor(regressors()).fit(rows, frame["price"])
    graph, evidence = convert(model, rows, "m", 1e-6)
    assert evidence.facts["thresholds_tried"] > 50
    assert outcomes(evidence, conversion_suite) == {Outcome.PASSED}
    scorer, trials, members = Scorer(graph), on_rows(model, rows), poll(model, rows)
    answer = scorer.answers(rows)
    # The vote is the same, and so is the disagreement.
    mistaken = {**members, "line": members["trees"], "trees": members["line"]}
    parity = measure_parity(trials, scorer.predictions(answer), 1e-6)
    told = with_members(parity, scorer, trials, mistaken, answer).metrics.set_index("metric")["value"]
    wrong = {name for name, value in told.items() if name.startswith("member_max_difference") and value > 1e-6}
    assert wrong == {"member_max_difference:line", "member_max_difference:trees"}


def test_a_member_that_has_no_form_in_onnx_is_refused_by_its_name():
    frame = priced(100).drop(columns="make")
    sketch = make_pipeline(StandardScaler(), PolynomialCountSketch(), Ridge())
    model = VotingRegressor([("line", Ridge()), ("sketch", sketch)]).fit(features(frame, "price"), frame["price"])
    with pytest.raises(CannotConvert, match="Member sketch: PolynomialCountSketch cannot be converted"):
        convert(model, features(frame, "price"), "m", 1e-6)


@pytest.mark.parametrize("vote", VOTES)
def test_a_gap_and_an_unknown_text_change_no_other_row_and_the_package_says_how_far_apart_members_are(vote):
    model, frame = VOTES[vote][0](), VOTES[vote][1]()
    package, _, _ = guarded(model, three(frame), "price")
    rows = features(three(frame)[2], "price").head(20)
    bad = rows.astype({"make": object})
    bad.loc[3, ["year", "make"]] = [np.nan, "Tesla"]
    before, after = package.answers(rows), package.answers(bad)
    kept = np.arange(20) != 3
    for name in ("prediction", "disagreement", "reasons"):
        np.testing.assert_array_equal(before[name][kept], after[name][kept])
    assert np.isfinite(after["disagreement"]).all()
    expected = disagreement_of(poll(model, rows), estimator_predictions(model, rows))
    np.testing.assert_allclose(before["disagreement"][:, 0], expected, rtol=1e-9, atol=1e-9)


def test_only_packages_of_ensembles_have_the_output_and_the_reason():
    package, _, _ = guarded(encoded(Ridge()), three(priced(200)), "price")
    assert "disagreement" not in package.outputs
    assert package.signature["reasons"]["bits"] == list(KINDS[:-1])
    assert "members" not in package.signature


@pytest.mark.parametrize(("vote", "budget"), [("mean", 0.05), ("mean", 0.02), ("soft", 0.05)])
def test_disagreement_keeps_its_budget_on_rows_that_nobody_saw(vote, budget):
    asked = Guards.model_validate({"budgets": {"disagreement": budget}})
    train, calibration, test = three(VOTES[vote][1](2400, 3))
    package, _, chosen = guarded(VOTES[vote][0](), (train, calibration), "price", asked)
    raised = (package.answers(test)["reasons"][:, 0] & BIT) > 0
    assert sure_excess(raised, budget, len(calibration)) == 0
    assert raised.mean() > 0
    assert chosen["apart_above"] > 0


def test_a_limit_of_ones_own_is_taken_as_it_is_and_a_nan_is_no_agreement():
    asked = Guards.model_validate({"disagreement": 30.0})
    package, _, chosen = guarded(VOTES["mean"][0](), three(priced()), "price", asked)
    answer = package.answers(features(three(priced())[2], "price"))
    assert chosen["apart_above"] == 30
    np.testing.assert_array_equal(answer["disagreement"][:, 0] > 30, (answer["reasons"][:, 0] & BIT) > 0)
    assert not answer["trusted"][answer["disagreement"] > 30].any()
