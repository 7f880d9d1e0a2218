"""Ensembles: members vote inside one package, and where they disagree it says so."""

from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
from guarded import SPEC, cars, encoded, features, guarded, guarded_files, three, truth
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.kernel_approximation import PolynomialCountSketch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from expectations.candidate_spec import Candidate
from expectations.judge import judge
from expectations.records import Evidence, metric_rows
from expectations.spec import Guards
from expectations.suites.conversion import conversion_suite
from expectations.suites.guards import guards_suite
from expectations.verdicts import Outcome
from infra.runtime import Predictions, Scorer, estimator_predictions
from tasks.conversion.export import export
from tasks.conversion.polling import disagreement_of, poll, polled_answers
from tasks.conversion.trials import on_rows
from tasks.convert import CannotConvert, convert
from tasks.ensemble import places, put_together
from tasks.guards.conformal import sure_excess
from tasks.guards.members import ask_members, measure_difference, measure_members, objection_row
from tasks.guards.plan import KINDS
from tasks.parity import measure_parity, with_members

BIT = 1 << KINDS.index("disagreement")


def priced(n=900, seed=1):
    return cars(n, seed)


def graded(n=900, seed=1):
    """Three classes, by price."""
    frame = cars(n, seed)
    return frame.assign(price=pd.qcut(frame["price"], 3, labels=["cheap", "fair", "dear"]).astype(str))


def regressors():
    return [
        ("line", encoded(Ridge())),
        ("trees", encoded(GradientBoostingRegressor(n_estimators=15, random_state=0))),
        ("near", encoded(KNeighborsRegressor(5))),
    ]


def classifiers():
    return [
        ("line", encoded(LogisticRegression())),
        ("trees", encoded(GradientBoostingClassifier(n_estimators=3, random_state=0))),
        ("near", encoded(KNeighborsClassifier(5))),
        ("tree", encoded(DecisionTreeClassifier(max_depth=4, random_state=0))),
    ]


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


VOTES = {
    "mean": (lambda: VotingRegressor(regressors()), priced),
    "soft": (lambda: VotingClassifier(classifiers(), voting="soft"), graded),
    "majority": (lambda: VotingClassifier(classifiers()), graded),
}


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


def ensemble_evidence(model, frame):
    """The part of the guards' evidence that is of ensembles, and what the suite says of it."""
    parts = three(frame)
    graph, _, chosen = guarded_files(model, parts, "price")
    package, test = Scorer(graph), parts[2]
    answer = package.answers(test)
    members, said = ask_members(graph, test), package.predictions(answer)
    rows, facts = measure_difference(model, members)
    rows += measure_members(members, truth(test["price"]), said, answer["disagreement"][:, 0], 30)
    rows.append(objection_row(package.signature["members"], chosen["apart_above"], len(said.classes), len(test)))
    rows.append(("over_budget:disagreement", 0.0, np.nan, np.nan, len(test), 30))
    metrics = metric_rows(rows)
    suite = [
        one
        for one in guards_suite(SPEC, [str(name) for name in metrics["metric"]])
        if one.kwargs["metric"] in set(metrics["metric"])
    ]
    findings = judge(Evidence("guards", metrics, pd.DataFrame()), suite, strict=True)
    return metrics.set_index("metric"), facts, {one.expectation: one.outcome for one in findings}


def bad(findings):
    return {name: outcome for name, outcome in findings.items() if outcome != Outcome.PASSED}


def test_different_members_that_vote_better_than_each_alone_pass_and_their_worth_is_told_with_intervals():
    forest = encoded(RandomForestRegressor(20, min_samples_leaf=5, random_state=0))
    metrics, facts, findings = ensemble_evidence(VotingRegressor([("trees", forest), regressors()[2]]), priced(1500))
    assert bad(findings) == {}
    assert facts["kinds"] == {
        "trees": "ColumnTransformer, RandomForestRegressor",
        "near": "ColumnTransformer, KNeighborsRegressor",
    }
    for name in ("member_rmse:near", "error_correlation:trees and near", "gain_over_best_member"):
        assert metrics.loc[name, "lower"] < metrics.loc[name, "value"] < metrics.loc[name, "upper"]


def test_a_vote_that_is_surely_worse_than_its_best_member_is_a_warning():
    """The truth is a line: nobody tells it better than the line alone."""
    metrics, _, findings = ensemble_evidence(VOTES["mean"][0](), priced(1500))
    assert bad(findings) == {"worse_than_best_member": Outcome.WARNED}
    assert metrics.loc["gain_over_best_member", "upper"] < 0


@pytest.mark.parametrize("vote", VOTES)
def test_members_that_are_copies_stop_the_release_and_are_named(vote):
    make = VotingRegressor if vote == "mean" else partial(VotingClassifier, voting="soft" if vote == "soft" else "hard")
    members = regressors() if vote == "mean" else classifiers()
    model = make([*members, ("again", dict(regressors() if vote == "mean" else classifiers())["line"])])
    _, facts, findings = ensemble_evidence(model, VOTES[vote][1](600))
    assert facts["copied"] == ["line and again"]
    failed = [name for name, outcome in findings.items() if outcome == Outcome.FAILED]
    assert any("copied_members" in name for name in failed)
    assert any("copies:line and again" in name for name in failed)


def test_a_copy_in_another_guise_is_found_by_its_answers():
    scaled = make_pipeline(StandardScaler(), Ridge(alpha=1e-9))
    frame = priced(400).drop(columns="make")
    _, facts, _ = ensemble_evidence(VotingRegressor([("a", Ridge(alpha=1e-9)), ("b", scaled)]), frame)
    assert facts["copied"] == ["a and b"]


def test_members_that_differ_by_a_seed_alone_are_a_warning_that_names_them():
    forests = [(f"forest{seed}", encoded(RandomForestRegressor(5, max_depth=4, random_state=seed))) for seed in (1, 2)]
    _, facts, findings = ensemble_evidence(VotingRegressor([*forests, regressors()[0]]), priced(400))
    assert facts["alike"] == ["forest1 and forest2"]
    assert facts["copied"] == []
    warned = [name for name, outcome in findings.items() if outcome == Outcome.WARNED]
    assert any("alike:forest1 and forest2" in name for name in warned)
    assert Outcome.FAILED not in findings.values()


def test_disagreement_finds_errors_where_a_member_knows_what_others_do_not():
    """The truth has a step that a line cannot follow, and trees can: beside it they disagree, and the vote errs."""
    frame = priced(1500)
    frame["price"] += 800.0 * ((frame["year"] > 2004) & (frame["year"] < 2007))
    metrics, _, _ = ensemble_evidence(VOTES["mean"][0](), frame)
    assert metrics.loc["errors_found_by_disagreement", "lower"] > 0.6


def test_a_majority_whose_limit_no_vote_can_exceed_is_told_to_say_nothing():
    told = {"names": ["a", "b", "c"], "vote": "majority", "weights": [1.0, 1.0, 1.0]}
    limits = {None: 1, 1 / 3: 1, 0.3: 0, 0.0: 0}
    assert {limit: objection_row(told, limit, 2, 9)[1] for limit in limits} == limits
    assert objection_row({**told, "weights": [5.0, 1.0, 1.0]}, 1 / 3, 2, 9)[1] == 0
    assert objection_row({**told, "vote": "mean"}, 1e9, 0, 9)[1] == 0
