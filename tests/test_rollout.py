"""A rollout from its first record to the promotion, or back: real packages, a real gateway, real requests."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from guarded import cars
from served import Written, price_graph

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from traffic import Traffic

from expectations.errors import CannotAsk
from tasks.rollout.drive import open_drive, utc_now
from tasks.rollout.moves import Act
from tasks.traffic import roll_back

BIN = Path(sys.executable).parent
# Tolerances for an impatient test: what is measured here are hundreds of requests.
WATCH = {
    "errors": {"tolerance": 0.1},
    "latency": None,
    "guards": {"tolerance": 0.15},
    "distribution": {"tolerance": 0.35},
    "quality": {"tolerance": 0.2, "scale": 4000},
}
ROLLOUT = {
    "shadow_minutes": 0.01,
    "lease_minutes": 0.3,
    "steps": [{"share": 0.3, "minutes": 0, "requests": 60}, {"share": 1, "minutes": 0, "requests": 20}],
    "watch": WATCH,
}
SPEC = {
    "model": {"name": "cars", "task": "regression", "owner": "olga"},
    "candidate": {"train": "train:fit"},
    "data": {"target": "price", "sources": {"cars": {"path": "cars.csv"}}},
    "rollout": ROLLOUT,
}


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    store = Written(tmp_path)
    store.promoted("r1", price_graph())
    return store


@contextmanager
def gateway(written):
    """A real one with two processes; gives its URL once it is ready."""
    command = [BIN / "seatrial", "serve", "--store", written.url, "--model", "cars", "--port", "0", "--processes", "2"]
    command += ["--log-every", "1"]
    process = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True)
    try:
        yield next(json.loads(line)["listening"] for line in process.stdout if "listening" in line)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def driven(written, until, seconds=60):
    """Drives the rollout until a look says so; gives what was said."""
    moves, end = [], time.monotonic() + seconds
    with open_drive(written.url, "cars", None) as drive:
        while drive.stage is not None and time.monotonic() < end:
            moves.append(drive.look(utc_now()))
            if until(drive, moves[-1]):
                return drive.rollout, moves
            time.sleep(0.5)
        return drive.rollout, moves


def to_the_end(_drive, _move):
    return False


@pytest.fixture
def traffic(written):
    with gateway(written) as url, Traffic(url, "cars", cars(300, 9), "price", rate=150, late_s=0.3) as callers:
        yield callers


def test_a_good_challenger_reaches_everybody_and_nobody_goes_without_an_answer(written, traffic):
    written.approved("r2", price_graph(seed=2), spec=SPEC)
    rollout, moves = driven(written, to_the_end)
    assert (rollout.status, written.ledger.state().models["cars"]) == ("finished", "r2"), moves[-1]
    acts = [move.act for move in moves if move.act is not Act.HOLD]
    assert acts == [Act.ENTER, Act.WITHDRAW, Act.ENTER, Act.ENTER, Act.ENTER, Act.PROMOTE]
    assert [line.stage for line in rollout.timeline] == [0, -1, 0, 1, 2, 2]
    assert "all gateways obeyed" in rollout.timeline[2].why
    assert traffic.counted["failed"] == 0
    assert traffic.counted["challenger"] > 60


def test_a_rollout_by_groups_reaches_the_named_group_first_and_then_everybody(written, traffic):
    first = {"share": 0, "groups": {"make": ["Saab"]}, "minutes": 0, "requests": 40}
    plan = {"shadow_minutes": 0, "steps": [first, {"share": 1, "minutes": 0, "requests": 20}]}
    written.approved("r2", price_graph(seed=2), spec={**SPEC, "rollout": {**ROLLOUT, **plan}})
    rollout, moves = driven(written, to_the_end)
    assert (rollout.status, written.ledger.state().models["cars"]) == ("finished", "r2"), moves[-1]
    assert [(stage.share, [group.values for group in stage.groups]) for stage in rollout.stages] == [
        (0.0, [("Saab",)]),
        (1.0, []),
    ]
    assert traffic.counted["failed"] == 0


def test_a_challenger_that_is_wrong_on_live_traffic_is_rolled_back_by_itself(written, traffic):
    written.approved("r2", price_graph(seed=2, factor=1.4), spec=SPEC)
    rollout, moves = driven(written, to_the_end)
    assert (rollout.status, written.ledger.state().models["cars"]) == ("rolled back", "r1"), moves[-1]
    assert any(word in rollout.timeline[-1].why for word in ("quality", "distribution"))
    assert traffic.counted["failed"] == 0


def approved_with(written, **rollout):
    written.approved("r2", price_graph(seed=2), spec={**SPEC, "rollout": {**ROLLOUT, **rollout}})


def test_without_traffic_nothing_moves_and_that_is_said(written):
    approved_with(written, shadow_minutes=0)
    with open_drive(written.url, "cars", None) as drive:
        moves = [drive.look(utc_now()) for _ in range(3)]
        assert [move.act for move in moves] == [Act.ENTER, Act.HOLD, Act.HOLD]
        assert "cannot tell yet" in moves[-1].words
        assert drive.stage == 0


def test_a_person_who_rolls_back_between_a_look_and_its_record_ends_it_in_their_words(written, monkeypatch):
    approved_with(written, shadow_minutes=0)
    with open_drive(written.url, "cars", None) as drive:
        drive.look(utc_now())
        monkeypatch.setattr(drive._watch, "look", lambda: roll_back(written.ledger, "cars", "vera", "odd prices"))
        monkeypatch.setattr(drive._lease, "is_due", lambda *_: True)
        drive.look(utc_now())
        assert (drive.stage, drive.told()["why"]) == (None, "odd prices")


def test_in_the_rehearsal_too_no_traffic_is_no_success(written):
    approved_with(written)
    with open_drive(written.url, "cars", None) as drive:
        moves = [drive.look(utc_now()) for _ in range(3)]
        assert moves[-1].words == "rehearsal: cannot tell yet, no request was scored in shadow"


def test_of_two_that_start_one_wins_and_the_other_is_told_who_holds_it(written):
    approved_with(written)
    with open_drive(written.url, "cars", None):
        told = subprocess.run(
            [BIN / "seatrial", "rollout", "cars", "--store", written.url], capture_output=True, text=True, check=False
        )
    assert told.returncode == 2
    assert f"process {os.getpid()} of this account has its rollout under way" in told.stderr


def test_another_account_is_refused_until_the_lease_has_run_out(written, monkeypatch):
    approved_with(written, shadow_minutes=0, lease_minutes=0.05)
    with open_drive(written.url, "cars", None) as drive:
        drive.look(utc_now())
    # The same key on another machine, which has another name there.
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    with open_drive(written.url, "cars", None) as drive:
        with pytest.raises(CannotAsk, match="its rollout is held by"):
            drive.renew("taking over")
        time.sleep(3.1)
        drive.renew("taking over")
        assert drive.rollout.holder.startswith("elsewhere/")


def test_a_person_can_stop_it_at_any_moment(written):
    approved_with(written, shadow_minutes=0)
    with open_drive(written.url, "cars", None) as drive:
        drive.look(utc_now())
        written.rolled_back("r2")
        drive.look(utc_now())
        assert (drive.stage, drive.told()["status"]) == (None, "rolled back")


def test_a_stage_that_waits_for_a_person_waits(written):
    steps = [{"share": 0.3, "minutes": 0, "requests": 60, "go_ahead": True}, {"share": 1, "minutes": 0}]
    approved_with(written, shadow_minutes=0, steps=steps)
    with open_drive(written.url, "cars", None) as drive:
        assert "waits for a person" in drive.look(utc_now()).words
        rollout = drive.rollout
        written.append("go ahead given", release="r2", stage=0, person="vera", why="")
        assert (rollout.stage, drive.look(utc_now()).act) == (-1, Act.ENTER)


def test_a_killed_rollout_goes_on_where_it_was_with_the_very_ticks_that_were_judged(written, traffic):
    approved_with(written, steps=[{"share": 0.3, "minutes": 0.5, "requests": 60}, {"share": 1, "minutes": 0}])
    command = [BIN / "seatrial", "rollout", "cars", "--store", written.url, "--every", "0.5"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: (written.ledger.state().running("cars") or Nothing).stage == 1, seconds=90)
    finally:
        running.kill()
        running.wait()
    before = written.ledger.state().running("cars")
    with open_drive(written.url, "cars", None) as drive:
        assert (drive.stage, drive.rollout.salt) == (1, before.salt)
        kept = drive.tally.as_json()["ticks"]["errors"][0]
        assert sum(map(sum, kept["count"])) > 0
        drive.look(utc_now())
        now = drive.tally.as_json()["ticks"]["errors"][0]
        assert {name: values[: len(kept[name])] for name, values in now.items()} == kept


class Nothing:
    stage = -1


def wait_until(holds, seconds):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.3)
