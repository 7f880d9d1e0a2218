"""An answer from the Prefect UI: whose it is, what it is on, and that nothing but a right one changes the ledger."""

from datetime import UTC, datetime, timedelta

import pytest
from waiting import Waiting

from tasks.ask import Answer, question_id
from tasks.hear import hear


@pytest.fixture
def desk(tmp_path):
    found = Waiting(tmp_path)
    found.serving("houses-1")
    found.begin("houses-2")
    return found


class Clock:
    """Moves on by whole steps of a code."""

    def __init__(self):
        self.now = datetime.now(UTC)

    def later(self, seconds=30):
        self.now += timedelta(seconds=seconds)
        return self.now


@pytest.fixture
def clock():
    return Clock()


def say(desk, clock, who="vera", decision="approve", release="houses-2", run="run", at=1, late_s=5, **odd):
    """What the form sends, typed at the clock's time and read a little later."""
    one = desk.release(release)
    code = odd.pop("code", None) or desk.apps[who].at(clock.now)
    told = {"decision": decision, "name": who, "one_time_code": code, "dossier": one.dossier_digest, **odd}
    answer = Answer(**told)
    name, read = question_id(run, at, answer), clock.now + timedelta(seconds=late_s)
    return hear(desk.ledger, desk.home, one, answer, clock.now, name, read)


def test_a_right_answer_is_recorded_once_however_often_it_is_read(desk, clock):
    for _ in range(3):
        assert say(desk, clock, comment="read it").counts
    assert desk.release("houses-2").status == "approved"
    assert desk.kinds().count("decided") == 2  # Also that on houses-1.
    assert desk.ledger.read()[-1].body["comment"] == "read it"


def test_a_no_stops_the_release(desk, clock):
    assert say(desk, clock, decision="reject").counts
    assert say(desk, clock, decision="reject").counts
    assert (desk.release("houses-2").status, desk.release("houses-2").rejected_by) == ("rejected", "vera")


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ({"who": "dev"}, "developed houses-2 and cannot approve it"),
        ({"name": "rita"}, "not rita's"),
        ({"name": "mallory"}, "nobody of that name"),
        ({"name": "otto"}, "no one-time code yet"),
        ({"code": "000000"}, "not vera's"),
        ({"code": "none"}, "six digits"),
        ({"dossier": "sha256:" + "0" * 64}, "another dossier"),
        ({"late_s": 3601}, "more than an hour old"),
        ({"late_s": -121}, "clocks differ"),
    ],
)
def test_what_does_not_hold_is_refused_with_its_reason_and_changes_no_release(desk, clock, odd, words):
    if odd.get("code") == "000000" and desk.apps["vera"].at(clock.now) == "000000":
        clock.later()
    heard = say(desk, clock, **odd)
    assert not heard.counts
    assert words in heard.words
    assert desk.release("houses-2").status == "waiting"


def test_a_name_may_be_written_otherwise(desk, clock):
    assert say(desk, clock, name=" VERA ").counts
    assert desk.release("houses-2").approvals[0].person == "vera"


def test_a_code_that_was_seen_in_prefect_serves_no_second_answer(desk, clock):
    desk.begin("houses-3")
    assert say(desk, clock).counts
    again = say(desk, clock, release="houses-3", run="another run")
    assert "used before" in again.words
    assert desk.release("houses-3").status == "waiting"


def test_a_code_is_used_up_by_an_answer_that_was_refused_for_another_reason(desk, clock):
    assert "another dossier" in say(desk, clock, dossier="other").words
    assert "used before" in say(desk, clock, at=2).words


def test_the_approval_of_one_dossier_is_none_of_another(desk, clock):
    desk.begin("houses-3", sentence="Another.")
    other = desk.release("houses-3").dossier_digest
    assert other != desk.release("houses-2").dossier_digest
    # The run's parameter was changed after the answer.
    assert "another dossier" in say(desk, clock, dossier=other).words


def test_an_answer_that_is_changed_in_prefect_afterwards_is_another_one(desk, clock):
    code = desk.apps["vera"].at(clock.now)
    assert "another dossier" in say(desk, clock, code=code, dossier="other").words
    # The same run, the same number, the same code: the rest was put in its place through the API.
    assert "used before" in say(desk, clock, code=code).words
    assert desk.release("houses-2").status == "waiting"


def test_five_wrong_codes_lock_out_and_the_ledger_says_so_once(desk, clock):
    for at in range(5):
        heard = say(desk, clock, code=desk.apps["rita"].at(clock.now), at=at)
    assert "locked out" in heard.words
    assert say(desk, clock, code=desk.apps["rita"].at(clock.now), at=4).words == heard.words
    clock.later()
    assert "locked out" in say(desk, clock, at=9).words
    assert desk.kinds().count("locked out") == 1
    assert desk.ledger.state().person("vera").locked
    desk.apps["vera"] = desk.enrol("vera")
    clock.later(60)
    assert say(desk, clock, at=10).counts


def test_after_a_crash_between_the_code_and_the_record_the_same_answer_is_recorded(desk, clock, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("tasks.hear.attest", crash)
        with pytest.raises(KeyboardInterrupt):
            say(desk, clock)
    assert desk.release("houses-2").status == "waiting"
    clock_then = clock.now
    assert say(desk, clock).counts
    assert clock.now == clock_then
    assert desk.release("houses-2").status == "approved"


def test_two_people_are_asked_where_two_are_needed(desk, clock):
    desk.begin("houses-4", approvals=2)
    assert say(desk, clock, release="houses-4").counts
    assert desk.release("houses-4").status == "waiting"
    clock.later()
    assert say(desk, clock, release="houses-4", at=2, comment="again").words == "vera has said approve; it is recorded."
    assert desk.release("houses-4").status == "waiting"
    clock.later()
    assert say(desk, clock, "rita", release="houses-4", at=3).counts
    assert desk.release("houses-4").status == "approved"


def test_no_code_is_in_what_is_said_or_shown(desk, clock):
    code = desk.apps["vera"].at(clock.now)
    answer = Answer(decision="approve", name="vera", one_time_code=code, dossier="d")
    assert code not in repr(answer)
    assert code not in str(answer)
    assert code not in say(desk, clock, dossier="other").words
