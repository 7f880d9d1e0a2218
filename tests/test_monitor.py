"""The monitor as people and programs see it: its flow, its command, its events, its page; and the weekly review."""

import json
import logging
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from prefect.testing.utilities import prefect_test_harness
from watched import MODEL, Watched, in_feet

from expectations.alarms import named
from expectations.errors import CannotAsk
from flows import events, monitor
from infra.store import blob_key
from tasks.monitoring.keeping import keep, newest
from tasks.monitoring.periods import DAY, HOUR, PART, Period, by, period_from_json, split_old, together
from tasks.monitoring.report import build_report
from tasks.monitoring.report_plots import drawn_periods
from tasks.monitoring.review import look_back
from tasks.monitoring.trends import WEEK, trend, weeks_of

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def watched(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    return Watched(tmp_path)


@pytest.fixture
def told(monkeypatch):
    """What is told to Prefect, in order: (event, payload's words, record)."""
    said = []

    def tell(event, _store, _release, words="", record=None, **more):
        said.append((event, words, record, more))

    monkeypatch.setattr(events, "tell", tell)
    return said


def wanted(told):
    return [event for event, *_ in told if event != events.RETRAINING_WANTED]


def test_drift_is_told_once_acted_on_and_asks_for_retraining(watched, told):
    watched.ask(n=2000, truths=False, change=in_feet)
    first = monitor.turns(watched.url)
    assert (first[0]["outcome"], first[0]["mode"]) == ("alarm", "warn")
    assert (events.ALARM in wanted(told), events.MODE_SET in wanted(told)) == (True, True)
    asked = [more["alarm"] for event, _, _, more in told if event == events.RETRAINING_WANTED]
    # Several are on; the newest asks for all.
    on = {one["alarm"]: one for one in first[0]["on"]}
    assert "inputs" in on
    assert len(asked) == 1
    assert asked[0] in on
    before = len(wanted(told))
    assert monitor.turns(watched.url)[0]["changes"] == []
    assert len(wanted(told)) == before


def test_an_event_that_a_crash_lost_is_told_by_the_next_turn(watched, told, monkeypatch):
    watched.ask(n=2000, truths=False, change=in_feet)
    with monkeypatch.context() as patch:
        patch.setattr(monitor, "act_and_tell", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            monitor.turns(watched.url)
    assert (told, bool(watched.ledger.state().alarms[MODEL])) == ([], True)
    monitor.turns(watched.url)
    raised = [record for event, _, record, _ in told if event == events.ALARM]
    assert len(raised) == len(set(raised)) == len(watched.ledger.state().alarms[MODEL])


def test_the_end_of_an_alarm_is_told_once_also_where_a_promotion_ends_it(watched, told):
    watched.ask(n=2000, truths=False, change=in_feet)
    monitor.turns(watched.url)
    watched.judged_and_promoted("r2")
    monitor.turns(watched.url)
    monitor.turns(watched.url)
    ended = [more["alarm"] for event, _, _, more in told if event == events.ALARM_ENDED]
    assert (ended.count("inputs"), len(ended)) == (1, len(set(ended)))


def test_a_model_that_cannot_be_watched_hides_no_other_and_is_no_quiet_one(watched, told):
    from served import Written, price_graph

    other = Written(watched.folder, "bare")
    spec = {**watched.spec, "model": {**watched.spec["model"], "name": "bare"}}
    other.approved("b1", price_graph(), spec=spec)
    other.append("promoted", release="b1", without_rollout="a test")
    watched.ask()
    done = {one["model"]: one for one in monitor.turns(watched.url)}
    assert (done["bare"]["outcome"], done[MODEL]["outcome"]) == ("could not ask", "quiet")
    assert "expected its test rows" in done["bare"]["problems"][0]
    with pytest.raises(CannotAsk, match="no_such"):
        monitor.turns(watched.url, "no_such")
    # One whose dossier is gone cannot even be told of its alarms.
    document = watched.ledger.verdict(watched.ledger.state().releases["b1"])["blobs"]["document"]
    watched.store.remove(blob_key(document))
    done = {one["model"]: one for one in monitor.turns(watched.url)}
    assert (done["bare"]["outcome"], done[MODEL]["outcome"]) == ("could not ask", "quiet")
    assert done["bare"]["problems"]


def test_what_starts_a_retraining_is_told_again_only_while_prefect_knows_it_again(watched, monkeypatch):
    asked, answers = [], iter([False, True, True, True])
    monkeypatch.setattr(events, "tell", lambda *_, **__: True)
    monkeypatch.setattr(events, "tell_wanted", lambda *told: asked.append(told[-1]) or next(answers))
    watched.ask(n=2000, change=in_feet)
    watched.look()
    # First there is no server, and then it is told; until it cannot know any more that it was.
    for minutes in (0, 1, 10, 25):
        at = watched.clock + timedelta(minutes=minutes)
        monitor.tell_alarms(watched.url, watched.store, watched.ledger, MODEL, at)
    assert len(asked) == 3
    assert len(set(asked)) == 1


def test_a_model_in_trouble_ends_no_run_before_its_time(watched, monkeypatch):
    looks = []

    def turns(_store, _model):
        looks.append(1)
        return [{"model": "bare", "changes": [], "problems": ["its dossier is gone"], "outcome": "could not ask"}]

    monkeypatch.setattr(monitor, "turns", turns)
    monkeypatch.setattr(monitor, "get_run_logger", lambda: logging.getLogger("test"))
    with pytest.raises(CannotAsk, match="bare: its dossier is gone"):
        monitor.monitor.fn(watched.url, every_s=0.1, for_s=1.0)
    assert len(looks) > 3


def test_the_flow_runs_under_prefect_and_leaves_an_artifact_of_what_changed(watched):
    watched.ask(n=2000, truths=False, change=in_feet)
    from prefect.client.orchestration import get_client

    from flows.review import review

    with prefect_test_harness(server_startup_timeout=120):
        done = monitor.monitor(watched.url)
        looked = review(watched.url)
        with get_client(sync_client=True) as client:
            found = {one.key for one in client.read_artifacts()}
    assert (done[0]["outcome"], found) == ("alarm", {"monitor", "review"})
    assert "cannot tell" in looked[0]["decay"]["words"]


def test_the_commands_tell_people_and_programs(watched, seatrial, tmp_path):
    watched.ask(n=2000, truths=False, change=in_feet)
    done = seatrial("monitor", "--store", watched.url)
    assert (done.code, "✗ inputs:" in done.out, "~ quality:" in done.out) == (1, True, True), done.err
    page = tmp_path / "report.html"
    assert seatrial("report", MODEL, "--store", watched.url, "--out", page).code == 0
    html = page.read_text()
    assert all(words in html for words in ("weight kg", "alarm raised: inputs", "cannot tell", "<img", 'alt="Requests'))
    assert "http" not in html.replace("http-equiv", "")
    told = seatrial("report", MODEL, "--store", watched.url, "--json")
    assert {"alarms", "timeline", "trends", "retrainings"} <= set(told.json)
    assert seatrial("monitor", "nobody", "--store", watched.url).code == 2


def test_a_report_before_the_first_look_says_what_to_do(watched):
    with pytest.raises(CannotAsk, match="seatrial monitor cars"):
        build_report(watched.store, watched.ledger, MODEL, NOW)


def test_hours_that_are_old_become_days_and_nothing_is_lost(watched):
    hours = [Period(3600 * at, rows=1, latency=(0.0, 1.0, 0.0)) for at in range(24 * 10)]
    stay, days = split_old(hours)
    assert sum(one.rows for one in [*stay, *days]) == len(hours)
    assert all(one.start % DAY == 0 for one in days)
    assert [period_from_json(json.loads(json.dumps(one.as_json()))) for one in days] == days
    assert together(stay, []) == stay


def test_parts_of_an_hour_become_hours_and_a_young_release_is_drawn_by_them():
    parts = [Period(PART * at, rows=1) for at in range(12 * 5)]
    stay, days = split_old(parts)
    assert (stay, days, drawn_periods(days, stay)) == (parts, [], (parts, PART))
    # A truth that comes late counts in its row's hour, which is whole by then.
    older = [*parts, *(Period(HOUR * 5 + PART * at, rows=1) for at in range(12 * 20))]
    stay, _ = split_old(together(split_old(older)[0], [Period(PART, labelled=1)]))
    assert sum(one.rows for one in stay) == len(older)
    assert stay[0] == Period(0, rows=12, labelled=1)
    assert [one.start % HOUR for one in stay[:18]] == [0] * 18
    drawn, seconds = drawn_periods([], stay)
    assert ({one.start % HOUR for one in drawn}, seconds, len(drawn)) == ({0}, HOUR, 25)


def weekly(values, rows=4000, noise=0.0, seed=0):
    """Days of whole weeks whose loss has these means."""
    random = np.random.default_rng(seed)
    days = []
    for week, mean in enumerate(values):
        for day in range(7):
            loss = float(np.clip(mean + random.normal(0, noise), 0, 1)) * rows / 7
            one = Period(week * WEEK + day * DAY, rows=rows / 7, labelled=rows / 7, loss=loss, squares=loss)
            days.append(one)
    return days


def reviewed(watched, days):
    """A review of a release with these days behind it."""
    watched.look()
    kept = newest(watched.store, f"monitoring/{MODEL}/r1/0")
    start = int((watched.clock - timedelta(days=len(days))).timestamp()) // DAY * DAY
    moved = tuple(Period(**{**vars(one), "start": one.start + start}).as_json() for one in days)
    keep(
        watched.store,
        f"monitoring/{MODEL}/r1/0",
        type(kept)(**{**vars(kept), "number": kept.number + 1, "hours": moved}),
    )
    return look_back(watched.store, watched.ledger, MODEL, watched.clock + timedelta(days=1))


def test_the_review_finds_slow_decay_that_no_minute_shows(watched, told):
    done = reviewed(watched, weekly(np.linspace(0.10, 0.15, 14), noise=0.004))
    on = named(watched.ledger.state(), MODEL, "decay")
    assert on, done["decay"]
    assert "decay: the loss went from" in on.words
    assert watched.store.keys(f"reports/{MODEL}/")
    monitor.turns(watched.url)
    assert ("decay", events.ALARM) in {(more.get("alarm"), event) for event, _, _, more in told}


@pytest.mark.parametrize("seed", range(5))
def test_the_review_takes_no_noise_for_decay(watched, seed):
    done = reviewed(watched, weekly([0.12] * 14, noise=0.02, seed=seed))
    assert (named(watched.ledger.state(), MODEL, "decay"), done["decay"]["standing"]) == (None, "quiet")


def test_too_few_weeks_and_no_labels_are_told(watched):
    assert "cannot tell" in reviewed(watched, weekly([0.1] * 3))["decay"]["words"]
    bare = [Period(one.start, rows=one.rows) for one in weekly([0.1] * 8)]
    done = reviewed(watched, bare)
    assert done["decay"]["standing"] == "cannot tell"
    assert any(words.startswith("loss: cannot tell") for words in done["unknown"])
    assert done["cost"].startswith("Cannot tell")


def test_false_decay_is_rarer_than_alpha_over_all_weekly_looks():
    random, alpha, false = np.random.default_rng(3), 0.1, 0
    for _ in range(200):
        weeks = [Period(at * WEEK, labelled=100, loss=100 * random.normal(0.2, 0.03)) for at in range(30)]
        told = [trend("loss", weeks[:n], lambda one: (one.loss / 100, 100.0), alpha) for n in range(4, 31)]
        false += any(one.surely > 0 for one in told)
    assert false <= 0.1 * 200 + 3 * np.sqrt(200 * 0.09)


def test_weeks_that_are_no_more_in_the_window_were_looks_too():
    late = by(weekly([0.1] * 13, noise=0.01), WEEK)
    few, many = (trend("loss", late, lambda one: (one.loss / one.labelled, one.labelled), 0.05, n) for n in (13, 300))
    assert few.surely > many.surely
    assert (few.change, few.upper) == (many.change, many.upper)


def test_weeks_are_whole_and_end_yesterday():
    days = [Period(at * DAY, rows=1) for at in range(17)]
    found = weeks_of(days, 16 * DAY + 100)
    assert [(one.start // DAY, one.rows) for one in found] == [(2, 7), (9, 7)]
