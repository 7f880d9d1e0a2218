"""The mode follows the alarms: no less strict for one more, left when none asks for it, and never below a person's."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_history import BY_FORCE, GOOD, NOW, TO_ROLL_OUT, records, state_after

from expectations.degrading import LACKING, mode_of, next_step, rank, strictest
from expectations.history import fold, refusal, state_from_json
from expectations.monitoring_spec import Alarms
from expectations.state import MODES, MONITOR, Alarm

WATCHED = Alarms.model_validate(
    {
        "quality": {"modes": {"warn": 1, "fallback": 2, "refuse": 4, "off": 8}},
        "inputs": {"modes": {"warn": 1.5, "refuse": 3}},
        "latency": {"modes": {}},
        "errors": None,
    }
)
NAMES = ("quality", "inputs", "latency", "errors", "one of another version")
ALARM = st.builds(
    lambda name, times: Alarm(1, name, "r2", NOW, "seen", times), st.sampled_from(NAMES), st.floats(1, 20)
)
ALARMS = st.lists(ALARM, max_size=5)
TWO = [*TO_ROLL_OUT, BY_FORCE]
PERSON = st.sampled_from([None, "normal", "warn", "refuse", "off"])


def alarm(name, times):
    return Alarm(1, name, "r2", NOW, f"{name} moved", times)


def standing(alarms=(), person=None, steps=TWO, fallback=None):
    said = [("mode set", {"mode": person, "why": "a storm", "by": "vera", "fallback": fallback})] if person else []
    return replace(state_after(*steps, *said), alarms={"m": tuple(alarms)})


def followed(state):
    """What the ledger says after what follows was written, and the step."""
    step = next_step(state, "m", WATCHED)
    if step is None:
        return state, None
    body = {"mode": step.mode, "fallback": step.fallback, "why": step.why, "by": MONITOR}
    assert refusal(state, "mode set", "m", body, NOW) is None
    return fold(records([("mode set", body)])[-1:], state), step


def mode(state):
    return state.modes["m"].name if "m" in state.modes else "normal"


@given(ALARMS, ALARM)
def test_one_more_alarm_never_makes_it_less_strict(alarms, one):
    assert rank(strictest([*alarms, one], WATCHED)) >= rank(strictest(alarms, WATCHED))


@given(ALARMS, st.floats(1, 20), st.randoms())
def test_a_worse_alarm_never_makes_it_less_strict_and_their_order_does_not_count(alarms, worse, random):
    worsened = [replace(one, times=max(one.times, worse)) for one in alarms]
    assert rank(strictest(worsened, WATCHED)) >= rank(strictest(alarms, WATCHED))
    random.shuffle(worsened)
    assert strictest(worsened, WATCHED) == max((mode_of(one, WATCHED) for one in worsened), key=rank, default="normal")


@given(ALARMS, PERSON, st.booleans())
def test_what_is_set_is_the_stricter_of_alarms_and_person_and_then_all_is_said(alarms, person, lonely):
    state, _ = followed(standing(alarms, person, GOOD if lonely else TWO))
    asked = max(strictest(alarms, WATCHED), person or "normal", key=rank)
    # One release alone has nothing to fall back to.
    expected = "warn" if lonely and asked == "fallback" else asked
    assert mode(state) == expected
    assert next_step(state, "m", WATCHED) is None


@given(ALARMS, PERSON)
def test_when_no_alarm_is_left_it_is_served_as_the_person_said(alarms, person):
    before = standing(alarms, person)
    state, _ = followed(before)
    state, _ = followed(replace(state, alarms={}))
    assert mode(state) == (person or "normal")
    assert next_step(replace(state, alarms={}), "m", WATCHED) is None


@given(st.lists(ALARMS, max_size=4), PERSON)
def test_a_persons_mode_is_never_loosened_whatever_alarms_come_and_go(ways, person):
    state = standing((), person)
    for alarms in ways:
        state, _ = followed(replace(state, alarms={"m": tuple(alarms)}))
        assert rank(mode(state)) >= rank(person or "normal")
        assert state_from_json(state.as_json()) == state


@pytest.mark.parametrize(
    ("times", "expected"), [(1, "warn"), (1.99, "warn"), (2, "fallback"), (3.99, "fallback"), (4, "refuse"), (8, "off")]
)
def test_each_mode_begins_exactly_at_its_threshold(times, expected):
    assert mode_of(alarm("quality", times), WATCHED) == expected


def test_of_alarms_that_set_no_mode_people_are_only_told():
    assert next_step(standing([alarm("latency", 50)]), "m", WATCHED) is None


def test_an_alarm_that_the_spec_says_nothing_of_warns():
    assert followed(standing([alarm("something new", 9)]))[1].mode == "warn"


def test_the_reason_is_the_alarms_own_words_and_who_had_said_what():
    _, step = followed(standing([alarm("quality", 4.5), alarm("inputs", 1.6)], "warn"))
    assert step.why == "alarm quality: quality moved. vera had set warn: a storm"
    state, _ = followed(standing([alarm("quality", 4.5)], "warn"))
    _, back = followed(replace(state, alarms={}))
    assert (back.mode, back.why) == ("warn", "no alarm asks for more. vera had set warn: a storm")


def test_it_falls_back_to_what_a_person_named_and_else_to_the_predecessor():
    assert followed(standing([alarm("quality", 2)]))[1].fallback == "r1"
    named, _ = followed(standing([alarm("quality", 2)], "warn", fallback="r1"))
    back, _ = followed(replace(named, alarms={}))
    assert (back.modes["m"].name, back.modes["m"].fallback) == ("warn", "r1")
    # What monitoring chose by itself goes with its alarm: it would answer what guards do not trust.
    alone, _ = followed(standing([alarm("quality", 2)]))
    back, _ = followed(replace(alone, alarms={}))
    assert (back.modes["m"].name, back.modes["m"].fallback) == ("normal", None)


def test_where_nothing_is_there_to_fall_back_to_it_warns_and_asks_a_person_once():
    state, step = followed(standing([alarm("quality", 1)], steps=GOOD))
    assert (step.mode, LACKING in step.why) == ("warn", False)
    state, step = followed(replace(state, alarms={"m": (alarm("quality", 2),)}))
    assert (step.mode, step.fallback, LACKING in step.why) == ("warn", None, True)
    assert followed(state)[1] is None
    assert followed(replace(state, alarms={"m": (alarm("quality", 4),)}))[1].mode == "refuse"


def test_a_release_that_was_rolled_back_is_nothing_to_fall_back_to():
    state = state_after(*TWO, ("rolled back", {"release": "r2", "why": "errors", "by": "vera"}))
    assert followed(replace(state, alarms={"m": (alarm("quality", 2),)}))[1].mode == "warn"


def test_a_fallback_that_a_person_set_and_that_serves_by_now_is_left_to_people():
    state = standing([alarm("quality", 8)], "fallback", fallback="r1")
    state, step = followed(state)
    assert (step.mode, MODES[-1]) == ("off", "off")
    back = fold(records([("rolled back", {"release": "r2", "why": "errors", "by": "vera"})])[-1:], state)
    assert back.models["m"] == "r1"
    assert followed(replace(back, alarms={}))[1] is None


def test_alarms_of_another_release_give_the_mode_a_reason_of_their_own():
    before, _ = followed(standing([alarm("inputs", 2)]))
    after, step = followed(replace(before, alarms={"m": (alarm("quality", 1.2),)}))
    assert (step.mode, step.why) == ("warn", "alarm quality: quality moved")
    assert followed(replace(after, alarms={"m": (alarm("quality", 1.4), alarm("inputs", 2))}))[1] is None
