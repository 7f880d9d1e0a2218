"""One-time codes: what is accepted, once, and what locks a person out."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.errors import CannotAsk
from infra.one_time_codes import REMEMBERED, TRIES, Checked, check, codes_file, enrol

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
STEP = int(NOON.timestamp()) // 30


def app(uri):
    """An authenticator app: it knows the URI and nothing else."""
    return pyotp.parse_uri(uri)


def later(seconds):
    return NOON + timedelta(seconds=seconds)


def wrong_for(uri, at=NOON):
    """Six digits that are no code near that moment."""
    near = {app(uri).at(at + timedelta(seconds=30 * drift)) for drift in range(-3, 4)}
    return next(code for code in (f"{n:06}" for n in range(9)) if code not in near)


@pytest.fixture
def vera(tmp_path):
    return enrol(tmp_path, "vera")


def test_the_code_of_the_moment_is_right(tmp_path, vera):
    assert check(tmp_path, "vera", app(vera).at(NOON), NOON, "q1") == Checked(STEP)


def test_spaces_in_a_code_are_how_apps_show_it(tmp_path, vera):
    code = app(vera).at(NOON)
    assert check(tmp_path, "vera", f" {code[:3]} {code[3:]}\t", NOON, "q1").step == STEP


def test_the_secret_has_160_bits_and_names_the_person(vera):
    assert len(app(vera).byte_secret()) * 8 == 160
    assert (app(vera).name, app(vera).issuer) == ("vera", "Seatrial")


@pytest.mark.parametrize(("drift_s", "accepted"), [(-31, False), (-30, True), (30, True), (59, True), (60, False)])
def test_a_clock_may_be_one_step_off(tmp_path, vera, drift_s, accepted):
    # `NOON` is the first second of a step: the app's clock is ahead, or behind, by so much.
    verdict = check(tmp_path, "vera", app(vera).at(later(drift_s)), NOON, "q1")
    assert (verdict.step is not None) == accepted


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "abcdef", "12345a", "１２３４５６", "-12345", "1e5000", "12.456"]
)
def test_what_is_no_code_is_refused_and_is_no_guess(tmp_path, vera, code):
    for at in range(2 * TRIES):
        verdict = check(tmp_path, "vera", code, NOON, f"q{at}")
        assert verdict == Checked(None, "the one-time code is six digits, found something else.")
    assert check(tmp_path, "vera", app(vera).at(NOON), NOON, "last").step == STEP


def test_a_code_counts_once(tmp_path, vera):
    code = app(vera).at(NOON)
    assert check(tmp_path, "vera", code, NOON, "q1").step == STEP
    again = check(tmp_path, "vera", code, later(5), "q2")
    assert again.step is None
    assert "used before" in again.reason


def test_an_earlier_code_never_counts_after_a_later_one(tmp_path, vera):
    assert check(tmp_path, "vera", app(vera).at(later(30)), NOON, "q1").step == STEP + 1
    assert "used before" in check(tmp_path, "vera", app(vera).at(NOON), NOON, "q2").reason


def test_the_code_of_another_person_is_wrong(tmp_path, vera):
    olga = enrol(tmp_path, "olga")
    verdict = check(tmp_path, "vera", app(olga).at(NOON), NOON, "q1")
    assert verdict.reason == "the one-time code is not vera's at 12:00:00 UTC, when the answer came. 4 tries left."


def test_five_wrong_tries_in_a_row_lock_out_and_then_the_right_code_is_refused_too(tmp_path, vera):
    verdicts = [check(tmp_path, "vera", wrong_for(vera), NOON, f"q{at}") for at in range(TRIES)]
    assert [one.locked for one in verdicts] == [False] * 4 + [True]
    assert "1 try left" in verdicts[3].reason
    right = check(tmp_path, "vera", app(vera).at(NOON), NOON, "right")
    assert right.locked
    assert "seatrial identity enrol vera" in right.reason


def test_a_right_code_begins_the_count_anew(tmp_path, vera):
    for round_ in range(3):
        moment = later(60 * round_)
        for at in range(TRIES - 1):
            assert not check(tmp_path, "vera", wrong_for(vera, moment), moment, f"{round_}/{at}").locked
        assert check(tmp_path, "vera", app(vera).at(moment), moment, f"{round_}/right").step == STEP + 2 * round_


def test_one_persons_wrong_tries_lock_nobody_else(tmp_path, vera):
    olga = enrol(tmp_path, "olga")
    for at in range(TRIES):
        check(tmp_path, "vera", wrong_for(vera), NOON, f"q{at}")
    assert check(tmp_path, "olga", app(olga).at(NOON), NOON, "hers").step == STEP


def test_enrolling_again_lifts_the_lock_and_voids_the_old_secret(tmp_path, vera):
    for at in range(TRIES):
        check(tmp_path, "vera", wrong_for(vera), NOON, f"q{at}")
    new = enrol(tmp_path, "vera")
    assert check(tmp_path, "vera", app(vera).at(NOON), NOON, "old").step is None
    assert check(tmp_path, "vera", app(new).at(NOON), NOON, "new").step == STEP


def test_a_step_that_was_used_stays_used_after_enrolling_again(tmp_path, vera):
    assert check(tmp_path, "vera", app(vera).at(NOON), NOON, "q1").step == STEP
    new = enrol(tmp_path, "vera")
    assert "used before" in check(tmp_path, "vera", app(new).at(NOON), NOON, "q2").reason


def test_an_answer_that_is_read_again_has_the_same_verdict_and_counts_once(tmp_path, vera):
    first = check(tmp_path, "vera", wrong_for(vera), NOON, "q1")
    assert [check(tmp_path, "vera", wrong_for(vera), NOON, "q1") for _ in range(9)] == [first] * 9
    right = check(tmp_path, "vera", app(vera).at(NOON), NOON, "q2")
    assert check(tmp_path, "vera", app(vera).at(NOON), later(9999), "q2") == right
    assert check(tmp_path, "vera", app(vera).at(later(60)), later(60), "q1") == first


def test_who_is_not_enrolled_is_told_how_to_be(tmp_path):
    assert "seatrial identity enrol nobody" in check(tmp_path, "nobody", "123456", NOON, "q1").reason


def test_only_this_account_can_read_the_file(tmp_path, vera):
    assert stat.S_IMODE(codes_file(tmp_path).stat().st_mode) == 0o600
    codes_file(tmp_path).chmod(0o644)
    for ask in (lambda: check(tmp_path, "vera", "123456", NOON, "q1"), lambda: enrol(tmp_path, "olga")):
        with pytest.raises(CannotAsk, match="expected mode 0600, found 0644"):
            ask()


@pytest.mark.parametrize("found", [b"", b"{}", b"[]", b"\x00", b'{"people": 1, "answers": []}'])
def test_what_is_no_file_of_secrets_is_refused_and_left_alone(tmp_path, found):
    codes_file(tmp_path).touch(0o600)
    codes_file(tmp_path).write_bytes(found)
    with pytest.raises(CannotAsk, match="expected the secrets"):
        enrol(tmp_path, "vera")
    assert codes_file(tmp_path).read_bytes() == found


def test_no_code_is_kept(tmp_path, vera):
    code = app(vera).at(NOON)
    check(tmp_path, "vera", code, NOON, "q1")
    check(tmp_path, "vera", wrong_for(vera), NOON, "q2")
    kept = codes_file(tmp_path).read_text()
    assert code not in kept
    assert json.loads(kept)["people"]["vera"]["wrong"] == 1


def test_at_one_moment_one_of_many_is_first(tmp_path, vera):
    code = app(vera).at(NOON)
    with ThreadPoolExecutor(8) as many:
        verdicts = list(many.map(lambda at: check(tmp_path, "vera", code, NOON, f"q{at}"), range(16)))
    assert sum(one.step is not None for one in verdicts) == 1


def test_of_many_wrong_tries_at_one_moment_none_is_lost(tmp_path, vera):
    with ThreadPoolExecutor(8) as many:
        list(many.map(lambda at: check(tmp_path, "vera", wrong_for(vera), NOON, f"q{at}"), range(TRIES)))
    assert check(tmp_path, "vera", app(vera).at(NOON), NOON, "right").locked


def test_the_file_does_not_grow_for_ever(tmp_path, vera):
    path = codes_file(tmp_path)
    kept = json.loads(path.read_text())
    kept["answers"] = [[f"old{n}", {"step": None, "reason": "", "locked": False}] for n in range(REMEMBERED)]
    path.write_text(json.dumps(kept))
    check(tmp_path, "vera", "000", NOON, "new")
    names = [name for name, _ in json.loads(path.read_text())["answers"]]
    assert (len(names), names[0], names[-1]) == (REMEMBERED, "old1", "new")


ACTS = st.lists(st.tuples(st.sampled_from("rwo"), st.integers(0, 6), st.integers(-2, 2)), max_size=12)


@given(ACTS)
def test_whatever_is_tried_a_step_is_accepted_once_and_in_order_and_five_in_a_row_lock(acts):
    """Law: the accepted steps rise strictly, lie within one step of their moment, and none comes after a lock."""
    with TemporaryDirectory() as folder:
        home = Path(folder)
        vera, olga = enrol(home, "vera"), enrol(home, "olga")
        accepted, in_a_row, locked = [], 0, False
        for at, (kind, step, drift) in enumerate(acts):
            moment, shown = later(30 * step), later(30 * (step + drift))
            code = {"r": app(vera).at(shown), "w": wrong_for(vera, moment), "o": app(olga).at(shown)}[kind]
            # Two secrets, and two steps, give the same code once in a million.
            is_right = code in {app(vera).at(moment + timedelta(seconds=30 * off)) for off in (-1, 0, 1)}
            verdict = check(home, "vera", code, moment, f"q{at}")
            if verdict.step is not None:
                assert not locked
                assert is_right
                assert abs(verdict.step - STEP - step) <= 1
                accepted.append(verdict.step)
            in_a_row = 0 if verdict.step is not None else in_a_row + (not is_right)
            locked = locked or in_a_row >= TRIES
            assert verdict.locked == locked
        assert accepted == sorted(set(accepted))
