"""Validators attach suites of their own, which developers cannot loosen."""

import people
import pytest
from people import person, signer
from test_approvals import judged

from expectations.attached import attached, suite_body
from expectations.people import identity
from expectations.spec import Gates
from expectations.state_json import state_from_json
from infra.ledger import Ledger, Refused
from infra.local_store import LocalStore
from tasks.identities import attach_suite

STRICT = Gates.model_validate(
    {"quality": [{"type": "expect_metric_to_be_between", "kwargs": {"metric": "mae", "max_value": 1}}]}
)


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger(LocalStore(tmp_path / "store"), tmp_path / "home")
    people.found(opened)
    judged(opened, "r1")
    return opened


def attach(ledger, by, gates=STRICT, key=None, name="mine"):
    attach_suite(ledger, "m", name, gates, by, signer(key or by))


def asked(ledger, step="quality"):
    return [item.kwargs["metric"] for item in attached(ledger.state(), "m", step)]


def test_a_validators_suite_is_asked_of_every_step_that_it_names(ledger):
    attach(ledger, "vera")
    assert (asked(ledger), asked(ledger, "data"), asked(ledger, "a step of its own")) == (["mae"], [], [])
    assert state_from_json(ledger.state().as_json()) == ledger.state()
    attach(ledger, "vera", Gates())
    assert asked(ledger) == []


@pytest.mark.parametrize(
    ("by", "key", "words"),
    [
        ("otto", None, "takes one of"),
        ("dev", None, "develops m"),
        ("vera", "dev", "not vera's"),
        ("x", None, "takes one of"),
    ],
)
def test_nobody_else_attaches_one(ledger, by, key, words):
    with pytest.raises(Refused, match=words):
        attach(ledger, by, key=key)


def test_another_validator_does_not_loosen_it_and_an_older_one_cannot_be_played_again(ledger):
    anna = person("anna", "validator")
    ledger.decide_and_append(lambda state: ("identity set", "", identity(state, anna, "rita", signer("rita"))))
    loose = suite_body(ledger.state(), "m", "mine", Gates(), "vera", signer("vera"))
    attach(ledger, "vera")
    with pytest.raises(Refused, match="is vera's"):
        attach(ledger, "anna", Gates())
    with pytest.raises(Refused, match="changed meanwhile"):
        ledger.decide_and_append(lambda _: ("suite attached", "m", loose))
    attach(ledger, "rita", Gates())
    assert asked(ledger) == []
