"""What a rollout does next: pure decisions on what the ledger, the clock and the judge say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import polars as pl

from expectations.sequential.answers import Answer, Kind, together
from expectations.sequential.stages import Stage as Standing
from expectations.state import Rollout
from expectations.traffic import OBEYS_WITHIN_S
from tasks.rollout.plan import Plan


class Act(StrEnum):
    """What can be done."""

    HOLD = "hold"
    ENTER = "enter"
    WITHDRAW = "withdraw"
    PROMOTE = "promote"
    ROLL_BACK = "roll back"


@dataclass(frozen=True)
class Move:
    """One act, why, and the stage that it enters."""

    act: Act
    words: str
    stage: int = -1


def entered(rollout: Rollout) -> str:
    """When the present stage began, or the rollout itself."""
    return rollout.timeline[-1].time if rollout.timeline else rollout.started_at


def minutes_since(time: str, now: datetime) -> float:
    """Minutes from a time in the ledger until now."""
    return (now - datetime.fromisoformat(time)).total_seconds() / 60


def standing(plan: Plan, rollout: Rollout, now: datetime, last: Mapping[str, datetime]) -> Standing:
    """Where the rollout stands, as the judge is told. `last`: when each release was asked last."""
    at, step = rollout.stage, plan.steps[rollout.stage]
    elapsed = minutes_since(entered(rollout), now)
    # In the last stage nobody is left for the champion.
    arms = [plan.release.id] if at == len(plan.stages) - 1 else [plan.champion, plan.release.id]
    idle = max(min(elapsed, _minutes_until(now, last.get(arm))) for arm in arms)
    shares = [0.0 if stage.shadow else stage.share for stage in plan.stages]
    return Standing(
        number=at,
        share=shares[at],
        next_share=shares[min(at + 1, len(shares) - 1)],
        minutes=step.minutes,
        requests=step.requests,
        elapsed=elapsed,
        idle=idle,
        stalled=plan.spec.rollout.stalled_minutes,
    )


def _minutes_until(now: datetime, then: datetime | None) -> float:
    return float("inf") if then is None else (now - then).total_seconds() / 60


def next_move(plan: Plan, rollout: Rollout, answers: Sequence[Answer]) -> Move:
    """What follows from the judge's answers in a stage."""
    said, ahead = together(answers, plan.spec.rollout.alpha), rollout.stage + 1
    if said.kind is Kind.ROLL_BACK:
        return Move(Act.ROLL_BACK, said.words)
    if said.kind is Kind.CANNOT_TELL:
        more = f" About {said.more:,} more {said.unit}." if said.more else ""
        return Move(Act.HOLD, f"cannot tell yet: {said.words}{more}")
    words = _good(answers)
    if ahead == len(plan.stages):
        return Move(Act.PROMOTE, words)
    return _enter(plan, rollout, ahead, words)


def _good(answers: Sequence[Answer]) -> str:
    """In short; the figures are in the evidence."""
    metrics = [answer.metric for answer in answers if answer.metric not in ("traffic", "time")]
    served = [answer.words for answer in answers if answer.metric == "traffic"]
    return f"good in {', '.join(metrics)}. {' '.join(served)}"


def _enter(plan: Plan, rollout: Rollout, stage: int, words: str) -> Move:
    if plan.stages[stage].go_ahead and stage not in rollout.go_aheads:
        name = plan.spec.model.name
        return Move(Act.HOLD, f"good so far; stage {stage + 1} waits for a person: seatrial go-ahead {name} --as NAME")
    return Move(Act.ENTER, words, stage)


def rehearse(plan: Plan, rollout: Rollout, rows: pl.DataFrame) -> Move | None:
    """The rehearsal of the rollback, in the shadow stage: None once it is over, or where there is no shadow stage.

    The challenger is taken back while nobody is answered by it yet, and the log tells when gateways stopped asking it.
    `rows`: what was logged since the rollout began.
    """
    if rollout.stage < 0 and not rollout.timeline:
        return _enter(plan, rollout, 0, "the rollout begins")
    if not plan.stages[0].shadow or rollout.stage > 0:
        return None
    withdrawn = [datetime.fromisoformat(line.time) for line in rollout.timeline if line.stage == -1]
    if rollout.stage < 0:
        return _obeyed(rows, withdrawn[-1])
    if withdrawn:
        return None
    seen = rows["shadow"].sum()
    if not seen:
        return Move(Act.HOLD, "rehearsal: cannot tell yet, no request was scored in shadow")
    return Move(Act.WITHDRAW, f"rehearsal of the rollback, after {seen:,} requests in shadow")


def _obeyed(rows: pl.DataFrame, withdrawn: datetime) -> Move:
    after = rows.with_columns(late=(pl.col("time") - withdrawn).dt.total_microseconds() / 1e6).filter(
        pl.col("late") > 0
    )
    shadows = after.filter("shadow")["late"]
    slowest = float(shadows.max() or 0.0)  # type: ignore[arg-type]
    if slowest > OBEYS_WITHIN_S:
        words = f"rehearsal: {slowest:.1f} s after the rollback a gateway still asked the challenger"
        return Move(Act.ROLL_BACK, f"{words}; {OBEYS_WITHIN_S:g} s are promised.")
    seen = after.filter(pl.col("late") > OBEYS_WITHIN_S)
    if not len(seen):
        return Move(Act.HOLD, "rehearsal: cannot tell yet, no request since the rollback")
    return Move(Act.ENTER, f"rehearsal: all gateways obeyed within {slowest:.1f} s ({len(seen):,} answers since)", 0)
