"""Alarms of what serves: raised, worse, over; silence, cost, classes, and what a person says."""

from datetime import timedelta

import pytest
from watched import MODEL, Watched, answer, in_feet, raised

from expectations.alarms import named
from expectations.errors import CannotAsk
from expectations.sequential.standing import Standing
from tasks.act import act
from tasks.monitoring.periods import period_from_json
from tasks.monitoring.report import build_report
from tasks.monitoring.watch import end_alarm, usual


@pytest.fixture
def watched(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    return Watched(tmp_path)


def test_errors_are_counted_where_nobody_answered(watched):
    for _ in range(10):
        watched.ask(truths=False)
        watched.ask(60, truths=False, error="it failed")
    watched.look()
    assert named(watched.ledger.state(), MODEL, "errors")


def test_an_alarm_ends_when_it_was_calm_and_the_next_one_is_another(watched):
    watched.ask(change=in_feet, n=2000, truths=False)
    watched.look()
    assert named(watched.ledger.state(), MODEL, "inputs")
    for _ in range(20):
        watched.ask(400, truths=False)
        watched.look()
    ended = [one.body for one in watched.ledger.read() if one.kind == "alarm ended"]
    assert "inputs" in {one["alarm"] for one in ended}
    assert "calm for 10 minutes: at most half a tolerance" in ended[0]["why"]
    watched.ask(change=in_feet, n=4000, truths=False)
    watched.look()
    assert [one.body["alarm"] for one in raised(watched)].count("inputs") == 2


def test_no_request_ever_is_no_silence_and_none_for_an_hour_is(watched):
    assert answer(watched.look(hours=5), "silence").judged.standing is Standing.CANNOT_TELL
    watched.ask()
    assert answer(watched.look(minutes=50), "silence").judged.standing is Standing.QUIET
    turn = watched.look(minutes=75)
    body = next(one.body for one in turn.records)
    assert (body["alarm"], "the last request was at" in body["words"]) == ("silence", True)
    assert 10 * 60 <= body["delay_s"] <= 20 * 60
    watched.clock += timedelta(minutes=90)
    watched.ask()
    watched.look()
    assert named(watched.ledger.state(), MODEL, "silence")
    watched.clock += timedelta(minutes=11)
    watched.ask()
    watched.look()
    assert not named(watched.ledger.state(), MODEL, "silence")


def test_cost_is_an_alarm_only_beyond_a_limit_and_unknown_without_a_measured_cost(watched):
    watched.ask()
    assert answer(watched.look(), "cost").judged.standing is Standing.CANNOT_TELL
    measured = {"metrics": [{"metric": "money_per_million", "value": 10_000.0}]}
    watched.spec["monitoring"]["alarms"]["cost"] = {"per_day": 1.0}
    watched.judged_and_promoted("r2", costs=measured)
    watched.clock += timedelta(seconds=5)
    watched.ask(90, release="r2")
    assert answer(watched.look(), "cost").judged.standing is Standing.QUIET
    watched.ask(60, release="r2")
    turn = watched.look()
    assert answer(turn, "cost").judged.times == pytest.approx(1.5)
    assert "1.5 USD" in named(watched.ledger.state(), MODEL, "cost").words


def test_where_nobody_is_answered_a_person_ends_the_alarm_and_it_is_watched_anew(watched):
    watched.ask(truths=True, off=500.0, n=1000)
    watched.look()
    act(watched.ledger, MODEL, watched.clock)
    assert watched.ledger.state().modes[MODEL].name == "refuse"
    turn = watched.look(hours=9)
    assert answer(turn, "silence").judged.standing is Standing.CANNOT_TELL
    assert named(watched.ledger.state(), MODEL, "quality")
    with pytest.raises(CannotAsk, match=r"On are: .*quality"):
        end_alarm(turn.served, "cost", "vera", "mended")
    for alarm in [one.name for one in watched.ledger.state().alarms[MODEL]]:
        end_alarm(turn.served, alarm, "vera", "mended")
    act(watched.ledger, MODEL, watched.clock)
    assert watched.look(minutes=5).records == ()
    assert watched.ledger.state().modes[MODEL].name == "normal"
    watched.ask(truths=True, off=500.0, n=1000)
    watched.look()
    assert named(watched.ledger.state(), MODEL, "quality")


def test_a_mode_that_is_set_ends_no_silence(watched):
    watched.ask()
    watched.look(minutes=75)
    assert named(watched.ledger.state(), MODEL, "silence")
    watched.mode("warn")
    watched.look(minutes=5)
    watched.look(minutes=100)
    assert named(watched.ledger.state(), MODEL, "silence")


@pytest.mark.parametrize("numbers", [False, True])
def test_classes_are_watched_by_their_chances_and_their_truths(tmp_path, monkeypatch, numbers):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    watched = Watched(tmp_path, numbers=numbers)
    for _ in range(8):
        watched.ask(400)
        turn = watched.look()
    assert raised(watched) == []
    hour, own = period_from_json(turn.kept.hours[-1]), usual(turn.served, turn.kept)
    assert own.meaning.counted == ("1" if numbers else "dear")
    assert hour.said / hour.answered == pytest.approx(own.figures.said / own.figures.answered, abs=0.06)
    assert hour.loss / hour.labelled == pytest.approx(own.figures.loss / own.figures.labelled, abs=0.05)
    assert hour.expected / hour.expecting == pytest.approx(own.figures.expected / own.figures.expecting, abs=0.05)
    assert 0 < hour.calibration_error() < 0.1
    watched.ask(2000, off=-5000.0)
    watched.look()
    assert named(watched.ledger.state(), MODEL, "quality")
    page = build_report(watched.store, watched.ledger, MODEL, watched.clock).page()
    assert "Wrong answers that it expects of itself" in page
