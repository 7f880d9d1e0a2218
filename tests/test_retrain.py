"""A model that is trained anew: why not, one at a time, in time, and never for a worse one."""

import shutil
import time
from datetime import UTC, datetime

import pytest
from retrained import World, ago, loans

from expectations.errors import CannotAsk
from expectations.state import MONITOR
from flows.release import release
from flows.retrain import retrain
from tasks.retraining.turn import Asked, begin, give_up
from tasks.rollout.drive import utc_now
from tasks.rollout.lease import only_one

pytestmark = pytest.mark.xdist_group("prefect")
ALARM = "alarm quality: it errs more"


@pytest.fixture(scope="module")
def served(tmp_path_factory, prefect_url):
    """A world in which the first model serves."""
    world = World(tmp_path_factory.mktemp("served"), prefect_url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEATRIAL_HOME", str(world.home))
        first = world.run(release, spec=str(world.spec), as_of="2026-02-01T00:00:00")
        assert first["outcome"] in ("passed", "warned"), first
        world.serves(first["release"])
    return world


@pytest.fixture
def world(served, tmp_path, prefect_url, monkeypatch):
    """A copy of it for this test alone."""
    shutil.copytree(served.folder, tmp_path / "mine")
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "mine" / "home"))
    world = World(tmp_path / "mine", prefect_url)
    world.alarm()
    return world


def refused(world, told, *words):
    """It was refused, the ledger says why, and nothing was begun."""
    assert told["status"] == "refused", told
    assert world.last("retraining refused")["why"] == told["why"]
    assert all(one in told["why"] for one in words), told["why"]
    assert "retraining begun" not in world.kinds()


def test_without_new_rows_nothing_is_trained_anew(world):
    refused(world, world.retrain("schedule"), "no row came to the sources since the champion's snapshot")


def test_what_is_refused_twice_for_the_same_is_written_down_once(world):
    assert world.retrain("schedule") == world.retrain("schedule")
    assert world.kinds().count("retraining refused") == 1
    assert world.retrain(ALARM)["status"] == "refused"
    assert world.kinds().count("retraining refused") == 2


def test_a_change_of_unit_in_what_is_asked_stops_it_and_says_which(world):
    world.has(loans(), loans(seed=1, since="2026-03-01"))
    world.asked(loans(400, 2).assign(income=lambda rows: rows["income"] * 1000))
    told = world.retrain(since=ago(minutes=5))
    refused(world, told, "the fault lies upstream, in what is asked of it: income: its values are 1,", "whoever fills")


def test_a_change_of_unit_in_new_rows_of_the_source_stops_it(world):
    world.has(loans(), loans(seed=1, since="2026-03-01").assign(amount=lambda rows: rows["amount"] / 12))
    refused(world, world.retrain(since=ago(minutes=5)), "in new rows of the sources: amount: its values are 1/12")


def test_a_source_that_its_own_checks_refuse_stops_it(world):
    world.has(loans(), loans(seed=1, since="2026-03-01").assign(income=float("nan")))
    refused(world, world.retrain(since=ago(minutes=5)), "upstream, in the data:", "income")


def test_a_source_that_is_away_stops_it(world):
    (world.folder / "loans.csv").unlink()
    refused(world, world.retrain(), "loans.csv")


def test_of_few_requests_an_alarm_cannot_tell_the_cause_and_says_so(world):
    world.has(loans(), loans(seed=1, since="2026-03-01"))
    world.asked(loans(40, 2))
    refused(world, world.retrain(since=ago(minutes=5)), "cannot tell yet whether the fault lies upstream", "100")


def test_a_spec_that_trains_nothing_or_is_another_models_is_refused(world):
    text = world.spec.read_text()
    world.spec.write_text(text.replace('{train: "train:fit"}', "{skops: model.skops}"))
    refused(world, world.retrain(), "nothing that trains")
    world.spec.write_text(text.replace("name: loan", "name: boats"))
    refused(world, world.retrain(), "expected the spec of loan, found that of boats")


def test_of_what_does_not_serve_nothing_is_trained_anew(world):
    asked = Asked(world.url, "boats", str(world.spec), "schedule")
    with pytest.raises(CannotAsk, match="boats: nothing serves"):
        asked.serving()


def test_of_an_alarm_that_is_over_nothing_is_trained_anew(world):
    world.has(loans(), loans(seed=1, since="2026-03-01"))
    world.append("alarm ended", alarm="quality", release=world.champion().id, why="it is calm", by=MONITOR)
    refused(world, world.retrain(since=ago(minutes=5)), "the alarm that asked for it is over")


def test_one_that_fails_each_time_is_ended_and_says_so(world):
    begun(world)
    asked = Asked(world.url, "loan", "", ALARM)
    record = give_up(asked, world.ledger.state().retrainings["loan"], "it failed 3 times")
    assert (record.kind, record.body["why"], record.body["candidate"]) == (
        "retraining ended",
        "it failed 3 times",
        None,
    )
    assert world.ledger.state().retrainings["loan"].status == "ended"


def test_by_the_clock_what_does_not_serve_is_refused(world):
    told = world.run(retrain, model="boats", spec=str(world.spec), cause="schedule")
    assert (told["status"], told["why"]) == (
        "refused",
        "nothing serves as boats, so there is nothing to train anew. Release a first one.",
    )


def test_while_another_process_is_at_it_it_is_refused(world):
    with only_one(world.home, world.url, "loan", "retraining"):
        refused(world, world.retrain(), "has its retraining under way")


def begun(world):
    """It was begun, by somebody who is dead."""
    moment = datetime.now(UTC).replace(tzinfo=None, microsecond=0).isoformat()
    body = {"release": world.champion().id, "cause": ALARM, "until": ago(hours=-1), "as_of": moment}
    world.append("retraining begun", **body)


def test_a_better_model_waits_for_people_in_time_and_says_what_it_had_a_part_in(world):
    """The labels flipped: no fault of what is sent, so it is answered; and the model was asked about the new rows."""
    flipped = loans(seed=1, flipped=True, since="2026-03-01")
    world.has(flipped)
    world.asked(flipped.head(450))
    told = world.retrain(since=ago(minutes=5))
    assert told["status"] == "ended", told
    candidate = world.ledger.state().releases[told["candidate"]]
    assert candidate.status == "waiting", told
    assert told["why"] == f"{candidate.id} waits for 1 decision(s)."
    assert told["within_budget"]
    assert 300 <= told["seconds"] < told["budget_seconds"] == 3600
    assert [one.split(";")[0] for one in told["echo"]] == [
        "share of the new rows that the model surely was asked about before: at most 0.1"
    ]
    assert world.dossier(candidate.id)["spec"]["comparison"]["must_be_better"] is True
    assert world.last("release started")["retraining"] is True
    again = world.retrain()
    assert again["status"] == "refused"
    assert f"there is a candidate already: {candidate.id} (waiting)" in again["why"]
    assert world.kinds().count("retraining begun") == 1


def test_a_model_that_is_not_better_is_stopped_and_the_next_waits_for_the_cool_down(world):
    world.has(loans(), loans(300, seed=5, since="2026-03-01"))
    told = world.retrain("schedule")
    candidate = world.ledger.state().releases[told["candidate"]]
    assert candidate.status == "stopped"
    assert "comparison: not better than what serves" in told["why"]
    assert told["echo"] == []
    again = world.retrain("schedule")
    assert again["status"] == "refused"
    assert "24 hours (monitoring.retrain.cool_down_hours) must pass" in again["why"]


def test_killed_it_goes_on_with_the_same_data_and_never_twice(world):
    flipped = loans(seed=1, flipped=True, since="2026-03-01")
    world.has(flipped)
    for kind in ("retraining begun", "release started"):
        process = world.start(since=ago(minutes=5))
        while kind not in world.kinds()[4:]:
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
        process.wait()
    as_of = world.ledger.state().retrainings["loan"].as_of
    world.has(flipped, loans(seed=6, since="2026-03-02"))
    told = world.retrain("schedule")
    assert told["status"] == "ended", told
    kinds = world.kinds()
    assert [kinds.count(kind) for kind in ("retraining begun", "retraining ended", "release started")] == [1, 1, 2]
    assert world.ledger.state().releases[told["candidate"]].as_of == as_of
    assert world.last("retraining begun")["cause"] == ALARM


def test_one_that_was_begun_against_what_serves_no_more_is_ended(world):
    begun(world)
    world.follows("another")
    told = world.retrain("schedule")
    assert "serves no more, and it was to be better than that" in world.last("retraining ended")["why"]
    assert told["status"] == "refused"
    assert "hours (monitoring.retrain.cool_down_hours) must pass" in told["why"]


def test_what_was_begun_on_another_machine_is_not_begun_twice(world):
    """The lock is this account's; what all see is the ledger."""
    begun(world)
    asked = Asked(world.url, "loan", str(world.spec), "schedule")
    assert begin(asked, utc_now()).startswith("one is under way since")
    assert world.kinds().count("retraining begun") == 1
