"""A seeded few of the fault campaign, and that it sees defects which are planted. `make faults` runs all of it."""

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from faults import answers, away, catalogue, clocks, damage, disk_full, kills, races
from faults.__main__ import see
from faults.campaign import At, Fault, Row, Tried, line, run
from faults.ground import Bucket, Directory, credentials
from faults.plants import DEFECTS

pytestmark = pytest.mark.xdist_group("s3")

EVERYTHING = {fault.name: fault for fault in catalogue.everything()}
QUICK = [*kills.FAULTS, *answers.FAULTS[:2], answers.FAULTS[-1], *damage.FAULTS, *clocks.FAULTS, *races.FAULTS]
# All others are seen in `make faults`.
SEEN_QUICKLY = [
    "kill -9 inside put_blob, directory",
    "kill -9 inside append, directory",
    "the disk is full, directory",
    "a bit flipped, bytes cut off or added, SeaweedFS",
    "a record, an answer, a checkpoint edited, directory",
    "a record, a blob, a dossier removed, directory",
    "two in each other's place, directory",
    "the tail cut off, an old ledger put back, directory",
    "the clock jumps, directory",
    "16 writers, 1,000 records, directory",
]


@pytest.fixture
def ground(request, tmp_path, monkeypatch):
    """A directory or a bucket, by its name; this test is an account on it."""

    def named(name):
        url = request.getfixturevalue("s3_server") if name == "SeaweedFS" else None
        for variable, value in credentials(tmp_path).items():
            monkeypatch.setenv(variable, value)
        return Bucket(tmp_path / "places", url) if url else Directory(tmp_path / "places")

    return named


@pytest.mark.parametrize(("fault", "name"), [(fault, name) for fault in QUICK for name in fault.on])
def test_nothing_is_lost_and_every_damage_is_found(ground, fault, name):
    row = run(fault, ground(name), seed=1, most=1)
    assert (row.is_well, row.words) == (True, [])
    assert row.tried == 1


def test_a_full_disk_and_one_that_is_away_for_a_second_lose_nothing(ground):
    here = ground("directory")
    for fault in (*disk_full.FAULTS, away.faults(seconds=1)[0]):
        row = run(fault, here, seed=1, most=1)
        assert row.is_well, row.words
        assert row.tried or "not tried: " in row.words[0]


@pytest.mark.parametrize("where", SEEN_QUICKLY)
def test_the_campaign_sees_a_defect_that_was_planted(ground, where):
    [defect] = [one for one in DEFECTS if where in one.seen_by]
    fault, name = where.rsplit(", ", 1)
    told = see(defect, where, EVERYTHING[fault], ground(name), seed=0)
    assert told["seen"] is not False
    assert told["words"]


def test_every_fault_on_every_ground_has_a_defect_that_it_must_see():
    tried = [f"{fault.name}, {name}" for fault in EVERYTHING.values() for name in fault.on]
    assert sorted(where for defect in DEFECTS for where in defect.seen_by) == sorted(tried)


@pytest.mark.parametrize(
    ("tried", "is_well"),
    [
        (Tried(), True),
        (Tried(lost=("a record",)), False),
        (Tried(broken=("a law",)), False),
        (Tried(damaged=True, found=True), True),
        (Tried(damaged=True, found=False), False),
    ],
)
def test_one_bad_trial_is_enough(tried, is_well):
    row = Row("fault", "ground")
    for one in (Tried(), tried):
        row.add(one)
    assert row.is_well == is_well


def test_a_trial_or_a_plan_that_ends_in_an_error_is_no_success():
    def fail(*_):
        raise ZeroDivisionError("planted")

    for plan in (fail, lambda *_: [fail]):
        row = run(Fault("f", plan), Named(), seed=0)
        assert (row.tried, row.survived) == (1, 0)
        assert "planted" in row.words[0]


def test_the_row_says_how_many_places_there_are_and_how_many_were_tried():
    def plan(*_):
        return [At(place, Tried) for place in ("a", "a", "b", "c")]

    row = run(Fault("f", plan), Named(), seed=0)
    assert (row.struck, row.places, row.tried, row.trials) == (3, 3, 4, 4)
    row = run(Fault("f", plan), Named(), seed=0, most=1)
    assert (row.struck, row.places, row.tried, row.trials) == (1, 3, 1, 4)
    assert "1/3" in line(row)
    assert "1/4" in line(row)


@pytest.mark.parametrize(("count", "expected"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3])])
def test_a_place_is_tried_the_first_time_the_last_time_and_once_between(count, expected):
    assert kills.times(count, Random(0)) == expected
    first, between, last = kills.times(200, Random(0))
    assert (first, last) == (1, 200)
    assert 1 < between < 200


def test_a_process_that_was_never_killed_is_no_success(ground):
    tried = kills.trial("put_blob", ground("directory"), "nowhere", 1)
    assert tried.broken == ("put_blob never came to nowhere",)


def test_the_same_work_comes_by_the_same_places_and_strings_are_none(ground):
    here = ground("directory")
    first, second = (kills.killed_at("put_blob", here.place())[1] for _ in range(2))
    assert first == second
    assert any(place.startswith("fsync, infra/local_store.py") for place in first)
    assert not any(place.startswith("replace") for place in first)


class Named:
    name = "ground"


def test_the_same_seed_draws_the_same_trials():
    drawn = []
    fault = Fault("f", lambda _ground, _random: [lambda n=n: drawn.append(n) or Tried() for n in range(50)])
    for seed in (3, 3, 4):
        run(fault, Named(), seed, most=5)
    assert drawn[:5] == drawn[5:10] != drawn[10:]


def test_the_command_answers_with_a_document_and_an_exit_code():
    asked = [sys.executable, "-m", "faults", "--json", "--few", "1", "--only", "put_blob, directory"]
    environment = credentials(Path("unused"))
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    assert (done.returncode, told["tried"], told["lost"], told["is_well"]) == (0, 1, 0, True), done.stderr
    assert "1 tried, 1 survived, 0 lost" in done.stderr
