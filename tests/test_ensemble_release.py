"""An ensemble from its spec to what a caller is told: members of their own, trained apart, released as one."""

import json
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
import skops.io
from exposure import RISK
from guarded import SPEC, cars, features, guarded_files, three
from served import Written
from serving import Gateway
from sklearn.ensemble import VotingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier
from voting import regressors

from expectations.candidate_spec import Candidate
from expectations.errors import CannotAsk
from expectations.spec import ReleaseSpec
from infra.candidates import open_skops
from infra.runtime import Scorer
from infra.spec_file import read_spec
from tasks.ensemble import put_together
from tasks.guards.plan import KINDS
from tasks.job import Job
from tasks.train import train_candidate

BIT = 1 << KINDS.index("disagreement")
RELEASE = """\
model: {name: loan, task: binary, owner: olga, developers: [dev], positive: "bad", compress: "off"}
candidate:
  members: {line: "train:line", trees: "train:trees", near: "train:near"}
  weights: {near: 0.5}
data:
  target: status
  sources: {loans: {path: loans.csv}}
guards:
  budgets: {disagreement: 0.05}
"""
ASKED = (
    *("member_max_difference:line", "member_max_difference:near", "disagreement_max_difference"),
    *("over_budget:disagreement", "copied_members"),
)
TRAIN = """\
import os
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
def columns():
    texts = ("t", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["job"])
    return ColumnTransformer([("n", StandardScaler(), ["income", "amount"]), texts])
def trained(model, features, target):
    open("trained.txt", "a").write(f"{os.getpid()} {len(features)} {sorted(set(target))}\\n")
    return make_pipeline(columns(), model).fit(features, target)
def line(features, target):
    return trained(LogisticRegression(), features, target)
def trees(features, target):
    return trained(RandomForestClassifier(10, max_depth=4, random_state=0), features, target)
def near(features, target):
    return trained(GaussianNB(), features, target)
"""


def loans(n=1200):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"income": rng.normal(100, 20, n), "amount": rng.normal(50, 20, n)})
    frame["job"] = rng.choice(["fixed", "partime", "freelance"], n)
    risk = frame["amount"] - frame["income"] / 2 + 15 * (frame["job"] == "freelance") + rng.normal(0, 8, n)
    return frame.assign(status=np.where(risk > 12, "bad", "good"))


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "user"
    folder.mkdir()
    (folder / "train.py").write_text(TRAIN)
    (folder / "release.yaml").write_text(RELEASE + RISK.replace("risk:", "risk:\n  tier: 1", 1))
    loans().to_csv(folder / "loans.csv", index=False)
    return folder


@pytest.mark.xdist_group("prefect")
def test_members_of_their_own_are_trained_apart_and_released_as_one(project, seatrial, prefect_url, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", prefect_url)
    done = seatrial("release", "release.yaml", "--json", cwd=project)
    assert (done.code, done.json["status"]) == (0, "waiting"), done.json
    asked = {
        one["expectation"]: one["outcome"] for one in done.json["findings"] if one["step"] in ("guards", "conversion")
    }
    for name in (
        "member_max_difference:near",
        "disagreement_max_difference",
        "over_budget:disagreement",
        "copied_members",
    ):
        assert asked[name] == "passed"
    trained = [line.split(" ", 2) for line in (project / "trained.txt").read_text().splitlines()]
    whole = [one for one in trained if int(one[1]) > 500]
    assert len({process for process, _, _ in whole}) == len(whole) == 3
    assert {told for _, _, told in trained} == {"[0, 1]"}
    [page] = (project / "store" / "dossiers").glob("*.html")
    assert "errors_found_by_disagreement" in page.read_text()


def test_members_may_be_files_and_their_bytes_are_part_of_the_release(project):
    job = asked(project, "train:line", "line.skops")
    rows, out = loans(600)[["income", "amount", "status"]], project / "candidate.skops"
    with pytest.raises(CannotAsk, match=r"candidate.members.line: expected a model file at .*line.skops, found none"):
        train_candidate(job, rows, out, minutes=5)
    job = asked(project, ', trees: "train:trees", near: "train:near"', ', near: "near.skops"')
    numbers, held = rows[["income", "amount"]], (rows["status"] == "good").astype(int)
    for name, model in (("line", LogisticRegression()), ("near", DecisionTreeClassifier(max_depth=4, random_state=0))):
        skops.io.dump(model.fit(numbers, held), project / f"{name}.skops")
    job = asked(project, "  weights:", "  vote: majority\n  weights:")
    train_candidate(job, rows, out, minutes=5)
    model = open_skops(out)
    assert (model.predict(numbers) == rows["status"]).mean() > 0.7
    assert (list(model.classes_), model.voting, model.weights) == (["bad", "good"], "hard", [1.0, 0.5])
    skops.io.dump(LogisticRegression(C=0.1).fit(numbers, held), project / "line.skops")
    changed = read_spec(project / "release.yaml").digest
    assert changed != job.file.digest


def asked(project, old, new):
    (project / "release.yaml").write_text((project / "release.yaml").read_text().replace(old, new))
    return Job(read_spec(project / "release.yaml"), "", datetime.min)


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        ({"members": {"a": "t:f"}}, "one alone has nobody to disagree with"),
        ({"members": {"a": "t:f", "voting": "t:g"}}, "an option of scikit-learn's voting models"),
        ({"members": {"a": "t:f", "b__c": "t:g"}}, "should match pattern"),
        ({"members": {"near": "t:f", "b": "t:g"}, "weights": {"nera": 1}}, "the nearest is 'near'"),
        ({"members": {"a": "t:f", "b": "t:g"}, "weights": {"a": -1}}, "a number from 0 on"),
        ({"members": {"a": "t:f", "b": "t:g"}, "weights": {"a": 0, "b": 0}}, "one member at least"),
        ({"members": {"a": "t:f", "b": "t:g"}, "train": "t:f"}, "exactly one of"),
    ],
)
def test_members_that_cannot_vote_are_refused_with_the_spec(candidate, words):
    with pytest.raises(ValueError, match=words):
        ReleaseSpec.model_validate({**SPEC.model_dump(), "candidate": candidate})


@pytest.mark.parametrize(
    ("member", "labels", "vote", "words"),
    [
        (LogisticRegression(), None, "soft", "expected a regressor, found LogisticRegression"),
        (Ridge(), "abab", "soft", "0 to 1 in the order of their labels, found Ridge"),
        (DecisionTreeClassifier(), "abab", "soft", "found one that knows False, True"),
    ],
)
def test_a_member_that_cannot_vote_with_the_others_is_named(member, labels, vote, words):
    rows = pd.DataFrame({"x": [1.0, 2, 3, 4]})
    fits = [False, True] * 2 if isinstance(member, DecisionTreeClassifier) else [0, 1, 0, 1]
    origin = Candidate(members={"one": "t:f", "two": "t:g"}, vote=vote)
    with pytest.raises(CannotAsk, match=f"candidate.members.one: .*{words}"):
        put_together({"one": member.fit(rows, fits)}, origin, None if labels is None else np.array(list(labels)))


def test_a_record_on_which_members_disagree_is_flagged_over_http_with_its_reason(tmp_path):
    frame = cars(900)
    graph, _, chosen = guarded_files(VotingRegressor(regressors()), three(frame), "price")
    rows = features(three(frame)[2], "price")
    answer = Scorer(graph).answers(rows)
    at, alike = int((answer["reasons"] == BIT).argmax()), int(answer["trusted"].argmax())
    assert answer["reasons"][at] == BIT
    records = [{k: v if isinstance(v, str) else float(v) for k, v in rows.iloc[i].items()} for i in (at, alike)]
    written = Written(tmp_path)
    written.promoted("first", graph, record=records[1])
    gateway = Gateway(written.url, written.home)
    try:
        gateway.until_all_say("first", asked=1)
        said = gateway.ask(body=json.dumps({"records": records})).json["answers"]
    finally:
        gateway.stop()
    assert [(one["trusted"], one["reasons"]) for one in said] == [(False, ["members disagree"]), (True, [])]
    assert answer["disagreement"][at, 0] > chosen["apart_above"]
