"""What is to be done so that whoever is waited for is asked and told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.state import MONITOR, Alarm, Mode, Refusal, Release, Report, Retraining, Rollout, Stage, State
from infra.prefect_runs import Run
from tasks.wait import AGAIN, GONE, GRACE, forms, news, reports, retrainings, rollouts, tellings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=100)
SOON = {"a": LONG_AGO}


def state(**statuses):
    return State(releases={name: released(name, status) for name, status in statuses.items()})


def released(name, status):
    return Release(name, "m", "", "", (), 1, "", status=status)


def run(release="a", at=1, ago=timedelta(minutes=1), **more):
    return Run(f"run-{at}", {"release": release, "model": "m"}, NOW - ago, NOW - ago, **more)


def asks(**more):
    return run(is_open=True, is_suspended=True, asks=True, **more)


def done(since=SOON, runs=(), known=None):
    return [(act.kind, act.release, act.run) for act in forms(known or state(a="waiting"), since, runs, NOW)]


def test_a_release_that_waits_without_a_form_is_asked_about():
    assert done() == [("ask", "a", "")]


def test_one_with_a_form_or_on_its_way_to_one_is_left_alone():
    for one in (asks(), run(is_open=True), run(is_open=True, is_busy=True)):
        assert done(runs=[one]) == []


def test_the_event_of_a_release_that_just_began_to_wait_comes_first():
    assert done({"a": NOW - GRACE + timedelta(seconds=1)}) == []
    assert done({"a": NOW - GRACE}) == [("ask", "a", "")]


def test_the_form_of_a_release_that_waits_no_more_is_closed_and_says_why():
    acts = forms(state(a="approved"), {}, [asks()], NOW)
    assert [(act.kind, act.run, act.words) for act in acts] == [("close", "run-1", "a is approved")]


def test_of_two_forms_the_younger_is_closed():
    assert done(runs=[asks(at=2), asks(at=1, ago=timedelta(hours=1))]) == [("close", "a", "run-2")]


def test_a_form_that_was_never_saved_is_closed_and_another_opened():
    stuck = run(is_open=True, is_suspended=True)
    assert done(runs=[stuck]) == [("close", "a", "run-1"), ("ask", "a", "")]


def test_a_run_whose_process_is_gone_is_given_up_and_another_opened():
    gone = run(is_open=True, is_busy=True, ago=GONE + timedelta(seconds=1))
    assert done(runs=[gone]) == [("give up", "a", "run-1"), ("ask", "a", "")]


def test_what_failed_is_tried_again_after_a_while():
    assert done(runs=[run(failed=True, ago=AGAIN - timedelta(seconds=1))]) == []
    assert done(runs=[run(failed=True, ago=AGAIN)]) == [("ask", "a", "")]


def test_a_run_that_was_forced_to_an_end_is_followed_by_another_with_a_key_of_its_own():
    [first] = forms(state(a="waiting"), SOON, [], NOW)
    [second] = forms(state(a="waiting"), SOON, [run()], NOW)
    assert first.key != second.key
    assert forms(state(a="waiting"), SOON, [run()], NOW) == [second]


@pytest.mark.parametrize(
    ("hours", "told"),
    [
        (0, ["due"]),
        (23.99, ["due"]),
        (24, ["due", "reminder"]),
        (72, ["due", "reminder", "escalation"]),
    ],
)
def test_people_are_told_by_the_clock(hours, told):
    assert [act.told for act in tellings({"a": NOW - timedelta(hours=hours)}, NOW, 24, 72)] == told


def test_each_turn_of_reminders_has_a_key_of_its_own_and_the_rest_is_told_once():
    def keys(hours):
        return {act.told: act.key for act in tellings({"a": LONG_AGO}, LONG_AGO + timedelta(hours=hours), 24, 72)}

    assert keys(25) == keys(47)
    assert keys(25)["reminder"] != keys(49)["reminder"]
    assert (keys(80)["due"], keys(80)["escalation"]) == (keys(200)["due"], keys(200)["escalation"])


def test_a_release_that_waits_anew_is_told_of_anew():
    [first], [second] = (tellings({"a": NOW - timedelta(hours=h)}, NOW, 24, 72) for h in (1, 2))
    assert first.key != second.key


def test_what_is_approved_and_does_not_roll_out_is_rolled_out():
    assert [act.release for act in rollouts(state(a="approved", b="waiting", c="champion"), {}, [], NOW)] == ["a"]


def test_one_whose_approvals_lapsed_is_not_rolled_out():
    assert rollouts(state(a="approved"), SOON, [], NOW) == []


def test_a_rollout_that_runs_or_ended_just_now_is_not_begun_again():
    runs = [run(is_open=True, ago=timedelta(days=1)), run(failed=True)]
    for one in runs:
        assert rollouts(state(a="approved"), {}, [one], NOW) == []
    assert len(rollouts(state(a="approved"), {}, [run(failed=True, ago=AGAIN)], NOW)) == 1


def rolling(lease_until):
    known = state(a="rolling out")
    rollout = Rollout("a", "b", "s", (Stage(share=1.0),), "h", lease_until, "2026-03-01T00:00:00.000Z")
    return State(releases=known.releases, rollouts={"m": rollout})


def test_a_rollout_whose_process_is_gone_is_given_up_and_gone_on_with():
    dead = run(is_open=True, is_busy=True, ago=timedelta(hours=2))
    acts = rollouts(rolling("2026-03-01T11:59:00.000Z"), {}, [dead], NOW)
    assert [(act.kind, act.run) for act in acts] == [("give up", "run-1"), ("roll out", "")]
    assert rollouts(rolling("2026-03-01T12:01:00.000Z"), {}, [dead], NOW) == []
    just_begun = run(is_open=True, is_busy=True, ago=timedelta(minutes=1))
    assert rollouts(rolling("2026-03-01T11:59:00.000Z"), {}, [just_begun], NOW) == []


RUNS = st.lists(
    st.builds(
        lambda release, at, minutes, kind: run(release, at, timedelta(minutes=minutes), **kind),
        st.sampled_from("abc"),
        st.integers(1, 99),
        st.integers(0, 30),
        st.sampled_from(
            [
                {},
                {"failed": True},
                {"is_open": True},
                {"is_open": True, "is_busy": True},
                {"is_open": True, "is_suspended": True},
                {"is_open": True, "is_suspended": True, "asks": True},
            ]
        ),
    ),
    max_size=8,
    unique_by=lambda one: one.id,
)


@given(RUNS, st.sets(st.sampled_from("abc")))
def test_after_its_acts_no_form_is_open_that_nobody_waits_for_and_none_twice(runs, waits):
    """Law: of the suspended runs one stays for each release that waits at most, and none for another release."""
    acts = forms(state(a="waiting", b="waiting"), dict.fromkeys(waits, LONG_AGO), runs, NOW)
    ended = {act.run for act in acts if act.run}
    left = [one for one in runs if one.is_suspended and one.id not in ended]
    releases = [one.parameters["release"] for one in left]
    assert len(set(releases)) == len(releases)
    assert set(releases) <= waits
    assert all(one.asks for one in left)
    # Nobody is asked about what nobody waits for, and nobody twice.
    asked = [act.release for act in acts if act.kind == "ask"]
    assert len(set(asked)) == len(asked)
    assert set(asked) <= waits - set(releases)


def test_each_report_of_misbehaviour_is_told_once_of_the_release_that_serves():
    told = State(reports={"m": (Report(7, "t", "ann", "odd prices"),), "gone": (Report(8, "t", "x", "y"),)})
    acts = reports(told, {"m": released("a", "champion")})
    assert [(act.release, act.key, act.told, act.words) for act in acts] == [
        ("a", "report 7", "misbehaviour", "m: ann reports: odd prices")
    ]


def begun(ago=timedelta(hours=1), status="begun"):
    began = (NOW - ago).isoformat()
    retraining = Retraining("alarm inputs", began, began, "2026-03-01T11:00:00", status)
    return State(models={"m": "a"}, releases={"a": released("a", "champion")}, retrainings={"m": retraining})


def test_a_retraining_that_nobody_goes_on_with_is_gone_on_with():
    long_dead = run(ago=timedelta(minutes=30), failed=True)
    [act] = retrainings(begun(), {"m": [long_dead]}, NOW)
    assert (act.kind, act.release, act.key, act.cause) == ("train anew", "a", "m after run-1", "alarm inputs")
    assert [act.kind for act in retrainings(begun(), {"m": []}, NOW)] == ["train anew"]


def asked(**more):
    """A run of what was asked for an hour ago, before the ledger heard of it."""
    return replace(run(ago=timedelta(minutes=30), **more), asked=NOW - timedelta(hours=1), parameters=ALARM)


def test_one_that_fails_each_time_is_begun_no_more_when_its_time_is_up():
    runs = [asked(failed=True) for _ in range(3)]
    [act] = retrainings(begun(), {"m": runs}, NOW)
    assert (act.kind, act.release, "failed 3 times" in act.words) == ("end training", "a", True)
    assert [act.kind for act in retrainings(begun(), {"m": runs[:2]}, NOW)] == ["train anew"]
    known = begun()
    longer = replace(known.retrainings["m"], until=(NOW + timedelta(hours=1)).isoformat())
    assert [act.kind for act in retrainings(replace(known, retrainings={"m": longer}), {"m": runs}, NOW)] == [
        "train anew"
    ]


ALARM = {"model": "m", "cause": "alarm inputs", "since": "2026-03-01T10:50:00"}
SERVING = State(models={"m": "a"}, releases={"a": released("a", "champion")})
UNBORN = asked(is_open=True, is_busy=True, is_pending=True)


def refused(ago):
    return replace(SERVING, refusals={"m": Refusal(9, (NOW - ago).isoformat(), "alarm inputs", "nothing is new")})


def test_one_whose_process_was_gone_before_the_ledger_heard_of_it_is_asked_for_again():
    crashed = asked(failed=True, crashed=True)
    for known in (SERVING, begun(timedelta(days=1), "ended"), refused(timedelta(days=1))):
        [act] = retrainings(known, {"m": [crashed]}, NOW)
        assert (act.kind, act.release, act.key) == ("train anew", "a", "m after run-1")
        assert (act.cause, act.since) == ("alarm inputs", "2026-03-01T10:50:00")
    acts = retrainings(SERVING, {"m": [UNBORN]}, NOW)
    assert [(act.kind, act.run) for act in acts] == [("give up", "run-1"), ("train anew", "")]


@pytest.mark.parametrize(
    ("known", "runs"),
    [
        (begun(timedelta(minutes=59), "ended"), [asked(failed=True, crashed=True)]),
        (refused(timedelta(minutes=59)), [asked(failed=True, crashed=True)]),
        (SERVING, [asked(failed=True)]),
        (SERVING, [asked()]),
        (SERVING, [replace(UNBORN, since=NOW - timedelta(minutes=4))]),
        (SERVING, [asked(failed=True, crashed=True), run(at=2, is_open=True)]),
    ],
)
def test_one_that_the_ledger_heard_of_or_that_did_not_crash_is_not_asked_for_again(known, runs):
    assert retrainings(known, {"m": runs}, NOW) == []


@pytest.mark.parametrize(
    ("state", "runs"),
    [
        (begun(), [run(is_open=True, ago=timedelta(hours=1))]),
        (begun(), [run(ago=AGAIN - timedelta(seconds=1), failed=True)]),
        (begun(timedelta(seconds=5)), []),
        (begun(status="ended"), []),
        (State(), []),
    ],
)
def test_one_that_runs_or_ended_or_only_just_began_is_left_alone(state, runs):
    assert retrainings(state, {"m": runs}, NOW) == []


def test_what_monitoring_saw_and_did_is_told_once_each_to_whoever_answers_for_the_model():
    champion = released("a", "champion")
    seen = State(
        models={"m": "a"},
        alarms={"m": (Alarm(7, "inputs", "a", "", "income moved"),)},
        modes={"m": Mode("warn", None, "12:00", "alarm inputs", MONITOR)},
        refusals={"m": Refusal(9, "", "alarm inputs", "income: 1,000 times training's")},
    )
    assert [(act.told, act.key) for act in news(seen, {"m": champion})] == [
        ("alarm", "m alarm 7"),
        ("mode", "m mode 12:00"),
        ("retraining refused", "m refusal 9"),
    ]
    by_a_person = State(models={"m": "a"}, modes={"m": Mode("warn", None, "12:00", "a storm", "vera")})
    assert news(by_a_person, {"m": champion}) == []
