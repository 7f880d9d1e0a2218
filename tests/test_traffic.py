"""Rollouts, rollbacks and modes in the ledger, and the route that they add up to."""

import pytest
from test_history import (
    BACK,
    BY_FORCE,
    GO_AHEAD,
    GOOD,
    LEASE,
    MODE,
    NOW,
    ROLLED_OUT,
    ROLLOUT,
    SECOND,
    TO_ROLL_OUT,
    TRAFFIC,
    WITHDRAWN,
)
from test_history import records as made

from expectations.history import fold, refusal
from expectations.state import Group, Stage
from expectations.traffic import route

LATE = "2026-01-01T02:00:00.000Z"


def after(*steps):
    return fold(made(steps))


def way(*steps):
    """The route, in short: champion, challenger and its share."""
    found = route(after(*steps), "m")
    return found.champion, found.challenger, found.stage and found.stage.share


def test_a_rollout_moves_traffic_stage_by_stage_and_ends_in_the_promotion():
    assert way(*TO_ROLL_OUT, ROLLOUT) == ("r1", None, None)
    assert way(*TO_ROLL_OUT, ROLLOUT, TRAFFIC[0]) == ("r1", "r2", 0.0)
    assert way(*TO_ROLL_OUT, ROLLOUT, *TRAFFIC[:2]) == ("r1", "r2", 0.1)
    assert way(*ROLLED_OUT[:-1]) == ("r1", "r2", 1.0)
    assert way(*ROLLED_OUT) == ("r2", None, None)
    assert after(*ROLLED_OUT).rollouts["m"].status == "finished"


def test_nothing_has_a_route_before_something_serves():
    assert route(after(*GOOD[:3]), "m") is None


def test_a_rollback_during_the_rollout_leaves_the_champion():
    state = after(*TO_ROLL_OUT, ROLLOUT, *TRAFFIC[:2], BACK[1])
    assert (state.releases["r2"].status, state.models["m"]) == ("rolled back", "r1")
    assert way(*TO_ROLL_OUT, ROLLOUT, *TRAFFIC[:2], BACK[1]) == ("r1", None, None)
    assert "no rollout of it is running" in refusal(state, *named(TRAFFIC[2]), NOW)


def test_a_rollback_after_the_promotion_brings_the_former_champion_back():
    state = after(*ROLLED_OUT, BACK[1])
    assert state.models["m"] == "r1"
    assert (state.releases["r1"].status, state.releases["r2"].status) == ("champion", "rolled back")


def named(step):
    kind, body = step
    return kind, "m", body


def changed(step, **more):
    return named((step[0], {**step[1], **more}))


@pytest.mark.parametrize(
    ("before", "step", "words"),
    [
        (GOOD, changed(ROLLOUT, release="r1"), "is champion, not approved"),
        (GOOD[:3], changed(ROLLOUT, release="r1"), "promoted at once"),
        ([*TO_ROLL_OUT, ROLLOUT], named(ROLLOUT), "held by h1: one at a time"),
        (TO_ROLL_OUT, changed(ROLLOUT, stages=[]), "no plan"),
        (TO_ROLL_OUT, changed(ROLLOUT, stages=[{"share": 0.5, "groups": []}]), "no plan"),
        (TO_ROLL_OUT, changed(ROLLOUT, stages=[{"share": "1", "groups": 3}]), "no plan"),
        (TO_ROLL_OUT, changed(ROLLOUT, lease_until="tomorrow"), "expected a time"),
        (TO_ROLL_OUT, changed(ROLLOUT, lease_until="2026-02-01T00:00:00.000Z"), "at most a day"),
        (TO_ROLL_OUT, changed(ROLLOUT, lease_until=NOW), "run out already"),
        (TO_ROLL_OUT, named(SECOND[3]), "traffic moves by a rollout"),
        ([*TO_ROLL_OUT, ROLLOUT], named(TRAFFIC[1]), "expected it or the next"),
        ([*TO_ROLL_OUT, ROLLOUT, *TRAFFIC[:2]], named(TRAFFIC[2]), "waits for a person's go-ahead"),
        ([*TO_ROLL_OUT, ROLLOUT, *TRAFFIC[:2]], named(TRAFFIC[0]), "expected it or the next"),
        ([*TO_ROLL_OUT, ROLLOUT, *TRAFFIC[:2]], named(SECOND[3]), "promoted after the last"),
        ([*TO_ROLL_OUT, ROLLOUT], changed(TRAFFIC[0], holder="h2"), "held by h1 until"),
        ([*TO_ROLL_OUT, ROLLOUT], changed(GO_AHEAD, stage=-1), "is not ahead"),
        ([*TO_ROLL_OUT, ROLLOUT], named(BACK[0]), "roll that back first"),
        (GOOD, named(BACK[0]), "nothing to roll back to"),
        (GOOD, named(MODE[0]), "serves already"),
        (GOOD, changed(MODE[0], fallback=None), "needs a release to fall back to"),
        (GOOD, changed(MODE[0], fallback="r9"), "passed its own gates"),
        (GOOD, changed(MODE[0], mode="slow"), "expected one of normal"),
        ([], changed(MODE[0], mode="off"), "nothing serves"),
    ],
)
def test_what_moves_traffic_out_of_turn_is_refused_with_a_reason(before, step, words):
    assert words in refusal(after(*before), *step, NOW)


def test_a_challenger_that_is_withdrawn_begins_again_at_the_first_stage():
    assert way(*TO_ROLL_OUT, ROLLOUT, TRAFFIC[0], WITHDRAWN) == ("r1", None, None)
    assert way(*TO_ROLL_OUT, ROLLOUT, TRAFFIC[0], WITHDRAWN, TRAFFIC[0]) == ("r1", "r2", 0.0)
    lines = after(*TO_ROLL_OUT, ROLLOUT, TRAFFIC[0], TRAFFIC[0], WITHDRAWN).rollouts["m"].timeline
    assert [(line.stage, line.why) for line in lines] == [(0, ""), (-1, "rehearsal")]


def test_a_rollout_whose_lease_ran_out_can_be_taken_over():
    state = after(*TO_ROLL_OUT, ROLLOUT)
    taken = changed(TRAFFIC[0], holder="h2", lease_until="2026-01-01T03:00:00.000Z")
    assert refusal(state, *taken, LATE) is None
    assert "held by h1" in refusal(state, *taken, LEASE["lease_until"])


def test_a_mode_and_its_fallback_are_in_the_route():
    found = route(after(*TO_ROLL_OUT, BY_FORCE, MODE[0]), "m")
    assert (found.champion, found.mode, found.fallback, found.releases) == ("r2", "fallback", "r1", ("r2", "r1"))
    assert route(after(*ROLLED_OUT, MODE[0], BACK[1]), "m").fallback is None


def test_what_was_measured_last_stays_the_evidence_when_a_person_stops_the_rollout():
    measured = ("traffic set", {**TRAFFIC[0][1], "evidence": "sha256:e"})
    for later in ((), (TRAFFIC[0],), (WITHDRAWN,), (BACK[1],)):
        assert after(*TO_ROLL_OUT, ROLLOUT, measured, *later).rollouts["m"].evidence == "sha256:e"


def test_groups_are_part_of_a_stage():
    groups = [{"column": "region", "values": ["north"]}]
    stages = [{"share": 0.0, "groups": groups}, {"share": 1.0, "groups": []}]
    step = ("rollout started", {**ROLLOUT[1], "stages": stages})
    state = after(*TO_ROLL_OUT, step, TRAFFIC[0])
    assert route(state, "m").stage == Stage(0.0, groups=(Group("region", ("north",)),))
