"""Stores with releases that wait for a decision: real ledger records and a small dossier, no release flow."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import people
import pyotp

from expectations.verdicts import Finding, Outcome
from infra.evidence_store import put_json
from infra.ledger import Ledger
from infra.local_store import LocalStore
from infra.one_time_codes import enrol
from tasks.identities import enrolled

SEATRIAL = Path(sys.executable).with_name("seatrial")
PASSED, WARNED = Outcome.PASSED, Outcome.WARNED
FINDINGS = [
    Finding("access", "houses: connection", PASSED, "critical", "a readable table", "75 columns"),
    Finding("data", "no nulls in Gr_Liv_Area", PASSED, "critical", "no nulls", "0 of 2,188"),
    Finding("data", "Lot_Frontage", WARNED, "warning", "at most 10 % nulls", "16.7 % | <b>490</b> of 2,930 rows"),
    Finding("conversion", "labels", PASSED, "critical", "largest difference at most 1e-05", "3.1e-15 on 2,188 rows"),
    Finding("quality", "rmse", PASSED, "critical", "rmse at most 25000", "20,483 [18,102, 23,015] on 742 records"),
    Finding("latency", "p95_ms", PASSED, "critical", "95 % under 20 ms", "1.3 ms"),
    Finding("comparison", "improvement", PASSED, "critical", "improvement at least -0.02", "0.3991 [0.1032, 0.5802]"),
]
COMPARISON = {
    "facts": {"champion": "houses-1", "champion_value": 34087.7, "candidate_value": 20482.6, "metric": "rmse"},
    "metrics": [
        {"metric": "improvement", "value": 0.3991, "lower": 0.1032, "upper": 0.5802, "n": 742, "n_required": 100}
    ],
}
NO_COMPARISON = {"facts": {"not_applicable": "no version serves yet"}, "metrics": []}


def document(comparison=NO_COMPARISON, findings=FINDINGS, sentence="Nothing blocks. Read the warnings."):
    """A dossier for machines, in short."""
    return {
        "outcome": "warned",
        "sentence": sentence,
        "unknown": [],
        "findings": [finding.as_json() for finding in findings],
        "evidence": {"comparison": comparison},
    }


class Waiting:
    """A store below `folder` whose account knows people, some with an authenticator app in `apps`."""

    def __init__(self, folder, model="houses", enrolled_people=("vera", "rita", "dev")):
        self.url, self.home, self.model = str(folder / "store"), folder / "home", model
        self.store = LocalStore(folder / "store")
        self.ledger = Ledger(self.store, self.home)
        people.found(self.ledger)
        self.apps = {name: self.enrol(name) for name in enrolled_people}

    def enrol(self, name):
        """As `seatrial identity enrol` does; the app that was shown the URI."""
        app = pyotp.parse_uri(enrol(self.home, name))
        enrolled(self.ledger, name)
        return app

    def append(self, kind, **body):
        return self.ledger.decide_and_append(lambda _: (kind, self.model, body))

    def begin(self, name, approvals=1, **told):
        """A release that waits, judged against what serves now."""
        serves = self.ledger.state().models.get(self.model)
        digest = put_json(self.store, document(COMPARISON if serves else NO_COMPARISON, **told))
        begun = {
            "spec_digest": name,
            "as_of": "2026-01-01T00:00:00",
            "developers": ["dev"],
            "approvals_needed": approvals,
        }
        self.append("release started", release=name, **begun)
        judged = {"outcome": "warned", "champion_compared": serves, "approvals_needed": approvals}
        page = put_json(self.store, {"release": name, "blobs": {"document": digest}})
        blobs = {"document": digest, "dossier": page}
        self.append("release judged", release=name, dossier_digest=page, package_digest=digest, blobs=blobs, **judged)
        return self.release(name)

    def serving(self, name):
        """A release that serves now."""
        self.begin(name)
        people.say(self.ledger, self.model, name, "otto")
        self.append("promoted", release=name, without_rollout="a test")

    def release(self, name):
        return self.ledger.state().releases[name]

    def kinds(self):
        return [record.kind for record in self.ledger.read()]


@contextmanager
def working(store, home, log, *options, end=signal.SIGINT):
    """`seatrial work`, as a user starts it; ended by Ctrl-C, or as ordered."""
    environment = {**os.environ, "SEATRIAL_HOME": str(home)}
    with log.open("w") as out:
        process = subprocess.Popen(
            [SEATRIAL, "work", "--store", store, *options], stdout=out, stderr=subprocess.STDOUT, env=environment
        )
        try:
            until(lambda: "Working for" in log.read_text(), log, process)
            yield process
        finally:
            process.send_signal(end)
            assert process.wait(timeout=30) == 0, log.read_text()


def until(what, log=None, process=None, seconds=60):
    """Waits for something to be so; what it is then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        assert process is None or process.poll() is None, log.read_text()
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} seconds. {log.read_text() if log else ''}")
