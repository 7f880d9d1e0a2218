"""Confidence sequences of a difference: between which numbers it lies, at all times together.

A shift that the bets of `betting` refute is outside; what is left is the interval. The winnings fall as the shift
grows, so the ends are found by search, and an end that was not searched for finely is too far out, never too near.
"""

import math
from dataclasses import dataclass

import numpy as np

from expectations.sequential.betting import evidence_now
from expectations.sequential.ticks import Blocks, Numbers

_ROUNDS, _EACH = 7, 5


@dataclass(frozen=True)
class Point:
    """What was known after `n` values of both arms together: the challenger's mean less the champion's."""

    n: int
    estimate: float
    lower: float
    upper: float


def difference_sequence(blocks: Blocks, alpha_lower: float, alpha_upper: float, points: int = 1) -> tuple[Point, ...]:
    """The interval after the last block and at `points` − 1 moments before it; none without blocks.

    All lower ends hold together with a chance of at least 1 − `alpha_lower`, all upper ones with 1 − `alpha_upper`.
    """
    there = blocks.count.shape[0]
    if not there:
        return ()
    ends = np.unique(np.geomspace(1, there, points).astype(int)) if points > 1 else [there]
    return tuple(_point(_until(blocks, int(end)), alpha_lower, alpha_upper) for end in ends)


def _until(blocks: Blocks, end: int) -> Blocks:
    return Blocks(blocks.count[:end], blocks.total[:end], blocks.spread[:end])


def _point(blocks: Blocks, alpha_lower: float, alpha_upper: float) -> Point:
    lower = _largest_refuted(blocks, alpha_lower)
    upper = -_largest_refuted(blocks.swapped(), alpha_upper)
    return Point(int(blocks.count.sum()), estimated_difference(blocks), lower, upper)


def estimated_difference(blocks: Blocks) -> float:
    """Within each block, then over blocks by how much each tells: a level that moves between them takes no part."""
    weight = blocks.count.prod(axis=-1) / blocks.count.sum(axis=-1)
    means = blocks.total / blocks.count
    return float(np.average(means[..., 1] - means[..., 0], weights=weight))


def _largest_refuted(blocks: Blocks, alpha: float) -> float:
    """The largest shift with evidence of 1/α against "second ≤ first + shift"; −1 where there is none."""
    low, high = -1.0, 1.0
    for _ in range(_ROUNDS):
        shifts: Numbers = np.linspace(low, high, _EACH)
        refuted = np.flatnonzero(evidence_now(blocks, shifts[1:-1]) >= -math.log(alpha))
        last = int(refuted[-1]) + 1 if len(refuted) else 0
        low, high = float(shifts[last]), float(shifts[last + 1])
    return low
