import json

import people
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expectations.history import NOTHING_YET, Record, State, fold, refusal, state_from_json
from infra.ledger import Ledger, Refused
from infra.local_store import LocalStore

STARTED = {
    "release": "r1",
    "spec_digest": "s",
    "as_of": "2026-01-01T00:00:00",
    "developers": ["dev"],
    "approvals_needed": 1,
}
JUDGED = {
    "release": "r1",
    "outcome": "passed",
    "champion_compared": None,
    "approvals_needed": 1,
    "dossier_digest": "d1",
    "package_digest": "p1",
    "metrics": {},
    "blobs": {},
}
NOW = "2026-01-01T00:00:00.000Z"
DIGESTS = {"dossier": "d1", "package": "p1", "spec": "s"}


def decided(release="r1", who="vera", said="approve", **digests):
    return people.decided(release, who, said, at=NOW, **{**DIGESTS, **digests})


YES = decided()
PROMOTED = {"release": "r1"}
GOOD = [("release started", STARTED), ("release judged", JUDGED), ("decided", YES), ("promoted", PROMOTED)]

FOUNDED = [("identity set", body) for body in people.founded()]


def records(steps):
    return [Record(at, "", NOW, kind, "m", body, "") for at, (kind, body) in enumerate([*FOUNDED, *steps])]


def state_after(*steps):
    return fold(records(steps))


def test_a_release_goes_from_started_to_champion():
    assert [state_after(*GOOD[:n]).releases["r1"].status for n in (1, 2, 3, 4)] == [
        "started",
        "waiting",
        "approved",
        "champion",
    ]


@pytest.mark.parametrize("outcome", ["failed", "inconclusive", "errored"])
def test_what_does_not_pass_is_stopped(outcome):
    assert state_after(GOOD[0], ("release judged", {**JUDGED, "outcome": outcome})).releases["r1"].status == "stopped"


@pytest.mark.parametrize(
    ("before", "kind", "body", "words"),
    [
        (GOOD[:2], "promoted", PROMOTED, "not approved"),
        (GOOD[:2], "decided", decided(who="dev"), "developed"),
        (GOOD[:2], "decided", decided(dossier="d2"), "another dossier"),
        (GOOD[:2], "decided", decided(said="maybe"), "expected approve or reject"),
        (GOOD[:2], "decided", {**YES, "person": "otto"}, "not the one that was signed"),
        (GOOD[:2], "decided", {**YES, "decision": "reject"}, "not the one that was signed"),
        (GOOD[:1], "decided", YES, "does not wait"),
        (GOOD[:2], "release judged", JUDGED, "judged before"),
        (GOOD[:1], "release started", STARTED, "started before"),
        ([], "decided", YES, "no such release"),
        ([], "anything", {}, "no kind of record"),
        ([], "release started", {}, "missing, or of another type: release, spec_digest"),
        (GOOD[:1], "release judged", {**JUDGED, "outcome": "splendid"}, "no outcome"),
        (GOOD[:2], "decided", people.decided("r1", " DEV ", by="dev", at=NOW, **DIGESTS), "developed"),
        (GOOD[:2], "decided", {**YES, "person": " "}, "needs a person"),
        (GOOD[:2], "decided", {**YES, "person": ["vera"]}, "another type: person"),
    ],
)
def test_what_is_not_legal_is_refused_with_a_reason_and_changes_nothing(before, kind, body, words):
    state = state_after(*before)
    assert words in refusal(state, kind, "m", body)
    assert state_after(*before, (kind, body)) == state


@pytest.mark.parametrize("again", ["vera", " vera", "Vera", "VERA\t"])
def test_one_person_cannot_be_two(again):
    two = {**JUDGED, "approvals_needed": 2}
    yes_again = people.decided("r1", again, by="vera", at=NOW, **DIGESTS)
    steps = [GOOD[0], ("release judged", two), ("decided", YES), ("decided", yes_again)]
    assert state_after(*steps).releases["r1"].status == "waiting"


def test_a_comparison_with_a_former_champion_promotes_nothing():
    other = [(kind, {**body, "release": "r2"}) for kind, body in GOOD[:2]]
    state = state_after(*other, *GOOD)
    assert "compared with nothing, and r1 serves now" in refusal(state, "decided", "m", decided("r2"))


@given(st.lists(st.sampled_from(GOOD), max_size=12))
def test_in_any_order_only_an_approved_release_serves(steps):
    state = state_after(*steps)
    for release in filter(None, state.models.values()):
        assert state.releases[release].approvals
    assert isinstance(state, State)


ODD = st.none() | st.integers(-1, 2) | st.sampled_from(["r1", "vera", "dev", "passed", "approve"]) | st.lists(st.text())
BODIES = st.dictionaries(st.sampled_from([*STARTED, *JUDGED, *YES]), ODD, max_size=8)
CHANGED = st.builds(lambda good, odd: (good[0], {**good[1], **odd}), st.sampled_from(GOOD), BODIES)
RAW = st.tuples(st.sampled_from([*dict(GOOD), "store opened", "x"]), BODIES)


@given(st.lists(st.sampled_from(GOOD) | CHANGED | RAW, max_size=12))
def test_what_is_refused_changes_nothing_and_nothing_breaks_the_fold(steps):
    legal = []
    for record in records(steps):
        if refusal(fold(legal), record.kind, "m", record.body) is None:
            legal.append(record)
    assert fold(records(steps)) == fold(legal)


SECOND = [(kind, {**body, "release": "r2"}) for kind, body in GOOD]
SECOND[2] = ("decided", decided("r2"))
COMPARED = ("release judged", {**JUDGED, "release": "r2", "champion_compared": "r1"})
NO = ("decided", decided(said="reject"))
STOPPED = ("release judged", {**JUDGED, "outcome": "failed"})
BY_FORCE = ("promoted", {"release": "r2", "without_rollout": "served elsewhere"})
LEASE = {"holder": "h1", "lease_until": "2026-01-01T01:00:00.000Z"}
STAGES = [{"shadow": True, "groups": []}, {"share": 0.1, "groups": []}, {"share": 1.0, "groups": [], "go_ahead": True}]
ROLLOUT = ("rollout started", {"release": "r2", "salt": "s", "stages": STAGES, **LEASE})
TRAFFIC = [("traffic set", {"release": "r2", "stage": at, "why": "", **LEASE}) for at in range(3)]
GO_AHEAD = ("go ahead given", {"release": "r2", "stage": 2, "person": "vera"})
BACK = [("rolled back", {"release": name, "why": "errors", "by": "rollout"}) for name in ("r1", "r2")]
MODE = [("mode set", {"mode": mode, "fallback": "r1", "why": "late", "by": "vera"}) for mode in ("fallback", "off")]
TO_ROLL_OUT = [*GOOD, SECOND[0], COMPARED, SECOND[2]]
WITHDRAWN = ("traffic withdrawn", {"release": "r2", "holder": "h1", "why": "rehearsal"})
ROLLED_OUT = [*TO_ROLL_OUT, ROLLOUT, *TRAFFIC[:2], GO_AHEAD, TRAFFIC[2], SECOND[3]]
MOVES = st.sampled_from([*ROLLED_OUT, WITHDRAWN, NO, STOPPED, BY_FORCE, *BACK, *MODE]) | CHANGED
# At random few would come as far as a rollout: so whole stretches of one come too.
LONG = st.builds(lambda n, more: [*ROLLED_OUT[:n], *more], st.integers(0, len(ROLLED_OUT)), st.lists(MOVES, max_size=6))
LIVES = st.lists(MOVES, max_size=16) | LONG
# Every way that a release can go; whatever is not here never happens, in whatever order the records come.
WAYS = {
    None: {"started", "imported"},
    "started": {"waiting", "stopped"},
    "waiting": {"waiting", "approved", "rejected"},
    "approved": {"champion", "rolling out", "rejected"},
    "rolling out": {"champion", "rolled back"},
    "champion": {"retired", "rolled back"},
    "retired": {"champion"},
}


@given(LIVES)
def test_a_release_goes_only_ways_that_there_are_and_ends_where_none_leads_on(steps):
    before = {}
    for at in range(len(steps)):
        now = {name: release.status for name, release in fold(records(steps)[: at + 1]).releases.items()}
        for name in now | before:
            if now[name] != before.get(name):
                assert now[name] in WAYS.get(before.get(name), set())
        before = now


@given(LIVES)
def test_nothing_serves_that_was_not_judged_and_approved_by_enough_others(steps):
    state = state_after(*steps)
    for release in state.releases.values():
        if release.status in ("champion", "retired"):
            assert release.outcome in ("passed", "warned")
            approvers = {one.person for one in release.approvals}
            assert len(approvers) >= release.approvals_needed
            assert not approvers & set(release.developers)
            assert release.rejected_by is None
    assert sorted(state.models.values()) == sorted(r.id for r in state.releases.values() if r.status == "champion")


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(MOVES, max_size=8) | LONG)
def test_the_writer_refuses_exactly_what_the_fold_ignores(tmp_path_factory, monkeypatch, steps):
    # Leases count from when they are written.
    monkeypatch.setattr("infra.ledger.now", lambda: NOW)
    folder = tmp_path_factory.mktemp("ledger")
    ledger, written = Ledger(LocalStore(folder / "store"), folder / "home"), []
    people.found(ledger)
    for kind, body in steps:
        legal = refusal(fold(records(written)), kind, "m", body) is None
        head = ledger.read()[-1].digest
        if legal:
            ledger.append(head, kind, "m", body)
            written.append((kind, body))
        else:
            with pytest.raises(Refused):
                ledger.append(head, kind, "m", body)
            assert ledger.read()[-1].digest == head
    now, expected = ledger.state(), fold(records(steps))
    assert now.models == expected.models
    assert {r.id: r.status for r in now.releases.values()} == {r.id: r.status for r in expected.releases.values()}


def test_an_illegal_record_that_is_signed_and_in_its_place_is_ignored(tmp_path):
    ledger = Ledger(LocalStore(tmp_path / "store"), tmp_path / "home")
    for kind, body in GOOD[:2]:
        ledger.decide_and_append(lambda _state, kind=kind, body=body: (kind, "m", body))
    # As an older version, or a thief of the key, would: without asking whether it is legal.
    last = ledger.read()[-1]
    ledger._write(last.seq + 1, last.digest, "promoted", "m", PROMOTED, last.time)
    reader = Ledger(LocalStore(tmp_path / "store"), tmp_path / "home")
    assert [record.kind for record in reader.read()][-1] == "promoted"
    assert (reader.state().models, reader.state().releases["r1"].status) == ({}, "waiting")


def test_a_retired_champion_gives_way_to_the_next():
    second = [*SECOND]
    second[1] = ("release judged", {**second[1][1], "champion_compared": "r1"})
    second[3] = ("promoted", {"release": "r2", "without_rollout": "served elsewhere"})
    state = state_after(*GOOD, *second)
    assert state.models == {"m": "r2"}
    assert [state.releases[name].status for name in ("r1", "r2")] == ["retired", "champion"]
    assert state.releases["r2"].package_digest == "p1"


@given(LIVES, st.integers(0, 12))
def test_a_state_can_be_written_down_anywhere_and_gone_on_from(steps, at):
    everything = records(steps)
    half = state_from_json(json.loads(json.dumps(fold(everything[:at]).as_json())))
    assert fold(everything[at:], half) == fold(everything)
    assert State({}, {}) == NOTHING_YET
