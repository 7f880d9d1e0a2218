"""The members of an ensemble: are they different, does their vote gain, and what is their disagreement worth?"""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from guarded import SPEC, encoded, guarded_files, three, truth
from sklearn.ensemble import RandomForestRegressor, VotingClassifier, VotingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from voting import VOTES, classifiers, priced, regressors

from expectations.judge import judge
from expectations.records import Evidence, metric_rows
from expectations.suites.guards import guards_suite
from expectations.verdicts import Outcome
from infra.runtime import Scorer
from tasks.guards.members import ask_members, measure_difference, measure_members, objection_row


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
