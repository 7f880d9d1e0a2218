"""The command as a user types it, against a real Prefect server."""

import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import people
import pytest
from conftest import BIN
from exposure import RISK

pytestmark = pytest.mark.xdist_group("prefect")

SPEC = """\
model: {name: loan, task: binary, owner: olga, developers: [dev], positive: "bad"}
candidate: {train: "tasks:fit"}
data:
  target: status
  sources: {loans: {path: loans.csv}}
"""
# A user's project has a `tasks` and an `infra` of its own: they are theirs.
TASKS = """\
from infra.model import pipeline
def fit(features, target):
    if len(features) > 500:
        open("fitted.txt", "a").write("once\\n")
    return pipeline(features).fit(features, target)
"""
MODEL = """\
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
def pipeline(features):
    texts = [("t", OneHotEncoder(handle_unknown="ignore"), ["job"])]
    columns = ColumnTransformer([("n", StandardScaler(), ["income", "amount"]), *texts])
    return make_pipeline(columns, LogisticRegression())
"""


def loans(n=1500):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"income": rng.normal(100, 20, n), "amount": rng.normal(50, 20, n)})
    frame["job"] = rng.choice(["fixed", "partime", "freelance"], n)
    risk = frame["amount"] - frame["income"] / 2 + 15 * (frame["job"] == "freelance") + rng.normal(0, 8, n)
    return frame.assign(status=np.where(risk > 12, "bad", "good"))


@pytest.fixture
def project(tmp_path, monkeypatch, prefect_url):
    monkeypatch.setenv("PREFECT_API_URL", prefect_url)
    folder = tmp_path / "user"
    (folder / "infra").mkdir(parents=True)
    (folder / "infra" / "__init__.py").write_text("")
    (folder / "infra" / "model.py").write_text(MODEL)
    (folder / "tasks.py").write_text(TASKS)
    (folder / "release.yaml").write_text(SPEC + RISK)
    loans().to_csv(folder / "loans.csv", index=False)
    return folder


def me(folder, name):
    return "--as", name, "--key", people.key_file(folder, name)


def people_come(project, seatrial, *store):
    done = seatrial("identity", "apply", people.identities(project), *me(project, "rita"), *store, cwd=project)
    assert (done.code, "vera: validator; 1 key(s)" in done.out) == (0, True), done.err


def test_a_users_project_goes_from_check_to_promotion_and_nothing_is_done_twice(project, seatrial):
    assert seatrial("check", "release.yaml", cwd=project).code == 0
    first = seatrial("release", "release.yaml", "--json", cwd=project)
    assert (first.code, first.json["status"]) == (0, "waiting"), first.json
    nobody = seatrial("approve", "loan", *me(project, "vera"), cwd=project)
    assert (nobody.code, "nobody is known in this store yet" in nobody.err) == (2, True)
    people_come(project, seatrial)
    refused = seatrial("approve", "loan", *me(project, "dev"), cwd=project)
    assert refused.code == 2
    assert "cannot approve it" in refused.err
    assert seatrial("approve", "loan", *me(project, "vera"), "--json", cwd=project).json["status"] == "champion"
    before = seatrial("history", "loan", "--json", cwd=project).json
    again = seatrial("release", "release.yaml", "--json", cwd=project)
    assert (again.code, again.json["release"]) == (0, first.json["release"])
    assert seatrial("history", "loan", "--json", cwd=project).json == before
    limit = "{type: expect_metric_to_be_between, kwargs: {metric: log_loss, max_value: 9.75}}"
    (project / "theirs.yaml").write_text(f"quality:\n- {limit}\n")
    attach = ("suite", "attach", "loan", "theirs.yaml", "--name", "theirs", *me(project, "vera"))
    assert "1 expectation(s) by vera" in seatrial(*attach, cwd=project).out
    newer = seatrial("release", "release.yaml", "--as-of", "2030-01-01", "--json", cwd=project)
    assert newer.json["release"] != first.json["release"]
    assert [f["outcome"] for f in newer.json["findings"] if "9.75" in f["expected"]] == ["passed"]
    assert next(f["found"] for f in newer.json["findings"] if f["expectation"] == "improvement").startswith("0 [0, 0]")
    assert seatrial("verify", cwd=project).code == 0
    assert (project / "store" / "dossiers" / f"{first.json['release']}.html").exists()


def test_killed_at_any_step_the_rerun_goes_on_and_trains_once(project, seatrial):
    for step in ("access", "snapshot", "data", "train", "conversion", "quality"):
        _kill_after(step, project)
    done = seatrial("release", "release.yaml", "--json", cwd=project)
    assert (done.code, done.json["status"]) == (0, "waiting")
    kinds = [record["kind"] for record in seatrial("history", "loan", "--json", cwd=project).json]
    assert kinds == ["release started", "release judged"]
    assert (project / "fitted.txt").read_text() == "once\n"
    assert seatrial("verify", cwd=project).code == 0


def test_what_converts_to_nothing_is_refused_before_the_long_training(project, seatrial):
    isomap = MODEL.replace("StandardScaler()", "Isomap()")
    (project / "infra" / "model.py").write_text(f"from sklearn.manifold import Isomap\n{isomap}")
    done = seatrial("release", "release.yaml", "--json", cwd=project)
    assert (done.code, done.json["status"]) == (1, "stopped")
    [refused] = [finding for finding in done.json["findings"] if finding["outcome"] == "failed"]
    assert (refused["step"], refused["found"].split()[0]) == ("conversion", "Isomap")
    assert not (project / "fitted.txt").exists()
    assert seatrial("verify", cwd=project).code == 0


def test_a_release_into_a_bucket_is_promoted_from_there(project, seatrial, s3_url):
    store = ("--store", s3_url)
    nothing = seatrial("status", "loan", *store, cwd=project)
    assert "expected a store, found nothing there" in nothing.err
    first = seatrial("release", "release.yaml", *store, "--json", cwd=project)
    assert (first.code, first.json["status"]) == (0, "waiting"), first.json
    assert first.json["dossier"] == f"{s3_url.split('?')[0]}/dossiers/{first.json['release']}.html"
    assert first.json["release"] in Path(first.json["dossier_copy"]).read_text()
    people_come(project, seatrial, *store)
    approved = seatrial("approve", "loan", *store, *me(project, "vera"), cwd=project)
    assert f"--store '{s3_url}'" in approved.out
    assert f"{first.json['release']} serves" in seatrial("status", "loan", *store, cwd=project).out + approved.out
    assert seatrial("verify", *store, cwd=project).code == 0
    assert not (project / "store").exists()


def _kill_after(step, project):
    """Starts a release and kills it, and its children, as soon as it has told of a step."""
    command = [BIN / "seatrial", "release", "release.yaml"]
    run = subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True, start_new_session=True)
    for line in run.stderr:
        if line.strip().startswith(step):
            break
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    time.sleep(0.1)


def writable_database(folder):
    with sqlite3.connect(folder / "loans.db") as database:
        loans().to_sql("loans", database, index=False)
    return SPEC.replace("{path: loans.csv}", "{url: 'sqlite:///loans.db', query: select * from loans}")


def broken_spec(folder):
    return SPEC.replace("target:", "tarjet:")


def unreachable_database(folder):
    return SPEC.replace("{path: loans.csv}", "{url: 'postgresql+psycopg://ro@127.0.0.1:1/db', query: select 1}")


def missing_column(folder):
    loans().drop(columns="status").to_csv(folder / "loans.csv", index=False)


def one_class(folder):
    loans().assign(status="bad").to_csv(folder / "loans.csv", index=False)


def empty_table(folder):
    loans().head(0).to_csv(folder / "loans.csv", index=False)


def all_null_column(folder):
    loans().assign(income=None).to_csv(folder / "loans.csv", index=False)


def model_that_is_none(folder):
    (folder / "model.skops").write_text("no model")
    return SPEC.replace('{train: "tasks:fit"}', "{skops: model.skops}")


def code_that_raises(folder):
    (folder / "tasks.py").write_text("def fit(features, target):\n    raise ValueError('no such thing')\n")


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (broken_spec, 2, "Did you mean 'target'?"),
        (unreachable_database, 2, "✗ loans: expected a connection to postgresql"),
        (writable_database, 1, "opened for writing"),
        (missing_column, 1, "no column status"),
        (one_class, 1, "classes at least 2"),
        (empty_table, 1, "rows of data: at least 100"),
        (all_null_column, 1, "empty:income at most 0"),
        (model_that_is_none, 2, "model.skops: expected a skops file"),
        (code_that_raises, 2, "no such thing at tasks.py:2"),
    ],
)
def test_what_is_wrong_is_said_in_sentences_and_the_store_stays_sound(
    project, seatrial, fault, code, words, monkeypatch
):
    spec = fault(project)
    if spec:
        (project / "release.yaml").write_text(spec)
    done = seatrial("release", "release.yaml", cwd=project)
    assert done.code == code, done.err + done.out
    assert words in done.err + done.out
    assert not (project / "store").exists() or seatrial("verify", cwd=project).code == 0
