"""What is told to Prefect is a CloudEvent, and the same record is the same event however often it is told."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from expectations.state import Alarm, Release
from flows import events

RELEASE = Release("loan-1", "loan", "2026-01-01T00:00:00", "s", ("dev",), 1, "2026-01-01", status="champion")
ALARM = Alarm(7, "inputs", "loan-1", "2026-01-01T00:00:00.000Z", "income moved")
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
# CloudEvents 1.0, section 3.1: what each event has.
REQUIRED = {"specversion", "id", "source", "type"}


def payload(record=7, **more):
    said = {"model": "loan", "release": "loan-1", "status": "champion", "words": "income moved", **more}
    return events.cloud_event(events.ALARM, "0123456789abcdef", said, record)


def test_it_is_a_cloud_event_with_short_names_for_templates():
    told = payload(alarm="inputs")
    assert told.keys() >= REQUIRED
    assert (told["specversion"], told["type"], told["source"]) == ("1.0", events.ALARM, "/seatrial/0123456789abcdef")
    assert (told["subject"], told["datacontenttype"]) == ("loan/loan-1", "application/json")
    assert datetime.fromisoformat(told["time"]).tzinfo is not None
    assert (told["model"], told["release"], told["alarm"]) == ("loan", "loan-1", "inputs")
    assert told["data"] == {name: told[name] for name in ("model", "release", "status", "words", "alarm")}


def test_what_is_said_never_takes_the_place_of_an_attribute():
    assert payload(id="mine", type="mine")["type"] == events.ALARM


def test_the_same_record_is_the_same_event_and_another_is_another():
    ids = [events.event_id(payload(record)) for record in (7, 7, 8, "7/2")]
    assert (ids[0] == ids[1], len(set(ids))) == (True, 3)
    assert events.event_id(payload(None)) != events.event_id(payload(None))


@pytest.fixture
def told(monkeypatch):
    """The payloads that are told, and their ids."""
    found = []
    monkeypatch.setattr(events, "emit_event", lambda event, resource, payload, id: found.append((payload["id"], id)))
    return found


@pytest.mark.parametrize(
    ("cool_down", "hours", "different"), [(24, [0, 1, 23.9, 24, 30, 49], 3), (0, [0, 0.001, 1], 2)]
)
def test_an_alarm_asks_once_and_again_after_each_cool_down(told, cool_down, hours, different):
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        for one in hours:
            turn = events.wanted_turn(ALARM, cool_down, BEGAN + timedelta(hours=one))
            events.tell_wanted("store", RELEASE, ALARM, turn)
    assert len({id for _, id in told}) == different


def test_without_a_server_nothing_is_told(told, monkeypatch):
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        events.tell(events.ALARM, "store", RELEASE, "words", 7)
    assert told == []


@pytest.mark.xdist_group("prefect")
def test_told_twice_a_real_server_has_it_once(prefect_url, tmp_path):
    from prefect.events.worker import EventsWorker

    with temporary_settings({PREFECT_API_URL: prefect_url}):
        for _ in range(2):
            events.tell(events.RETRAINING_WANTED, str(tmp_path), RELEASE, "income moved", "7/0", cause="alarm inputs")
        EventsWorker.drain_all(10)
        with get_client(sync_client=True) as client:
            found = _until_there(client, {"filter": {"event": {"name": [events.RETRAINING_WANTED]}}})
    assert [one["payload"]["cause"] for one in found] == ["alarm inputs"]


def _until_there(client, asked):
    for _ in range(100):
        answer = client._client.post("/events/filter", json=asked)
        found = answer.raise_for_status().json()["events"]
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("the event never came")
