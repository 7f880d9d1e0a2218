"""The judge of a rollout's step: advance, roll back, or cannot tell yet. Right at every moment, however often asked.

*Roll back* where the evidence against "as good as the champion, in every metric" reaches 1/α. The evidence runs through
all steps without a break, begins anew with every block for faults that come late, and its money is divided over the
metrics. So over all steps, metrics and looks together, a good challenger is rolled back with a chance of at most α.

*Advance* where, in this step and for every metric, "worse by `tolerance` or more" is refuted at α. Before the last
step the question is put to what the next one exposes: a difference d that meets the share s of the traffic does the
harm d·s, so `tolerance / s` is asked. A challenger that is bad in one metric must pass the test of that metric, so
neither the number of metrics nor that of the steps needs a correction: it gets to all the traffic with a chance of at
most α. With all the traffic moved and no champion measured, what has a hard limit must be surely below it, and there is
no answer about what has none.

*Cannot tell* is everything else: too early, too few, nothing measured, an error while measuring.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from expectations.sequential.answers import Answer, Kind
from expectations.sequential.metric import Case
from expectations.sequential.stages import Stage
from expectations.sequential.ticks import CHALLENGER, Ticks
from expectations.sequential.watching import Watched

# A metric's ticks; several where it is compared at several places, all with the same counts; or why there are none.
Seen: TypeAlias = Sequence[Ticks] | str
NOT_SEEN = "it was not measured"


def judge_rollout(
    asked: Sequence[Watched], seen: Mapping[str, Seen], stage: Stage, alpha: float, points: int = 1
) -> list[Answer]:
    """One answer for each metric, then one for the traffic and one for the time; `together` makes one of them.

    `asked`: what the spec watches, by `watched`. `seen`: by metric the ticks of *all* steps since the rollout began, or
    in words why it could not be measured; a metric that is not there was not measured. Ask as often as you like.
    `alpha` of the spec. `points`: how many intervals to give for drawing; each takes time, so 1 while judging.
    """
    told = [_one(item, seen.get(item.name, NOT_SEEN), stage, alpha, 1 / len(asked), points) for item in asked]
    return [*(answer for answer in told if answer), _traffic(asked, seen, stage), _time(stage)]


def _one(item: Watched, seen: Seen, stage: Stage, alpha: float, money: float, points: int) -> Answer | None:
    if isinstance(seen, str) or not seen:
        words = f"{item.name}: {seen or NOT_SEEN}."
        return Answer(item.name, Kind.CANNOT_TELL, words, unit=item.unit, against=money)
    return Case(item, seen, stage, alpha, money, points).answer()


def _time(stage: Stage) -> Answer:
    left = math.ceil(stage.minutes - stage.elapsed)
    if left > 0:
        return Answer("time", Kind.CANNOT_TELL, f"time: {left:,} more minutes of this step.", left, "minutes")
    return Answer("time", Kind.ADVANCE, f"time: {stage.elapsed:,.0f} of {stage.minutes:,g} minutes.", unit="minutes")


def _traffic(asked: Sequence[Watched], seen: Mapping[str, Seen], stage: Stage) -> Answer:
    """No traffic, or too little, is told by name and is never a success."""
    served = max((_served(seen.get(item.name, ""), stage) for item in asked if item.unit == "requests"), default=0)
    if stage.idle >= stage.stalled:
        return Answer("traffic", Kind.CANNOT_TELL, f"traffic: stalled, nothing came for {stage.idle:,.0f} minutes.")
    if (left := max(stage.requests, 1) - served) > 0:
        words = f"traffic: {served:,} requests to the challenger of {stage.requests:,} that the plan asks for."
        return Answer("traffic", Kind.CANNOT_TELL, words, left)
    return Answer("traffic", Kind.ADVANCE, f"traffic: {served:,} requests to the challenger.")


def _served(seen: Seen, stage: Stage) -> int:
    if isinstance(seen, str) or not seen:
        return 0
    return int(seen[0].of(stage.number).count[:, CHALLENGER].sum())
