"""What people say about traffic, as they type it, and what the ledger then holds."""

import json
from datetime import UTC, datetime, timedelta

import people
import pytest
from click.testing import CliRunner
from test_history import GOOD, TO_ROLL_OUT

from flows.cli import main
from infra.ledger import Ledger
from infra.local_store import LocalStore

VERA = ("--as", "vera")
ROLLOUT = {
    "release": "r2",
    "salt": "s",
    "holder": "h1",
    "stages": [{"share": 0.5, "groups": []}, {"share": 1.0, "groups": [], "go_ahead": True}],
}


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    return Ledger(LocalStore(tmp_path / "store"), tmp_path / "home")


@pytest.fixture
def say(tmp_path):
    """Types a command on the store; gives its exit code and its answer: words, or a document."""

    def run(*words, json_=True):
        command = [*words, "--store", str(tmp_path / "store"), *(["--json"] if json_ else [])]
        done = CliRunner().invoke(main, command)
        return done.exit_code, json.loads(done.stdout) if json_ else done.output

    return run


def written(ledger, *steps):
    for kind, body in steps:
        if kind == "decided":
            people.say(ledger, "m", body["release"])
        else:
            ledger.decide_and_append(lambda _state, kind=kind, body=body: (kind, "m", body))


def test_a_challenger_is_promoted_without_a_rollout_only_with_a_reason(ledger, say):
    written(ledger, *TO_ROLL_OUT)
    assert say("promote", "m", *VERA, "--without-rollout", " ")[0] == 2
    assert say("promote", "m", *VERA, "--without-rollout", "batch only") == (0, {"release": "r2", "status": "champion"})
    assert ledger.read()[-1].body["without_rollout"] == "batch only"


def test_a_rollback_takes_the_last_promotion_back(ledger, say):
    written(ledger, *TO_ROLL_OUT, ("promoted", {"release": "r2", "without_rollout": "batch only"}))
    assert say("rollback", "m", *VERA, "--why", "odd prices") == (
        0,
        {"release": "r2", "status": "rolled back", "champion": "r1"},
    )
    code, told = say("rollback", "m", *VERA, "--why", "again", json_=False)
    assert (code, "nothing to roll back to" in told) == (2, True)


def test_modes_are_set_kept_and_told(ledger, say):
    written(ledger, *TO_ROLL_OUT, ("promoted", {"release": "r2", "without_rollout": "batch only"}))
    assert say("mode", "m", "fallback", "--fallback", "r1", *VERA, "--why", "drift")[0] == 0
    assert say("mode", "m", "warn", *VERA, "--why", "drift ends")[1] == {"model": "m", "mode": "warn", "fallback": "r1"}
    assert "Mode warn since" in say("status", "m", json_=False)[1]


def test_a_mode_that_needs_a_fallback_and_has_none_is_a_sentence(ledger, say):
    written(ledger, *GOOD)
    code, told = say("mode", "m", "fallback", *VERA, "--why", "drift", json_=False)
    assert (code, "needs a release to fall back to" in told) == (2, True)


def test_a_go_ahead_is_for_the_stage_that_waits(ledger, say):
    written(ledger, *TO_ROLL_OUT)
    assert "no rollout is running" in say("go-ahead", "m", *VERA, json_=False)[1]
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    written(ledger, ("rollout started", {**ROLLOUT, "lease_until": soon}))
    assert say("go-ahead", "m", *VERA)[1] == {"release": "r2", "stage": 1}
    assert "no stage ahead waits" in say("go-ahead", "m", *VERA, json_=False)[1]
    assert "Rolling out r2: stage 0 of 2, no traffic yet" in say("status", "m", json_=False)[1]
