"""What serves is watched turn by turn: nothing is counted twice, nothing is lost, and what moved is told with words."""

import json
from datetime import UTC, datetime, timedelta
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watched import MODEL, Watched, answer, in_feet, raised

from expectations.alarms import named
from expectations.sequential.standing import Standing
from infra.garbage import garbage, remove_garbage
from infra.prediction_log import LogReader
from tasks.monitoring import watch
from tasks.monitoring.keeping import HELD, keep, newest
from tasks.monitoring.names import full, short
from tasks.monitoring.periods import Period, period_from_json
from tasks.monitoring.reading import Reading

NAME = st.builds(
    "predictions/cars/2026-01-{:02d}/120000-{}-{:06d}.parquet".format,
    st.integers(1, 31),
    st.sampled_from(["7-a1", "8"]),
    st.integers(0, 999_999),
)


@pytest.fixture
def watched(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    return Watched(tmp_path)


@pytest.mark.parametrize("numbers", [False, True])
def test_what_was_not_answered_is_no_wrong_answer(tmp_path, monkeypatch, numbers):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    watched = Watched(tmp_path, numbers=numbers)
    for _ in range(2):
        watched.ask(60, change=heavy, withheld=True)
        turn = watched.look()
    period = reduce(Period.plus, map(period_from_json, turn.kept.hours))
    assert (period.rows, period.distrusted >= 20) == (120, True)
    assert period.answered == period.labelled == period.expecting == 120 - period.distrusted
    assert np.isfinite([period.loss, period.expected, *period.stated]).all()


def heavy(rows):
    """The first ten are far outside."""
    return rows.assign(**{"weight kg": [*([9e9] * 10), *rows["weight kg"].iloc[10:]]})


def test_a_truth_about_a_row_of_another_release_is_looked_for_no_further(watched, monkeypatch):
    watched.ask(truths=False)
    watched.clock = watched.clock.replace(hour=0, minute=0, second=0) + timedelta(days=1)
    before = watched.ask(release="r0", truths=False, minutes=0)
    watched.look()
    watched.tell(before, [1.0])
    read = []
    more = LogReader.more
    monkeypatch.setattr(LogReader, "more", lambda self, of=None: read.extend(of or ()) or more(self, of))
    watched.look()
    assert len([key for key in read if key.startswith("predictions/")]) == 1


def numbers_of(watched):
    return [key for key in watched.store.keys(f"monitoring/{MODEL}/r1/0/")]


@given(st.sets(NAME))
def test_names_kept_short_are_the_same_names(names):
    assert full(short(names)) == names


def test_clean_traffic_raises_nothing_and_every_row_is_counted_once(watched):
    for _ in range(12):
        watched.ask()
        turn = watched.look()
    assert (turn.kept.rows, raised(watched)) == (12 * 200, [])
    assert sum(hour["rows"] for hour in turn.kept.hours) == sum(hour["labelled"] for hour in turn.kept.hours) == 2400


def test_a_turn_without_news_writes_nothing(watched):
    watched.ask()
    watched.look()
    before = numbers_of(watched)
    assert watched.look(seconds=5).kept.rows == 200
    assert numbers_of(watched) == before


def test_what_was_seen_last_is_no_garbage_and_what_was_seen_before_is(watched):
    watched.ask()
    watched.look()
    watched.ask()
    watched.look()
    found = garbage(watched.store, timedelta(0))
    assert len(found) == 2
    remove_garbage(watched.store, found, timedelta(0))
    watched.ask()
    assert watched.look().kept.rows == 600


def test_drift_raises_an_alarm_with_words_delay_budget_and_figures(watched):
    for _ in range(5):
        watched.ask()
    watched.look()
    began = watched.clock
    while not raised(watched) and watched.clock < began + timedelta(minutes=30):
        watched.ask(change=in_feet, truths=False)
        watched.look()
    body = next(one.body for one in raised(watched) if one.body["alarm"] == "inputs")
    assert "weight kg" in body["words"], body["words"]
    assert "Since about" in body["words"]
    assert (body["by"], body["budget_s"]) == ("monitor", 3600)
    assert 0 <= body["delay_s"] <= 15 * 60
    assert watched.store.get_blob(body["evidence"])


def test_labels_that_come_late_are_joined_once_and_worse_ones_raise_quality_again(watched):
    names = [watched.ask(truths=False) for _ in range(10)]
    turn = watched.look()
    assert answer(turn, "quality").judged.standing is Standing.CANNOT_TELL
    for name in names:
        watched.tell(name, [0.0] * 200)
        watched.tell(name, [0.0] * 200, source="again")
    turn = watched.look()
    assert sum(hour.get("labelled", 0) for hour in turn.kept.hours) == 2000
    on = named(watched.ledger.state(), MODEL, "quality")
    assert on.times >= 2
    assert len([one for one in raised(watched) if one.body["alarm"] == "quality"]) == 1
    for name in names:
        watched.tell(name, [0.0] * 200, source="late again")
    assert sum(hour.get("labelled", 0) for hour in watched.look().kept.hours) == 2000


def test_a_truth_that_is_there_before_its_prediction_counts_too(watched):
    watched.tell("q1", [200.0] * 50)
    watched.look()
    watched.ask(50, truths=False)
    turn = watched.look()
    assert turn.kept.hours[-1]["labelled"] == 50


def test_shadow_rows_and_those_of_a_challenger_are_not_the_champions(watched):
    watched.ask(truths=False)
    watched.ask(truths=False, shadow=True, change=in_feet)
    watched.ask(truths=False, release="r2", change=in_feet)
    assert watched.look().kept.rows == 200


def test_killed_before_it_was_kept_it_counts_again_and_killed_after_it_goes_on(watched, monkeypatch):
    watched.look()
    watched.ask(change=in_feet, n=2000)

    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(watch, "keep", dies)
        with pytest.raises(KeyboardInterrupt):
            watched.look()
    with monkeypatch.context() as patch:
        patch.setattr(watch, "settle", dies)
        with pytest.raises(KeyboardInterrupt):
            watched.look()
    kept = newest(watched.store, f"monitoring/{MODEL}/r1/0")
    assert (kept.rows, raised(watched)) == (2000, [])
    turn = watched.look()
    assert turn.kept == kept
    assert [one.body["alarm"] for one in raised(watched)].count("inputs") == 1


def test_of_two_monitors_at_once_one_counts_and_the_other_goes_on_from_there(watched, monkeypatch):
    watched.look()
    watched.ask(truths=False)

    def late(store, folder, kept):
        monkeypatch.setattr(watch, "keep", keep)
        watched.look()
        return keep(store, folder, kept)

    monkeypatch.setattr(watch, "keep", late)
    turn = watched.look()
    assert (turn.kept.rows, len(numbers_of(watched))) == (200, 2)


def test_a_release_that_came_back_is_watched_anew(watched):
    watched.clock = datetime.now(UTC)
    watched.ask()
    watched.look()
    watched.judged_and_promoted("r2")
    watched.append("rolled back", release="r2", why="a test", by="vera")
    watched.clock = datetime.now(UTC)
    watched.ask(100)
    turn = watched.look()
    assert (turn.served.folder, turn.kept.rows) == (f"monitoring/{MODEL}/r1/1", 100)


def test_a_monitor_that_was_down_for_days_reads_on_where_it_stopped_and_files_too_late_are_left(watched):
    now = datetime.now(UTC)
    watched.clock = now - timedelta(days=5)
    watched.ask(50)
    since, stopped = now - timedelta(days=10), now - timedelta(days=6)
    back = Reading(watched.store, MODEL, "r1", since, {}, stopped, now).news()
    assert (len(back.rows), len(back.labelled)) == (50, 50)
    assert Reading(watched.store, MODEL, "r1", since, back.read, now - timedelta(days=5), now).news() is None
    assert Reading(watched.store, MODEL, "r1", since, {}, now - timedelta(days=2), now).news() is None


def test_a_truth_weeks_late_finds_its_prediction_and_counts_once(watched):
    now = datetime.now(UTC)
    watched.clock = now - timedelta(days=20)
    name = watched.ask(50, truths=False)
    watched.clock = now
    watched.tell(name, [600.0] * 50)
    since, looked = now - timedelta(days=30), now - timedelta(hours=1)
    found = Reading(watched.store, MODEL, "r1", since, {}, looked, now).news()
    assert (len(found.rows), len(found.labelled)) == (0, 50)
    watched.tell(name, [600.0] * 50, source="again")
    again = Reading(watched.store, MODEL, "r1", since, found.read, now, now).news()
    assert (len(again.rows), len(again.labelled)) == (0, 0)


def test_old_turns_are_forgotten_and_the_last_ones_are_not(watched):
    for _ in range(HELD + 3):
        watched.ask(10, truths=False)
        watched.look()
    folder = f"monitoring/{MODEL}/r1/0"
    kept = [json.loads(watched.store.get(key))["seen"] for key in numbers_of(watched)]
    there = {f"sha256:{key.rsplit('/', 1)[1]}" for key in watched.store.keys("blobs/sha256/")}
    assert [digest in there for digest in kept] == [False] * (len(kept) - HELD) + [True] * HELD
    assert newest(watched.store, folder).rows == 10 * (HELD + 3)
