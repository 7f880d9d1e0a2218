import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.history import NOTHING_YET, Record, State, fold, refusal, state_from_json

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
YES = {"release": "r1", "person": "vera", "decision": "approve", "dossier_digest": "d1", "comment": ""}
PROMOTED = {"release": "r1"}
GOOD = [("release started", STARTED), ("release judged", JUDGED), ("decided", YES), ("promoted", PROMOTED)]


def records(steps):
    return [Record(at, "", "t", kind, "m", body, "") for at, (kind, body) in enumerate(steps)]


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
        (GOOD[:2], "decided", {**YES, "person": "dev"}, "developed"),
        (GOOD[:2], "decided", {**YES, "dossier_digest": "d2"}, "another dossier"),
        (GOOD[:2], "decided", {**YES, "decision": "maybe"}, "expected approve or reject"),
        (GOOD[:1], "decided", YES, "does not wait"),
        (GOOD[:2], "release judged", JUDGED, "judged before"),
        (GOOD[:1], "release started", STARTED, "started before"),
        ([], "decided", YES, "no such release"),
        ([], "anything", {}, "no kind of record"),
        ([], "release started", {}, "missing, or of another type: release, spec_digest"),
        (GOOD[:1], "release judged", {**JUDGED, "outcome": "splendid"}, "no outcome"),
        (GOOD[:2], "decided", {**YES, "person": " DEV "}, "developed"),
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
    yes_again = {**YES, "person": again}
    steps = [GOOD[0], ("release judged", two), ("decided", YES), ("decided", yes_again)]
    assert state_after(*steps).releases["r1"].status == "waiting"


def test_a_comparison_with_a_former_champion_promotes_nothing():
    other = [(kind, {**body, "release": "r2"}) for kind, body in GOOD[:2]]
    state = state_after(*other, *GOOD)
    assert "compared with nothing, and r1 serves now" in refusal(state, "decided", "m", {**YES, "release": "r2"})


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


def test_a_retired_champion_gives_way_to_the_next():
    second = [(kind, {**body, "release": "r2"}) for kind, body in GOOD]
    second[1] = ("release judged", {**second[1][1], "champion_compared": "r1"})
    state = state_after(*GOOD, *second)
    assert state.models == {"m": "r2"}
    assert [state.releases[name].status for name in ("r1", "r2")] == ["retired", "champion"]
    assert state.releases["r2"].package_digest == "p1"


@given(st.lists(st.sampled_from(GOOD), max_size=12), st.integers(0, 12))
def test_a_state_can_be_written_down_anywhere_and_gone_on_from(steps, at):
    everything = records(steps)
    half = state_from_json(json.loads(json.dumps(fold(everything[:at]).as_json())))
    assert fold(everything[at:], half) == fold(everything)
    assert State({}, {}) == NOTHING_YET
