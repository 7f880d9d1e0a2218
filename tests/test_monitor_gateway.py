"""Monitoring a real gateway: what it wrote down is read, drift is found within its budget, and the mode is obeyed."""

import json
import time

import pytest
from guarded import cars
from serving import serve
from watched import MODEL, Watched, in_feet

from expectations.alarms import named
from flows.monitor import turns


@pytest.fixture
def watched(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    return Watched(tmp_path)


def ask(gateway, rows):
    """All rows in one request; the truth of each goes back."""
    records = json.loads(rows.drop(columns="price").to_json(orient="records"))
    answered = gateway.ask(body=json.dumps({"records": records}))
    assert answered.status == 200, answered.json
    return answered


def until_rows(watched, rows, seconds=60):
    """Turns until so many rows were seen."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        told = turns(watched.url)[0]
        if told["rows"] >= rows:
            return told
        time.sleep(0.5)
    raise AssertionError(f"seen were {told['rows']} of {rows}: {told['problems']}")


def test_what_a_gateway_wrote_down_is_watched_and_the_mode_that_follows_is_obeyed(watched):
    with serve(watched.url, watched.home, "--log-every", "1") as gateway:
        for at in range(10):
            ask(gateway, cars(200, seed=100 + at))
        clean = until_rows(watched, 2000)
        assert (clean["outcome"], clean["mode"], clean["on"]) == ("quiet", "normal", [])
        for at in range(5):
            ask(gateway, in_feet(cars(200, seed=200 + at)))
        told = until_rows(watched, 3000)
        on = named(watched.ledger.state(), MODEL, "inputs")
        raised = next(one for one in watched.ledger.read() if one.kind == "alarm raised" and one.seq == on.seq)
        assert (told["mode"], "weight kg" in on.words) == ("warn", True)
        assert raised.body["delay_s"] < 60 <= raised.body["budget_s"]
        end = time.monotonic() + 20
        while gateway.get(f"/v2/models/{MODEL}").json["mode"] != "warn" and time.monotonic() < end:
            time.sleep(0.2)
        assert gateway.get(f"/v2/models/{MODEL}").json["mode"] == "warn"
