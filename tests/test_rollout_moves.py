"""What a rollout does next, and how what was logged is counted: pure decisions on small tables."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_rollout import SPEC

from expectations.history import Release
from expectations.sequential.answers import Answer, Kind
from expectations.spec import ReleaseSpec
from expectations.state import Moved, Rollout, Stage
from tasks.rollout.counting import ENOUGH, MOST_SLICES, count, set_yardsticks
from tasks.rollout.moves import Act, next_move, rehearse, standing
from tasks.rollout.plan import Plan

START = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = {"time": pl.Datetime("us", "UTC"), "error": pl.String, "stage": pl.Int16, "shadow": pl.Boolean}
KINDS |= {"release": pl.String, "request_id": pl.String, "row": pl.Int32, "latency_ms": pl.Float64}
STAGES = (Stage(shadow=True), Stage(0.1), Stage(1.0, go_ahead=True))


def plan(task="regression", scale=1000.0):
    model = {"name": "cars", "task": task, "owner": "olga", **({"positive": "1"} if task == "binary" else {})}
    watch = {"errors": {"tolerance": 0.1}, "quality": {"tolerance": 0.1}}
    spec = ReleaseSpec.model_validate({**SPEC, "model": model, "rollout": {**SPEC["rollout"], "watch": watch}})
    steps = (*spec.rollout.steps[:1] * 2, spec.rollout.steps[-1])
    release = Release("r2", "cars", "", "", (), 1, "", package_digest="p")
    return Plan(release, "r1", spec, STAGES, steps, scale)


def rollout(stage, *moved, go_aheads=()):
    lines = tuple(Moved((START + timedelta(seconds=at)).isoformat(), to, "") for at, to in moved)
    times = {"lease_until": START.isoformat(), "started_at": START.isoformat()}
    return Rollout("r2", "r1", "s", STAGES, "h", stage=stage, timeline=lines, go_aheads=go_aheads, **times)


def rows(n=4, release="r1", seconds=0.0, every=0.1, **columns):
    """Rows of the log: good answers, one every tenth of a second."""
    told = {
        "time": [START + timedelta(seconds=seconds + at * every) for at in range(n)],
        "request_id": [f"{release}-{seconds}-{at}" for at in range(n)],
        "row": [0] * n,
        "release": [release] * n,
        "stage": [0] * n,
        "shadow": [False] * n,
        "error": [None] * n,
        "latency_ms": [1.0] * n,
        "output.prediction": [100.0] * n,
        "output.trusted": [True] * n,
    }
    return pl.DataFrame({**told, **columns}, schema_overrides=KINDS)


def test_a_rollout_begins_with_its_first_stage():
    assert rehearse(plan(), rollout(-1), rows(0)).act is Act.ENTER


def test_in_the_first_shadow_the_challenger_is_taken_back_once_it_was_asked():
    shadow = rows(3, "r2", shadow=[True] * 3)
    assert rehearse(plan(), rollout(0, (0, 0)), rows()).act is Act.HOLD
    assert rehearse(plan(), rollout(0, (0, 0)), pl.concat([rows(), shadow])).act is Act.WITHDRAW


@pytest.mark.parametrize(
    ("late_s", "champion_s", "act", "words"),
    [
        (1.0, 9.0, Act.ENTER, "obeyed within 1.0 s"),
        (2.0, 9.0, Act.ENTER, "obeyed within 2.0 s"),
        (2.1, 9.0, Act.ROLL_BACK, "2.1 s after the rollback a gateway still asked"),
        (1.0, 1.5, Act.HOLD, "cannot tell yet, no request since the rollback"),
    ],
)
def test_the_rehearsal_tells_whether_gateways_obeyed_in_time(late_s, champion_s, act, words):
    seen = pl.concat([rows(1, "r2", 10 + late_s, shadow=[True]), rows(1, "r1", 10 + champion_s)])
    move = rehearse(plan(), rollout(-1, (0, 0), (10, -1)), seen)
    assert (move.act, words in move.words) == (act, True), move


def test_after_the_rehearsal_the_judge_is_asked():
    assert rehearse(plan(), rollout(0, (0, 0), (10, -1), (15, 0)), rows()) is None
    assert rehearse(plan(), rollout(1, (0, 0), (10, -1), (15, 0), (20, 1)), rows()) is None


def answer(kind, more=None):
    return Answer("errors", kind, "errors: seen.", more)


def test_each_of_the_three_answers_has_its_move():
    at_first = rollout(0, (0, 0), (1, -1), (2, 0))
    assert next_move(plan(), at_first, [answer(Kind.ADVANCE)]).stage == 1
    assert next_move(plan(), at_first, [answer(Kind.ROLL_BACK)]).act is Act.ROLL_BACK
    told = next_move(plan(), at_first, [answer(Kind.CANNOT_TELL, 70)])
    assert (told.act, "About 70 more requests" in told.words) == (Act.HOLD, True)
    assert next_move(plan(), at_first, []).act is Act.HOLD


def test_a_person_is_waited_for_and_the_last_stage_promotes():
    waits = next_move(plan(), rollout(1, (0, 1)), [answer(Kind.ADVANCE)])
    assert (waits.act, "seatrial go-ahead cars" in waits.words) == (Act.HOLD, True)
    assert next_move(plan(), rollout(1, (0, 1), go_aheads=(2,)), [answer(Kind.ADVANCE)]).act is Act.ENTER
    assert next_move(plan(), rollout(2, (0, 2)), [answer(Kind.ADVANCE)]).act is Act.PROMOTE


def test_a_stage_is_idle_since_that_arm_was_asked_which_waits_longest():
    now, last = START + timedelta(minutes=10), {"r1": START + timedelta(minutes=9), "r2": START + timedelta(minutes=4)}
    assert standing(plan(), rollout(1, (0, 1)), now, last).idle == 6
    assert standing(plan(), rollout(1, (0, 1)), now, {"r1": now}).idle == 10
    # In the last stage nobody is left for the champion.
    assert standing(plan(), rollout(2, (0, 2)), now, {"r2": now}).idle == 0


def test_yardsticks_need_enough_answers_of_the_champion():
    assert set_yardsticks(plan(), rows(ENOUGH - 1)) is None
    yard = set_yardsticks(plan(), rows(ENOUGH, latency_ms=np.arange(1.0, ENOUGH + 1)))
    assert 0.9 * ENOUGH < yard.limit_ms < ENOUGH
    labels = set_yardsticks(plan("binary"), rows(ENOUGH, **{"output.prediction": ["0", "1"] * (ENOUGH // 2)}))
    assert labels.classes == ("0", "1")


YARD = set_yardsticks(plan(), rows(ENOUGH))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 20))
def test_every_answer_is_counted_once_in_its_arm_however_finely_it_is_cut(champion, challenger, errors):
    failed = min(errors, challenger)
    mine = rows(challenger, "r2", 0.05, error=["late"] * failed + [None] * (challenger - failed))
    tally = count(
        plan(), YARD, pl.concat([rows(champion), mine], how="diagonal_relaxed"), rows(0).with_columns(truth=pl.lit(""))
    )
    if champion + challenger:
        ticks = tally.ticks["errors"][0]
        assert ticks.count.sum(axis=0).tolist() == [champion, challenger]
        assert ticks.total.sum(axis=0).tolist() == [0, failed]
        assert 1 <= len(ticks) <= MOST_SLICES


def test_what_was_answered_before_the_rollout_is_not_counted():
    assert count(plan(), YARD, rows(stage=[-1] * 4), rows(0).with_columns(truth=pl.lit(""))).ticks == {}


def test_quality_is_the_error_as_a_share_of_the_scale_and_without_one_it_says_so():
    labelled = rows(2).with_columns(truth=pl.lit("600"), truth_number=pl.Series([600.0, 5100.0]), value=pl.lit(None))
    tally = count(plan(), YARD, rows(0), labelled)
    assert tally.ticks["quality"][0].total.sum() == pytest.approx(0.5 + 1.0)
    assert "scale is missing" in count(plan(scale=None), YARD, rows(0), labelled).errors["quality"]


def test_a_label_is_wrong_as_a_person_reads_it():
    said = rows(3, **{"output.prediction": [1, 0, 1]})
    labelled = said.with_columns(truth=pl.Series(["1", "1.0", "0"]), truth_number=pl.lit(None), value=pl.lit(None))
    yard = set_yardsticks(plan("binary"), rows(ENOUGH, **{"output.prediction": [0, 1] * (ENOUGH // 2)}))
    assert count(plan("binary"), yard, rows(0), labelled).ticks["quality"][0].total.sum() == 2
