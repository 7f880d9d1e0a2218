"""A real gateway obeys what follows from alarms: each mode is reached and left, and nobody is asked first."""

import time

import pytest
from served import Written, price_graph
from serving import serve, until

from expectations.state import MONITOR
from tasks.act import act
from tasks.rollout.drive import utc_now

SPEC = {
    "model": {"name": "cars", "task": "regression", "owner": "otto", "developers": ["dev"]},
    "candidate": {"train": "train:fit"},
    "data": {"target": "price", "sources": {"cars": {"path": "cars.csv"}}},
    "monitoring": {"alarms": {"quality": {"modes": {"warn": 1, "fallback": 2, "refuse": 4, "off": 8}}}},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    written = Written(tmp_path_factory.mktemp("act"))
    written.approved("r1", price_graph(), spec=SPEC)
    written.append("promoted", release="r1", without_rollout="a test")
    written.approved("r2", price_graph(factor=2.0), spec=SPEC)
    written.append("promoted", release="r2", without_rollout="a test")
    return written


@pytest.fixture(scope="module")
def gateway(written):
    with serve(written.url, written.home) as gateway:
        yield gateway


def alarm(written, times):
    body = {"release": "r2", "alarm": "quality", "words": "the mean error doubled", "times": times, "by": MONITOR}
    written.append("alarm raised", **body)
    return act(written.ledger, "cars", utc_now())


def calm(written):
    written.append("alarm ended", alarm="quality", why="calm for 60 minutes", by=MONITOR)
    return act(written.ledger, "cars", utc_now())


def answers(gateway):
    """(status, who answers, what it says of how it is served)."""
    told = gateway.ask()
    return told.status, told.json.get("release"), " ".join(told.json.get("notes", [])) or told.json.get("error", "")


def reaches(gateway, status, release, words):
    def there():
        said = answers(gateway)
        return said[:2] == (status, release) and words in said[2]

    began = time.monotonic()
    until(there, f"{status} by {release}: {words}; it says {answers(gateway)}")
    return time.monotonic() - began


WAYS = [
    (1, 200, "r2", "mean error doubled"),
    (2, 200, "r1", "answered by the fallback"),
    (4, 503, None, "mean error doubled"),
    (8, 404, None, "switched off"),
]


def test_each_mode_is_reached_as_the_alarm_grows_and_left_when_it_ends(written, gateway):
    assert answers(gateway) == (200, "r2", "")
    for times, status, release, words in WAYS:
        [said] = alarm(written, times)
        assert "the mean error doubled" in said
        assert reaches(gateway, status, release, words) < 10
        assert act(written.ledger, "cars", utc_now()) == []
    assert [record.body["mode"] for record in written.ledger.read() if record.kind == "mode set"] == [
        "warn",
        "fallback",
        "refuse",
        "off",
    ]
    assert calm(written) == ["cars: normal. no alarm asks for more."]
    reaches(gateway, 200, "r2", "")
    assert answers(gateway) == (200, "r2", "")


@pytest.mark.parametrize(("times", "status", "release", "words"), WAYS)
def test_each_mode_is_left_for_normal(written, gateway, times, status, release, words):
    alarm(written, times)
    reaches(gateway, status, release, words)
    calm(written)
    until(lambda: answers(gateway) == (200, "r2", ""), "normal again")


def test_a_persons_mode_is_tightened_and_comes_back_as_they_said(written, gateway):
    written.mode("warn", "a storm")
    reaches(gateway, 200, "r2", "a storm")
    assert alarm(written, 1) == []
    [said] = alarm(written, 4)
    assert said.endswith("vera had set warn: a storm")
    reaches(gateway, 503, None, "vera had set warn")
    [said] = calm(written)
    assert said == "cars: warn. no alarm asks for more. vera had set warn: a storm"
    reaches(gateway, 200, "r2", "a storm")
    assert act(written.ledger, "cars", utc_now()) == []
    written.mode("normal", "over")


def test_how_long_the_alarm_had_lasted_is_kept(written):
    alarm(written, 1)
    [*_, record] = [record for record in written.ledger.read() if record.kind == "mode set"]
    assert 0 <= record.body["alarm_seconds"] < 30
    calm(written)


def test_of_a_model_that_does_not_serve_nothing_is_done(written):
    assert act(written.ledger, "boats", utc_now()) == []
