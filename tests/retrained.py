"""A small model that serves, what it was asked, and the flow that trains it anew, against a real Prefect server."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import people
from diaries import answered, asked, diary, metrics
from prefect.settings import PREFECT_API_URL, temporary_settings

from expectations.state import MONITOR
from flows.retrain import retrain
from infra.evidence_store import get_json
from infra.gateway.diary.columns import columns_of
from infra.ledger import Ledger
from infra.packages import open_package
from infra.store import open_store
from tasks.rollout.plan import approved_spec

SPEC = """\
model: {name: loan, task: binary, owner: olga, developers: [dev], positive: "bad", compress: "off"}
candidate: {train: "train:fit"}
data:
  target: status
  sources: {loans: {path: loans.csv, event_time: known_on}}
risk: {tier: 1}
monitoring: {retrain: {cool_down_hours: 24, budget_hours: 1}}
"""
TRAIN = """\
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
def fit(features, target):
    if len(features) > 500:
        open("fitted.txt", "a").write("once\\n")
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(features, target)
"""
CODE = """\
import json, sys
from flows import settings
settings.set_defaults()
from flows.retrain import retrain
retrain(**json.loads(sys.argv[1]))
"""


def loans(n=900, seed=0, flipped=False, since="2026-01-01"):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"income": rng.normal(100, 20, n).round(6), "amount": rng.normal(50, 20, n).round(6)})
    risk = (frame["amount"] - frame["income"] / 2 + rng.normal(0, 8, n)) * (-1 if flipped else 1)
    known_on = pd.Timestamp(since) + pd.to_timedelta(rng.integers(0, 86400, n), unit="s")
    return frame.assign(status=np.where(risk > 0, "bad", "good"), known_on=known_on)


class World:
    """The team's folder, its store, and who does what with them."""

    def __init__(self, folder, prefect_url):
        self.folder, self.url, self.home = folder, str(folder / "store"), folder / "home"
        self.environment = {**os.environ, "PREFECT_API_URL": prefect_url, "SEATRIAL_HOME": str(self.home)}
        (folder / "train.py").write_text(TRAIN)
        self.spec = folder / "release.yaml"
        self.spec.write_text(SPEC)
        self.has(loans())

    def has(self, *frames):
        """What the source holds from now on."""
        pd.concat(frames).to_csv(self.folder / "loans.csv", index=False)

    @property
    def store(self):
        return open_store(self.url)

    @property
    def ledger(self):
        return Ledger(self.store, self.home)

    def append(self, kind, **body):
        return self.ledger.decide_and_append(lambda _: (kind, "loan", body))

    def start(self, cause="alarm quality: it errs more", since=None):
        """The flow in a process of its own."""
        asked = {"store": self.url, "model": "loan", "spec": str(self.spec), "cause": cause, "since": since}
        command = [sys.executable, "-c", CODE, json.dumps(asked)]
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, env=self.environment, cwd=self.folder, **pipes)

    def run(self, flow, **parameters):
        """What the flow answers, in this process."""
        with temporary_settings({PREFECT_API_URL: self.environment["PREFECT_API_URL"]}):
            return flow(store=self.url, **parameters)

    def retrain(self, cause="alarm quality: it errs more", since=None):
        return self.run(retrain, model="loan", spec=str(self.spec), cause=cause, since=since)

    def serves(self, release):
        """It was approved and promoted without a rollout."""
        people.say(self.ledger, "loan", release)
        self.append("promoted", release=release, without_rollout="a test")

    def follows(self, name):
        """Another release of the same package serves from now on."""
        ledger, serving = self.ledger, self.champion()
        start = {"spec_digest": name, "as_of": "2026-02-02T00:00:00", "developers": ["dev"], "approvals_needed": 1}
        self.append("release started", release=name, **start)
        verdict = {**ledger.verdict(serving), "release": name, "champion_compared": serving.id}
        self.append("release judged", **verdict)
        self.serves(name)

    def champion(self):
        state = self.ledger.state()
        return state.releases[state.models["loan"]]

    def asked(self, frame, request="q"):
        """The gateway wrote down that it was asked of these rows."""
        ledger, champion = self.ledger, self.champion()
        package = open_package(self.store, champion.package_digest)
        spec = approved_spec(self.store, ledger, champion)
        columns = columns_of(package.signature, spec.data.model_dump(mode="json"), spec.serving.log)
        book = diary(
            self.store, self.folder / f"gateway-{request}", metrics(self.folder / request), **{champion.id: columns}
        )
        feed = {item["column"]: package.feed(frame)[item["input"]] for item in package.signature["inputs"]}
        one = asked(request, model="loan")
        one = type(one)("loan", feed, len(frame), request, caller="web")
        book.record(one, answered(len(frame), release=champion.id), 0.0)
        book.flush()
        book._spool.close()
        book.bring(book._spool.bring)

    def alarm(self, times=2.0):
        body = {"release": self.champion().id, "alarm": "quality", "words": "it errs more", "times": times}
        self.append("alarm raised", by=MONITOR, **body)

    def kinds(self):
        return [record.kind for record in self.ledger.read() if record.model == "loan"]

    def last(self, kind):
        return [record.body for record in self.ledger.read() if record.kind == kind][-1]

    def dossier(self, release):
        found = self.ledger.state().releases[release]
        return get_json(self.store, self.ledger.verdict(found)["blobs"]["document"])


def ago(**how_long):
    return (datetime.now(UTC) - timedelta(**how_long)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
