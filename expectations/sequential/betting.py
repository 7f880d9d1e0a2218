"""Betting against a claim about two arms: the winnings are evidence that holds however often one looks.

The claim is that, in every block, the second arm's mean is at most the first arm's mean plus `shift`. Let the arms have
the shares w₁ and w₂ of a block's values; a stake g and centres m₁, m₂ = m₁ + shift are chosen before the block. Each
value of the second arm multiplies the winnings by 1 + g·w₁·(y − m₂), each of the first by 1 − g·w₂·(x − m₁). Both arms'
stakes are equal in sum, so by the inequality of the arithmetic and the geometric mean the product of the factors' means
is at most 1 wherever the claim holds, *whatever* the arms' common level is and however it moves from block to block:
what befalls both arms alike (a slow database, a bad hour) is no evidence. Values in one block may depend on one
another; what must hold is that, within a block, which arm serves a request does not depend on the answer.

So the winnings are a non-negative supermartingale that starts at 1 under the claim, and by Ville's inequality (1939)
they ever reach 1/α with a chance of at most α. For Bernoulli values this is the e-variable of Turner, Ly and Grünwald
("Generic E-variables for exact sequential k-sample tests", 2024); for bounded ones it is the betting of Waudby-Smith
and Ramdas ("Estimating means of bounded random variables by betting", JRSS B 2024). Stakes of many sizes are mixed, as
in Robbins' mixture test (1970); all claims that are not yet refuted make a confidence sequence (Howard, Ramdas,
McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", 2021).

Only sums are kept. f(y) = log(1 + λ(y − m)) lies above its chord over [0, 1] by at least κ·y(1 − y), where κ is the
most that the tangent allows at that end of [0, 1] where f is bent least: f less all that is zero at both ends, concave
up to one point, convex after it, and flat at that end, so never negative. Exact for zeros and ones, close for others,
and a lower bound on winnings stays valid.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_banded
from scipy.special import logsumexp

from expectations.sequential.ticks import CHALLENGER, Blocks, Numbers, Ticks

# Stakes g, about (expected difference) / variance: from small differences in a large level to ten times a small one.
STAKES = 0.025 * 2.0 ** np.arange(9)
WEIGHTS = np.array([1, 2, 3, 4, 5, 5, 4, 2, 1]) / 27
# No stake takes more than this part of what the worst value could take.
BOLDEST = 0.8
# How fast the centre forgets, so that it follows a base rate that moves: about so many blocks.
MEMORY = 50
# How much of the money begins with the first block, how much of what waits with the first one of each later stage, and
# how many blocks of a stage the rest is mostly spread over.
FIRST, NEW_STAGE, HORIZON = 0.5, 0.2, 100.0


def log_factors(blocks: Blocks, shift: Numbers | float, centre: Numbers | None = None) -> Numbers:
    """What each block multiplies each stake's winnings by, as logarithms: (..., B, S, STAKES) for shifts (S,).

    Each falls as `shift` grows: who refutes a shift has refuted every smaller one.
    """
    first, second = (_arm(blocks, arm) for arm in (0, 1))
    shares = blocks.count / blocks.count.sum(axis=-1, keepdims=True)
    centre = running_centre(blocks) if centre is None else centre
    w_first, w_second, level = (part[..., None, None] for part in (shares[..., 0], shares[..., 1], centre))
    shifts = np.atleast_1d(np.asarray(shift, dtype=np.float64))[:, None]
    boldest = BOLDEST / np.maximum(w_first * level, w_second * (1 - level))
    stake = np.where(np.isnan(level), 0.0, np.minimum(STAKES, boldest))
    level = np.nan_to_num(level)
    won = _log_winnings(stake * w_first, level + shifts * w_first, *second)
    return np.asarray(won + _log_winnings(-stake * w_second, level - shifts * w_second, *first))


def _arm(blocks: Blocks, arm: int) -> tuple[Numbers, Numbers, Numbers]:
    place = (..., arm, None, None)
    return blocks.count[place], blocks.total[place], blocks.spread[place]


def running_centre(blocks: Blocks) -> Numbers:
    """The level of both arms together that is expected before each block: (..., B). Blind to the block itself.

    NaN for the first one, on which nothing is bet.
    """
    count, total = (part.sum(axis=-1) for part in (blocks.count, blocks.total))
    centre = np.full(count.shape, np.nan)
    centre[..., 1:] = _remembered(total, 0.5)[..., :-1] / _remembered(count, 1.0)[..., :-1]
    bounded: Numbers = np.clip(centre, 1e-9, 1 - 1e-9)
    return bounded


def _remembered(values: Numbers, start: float) -> Numbers:
    """Sums that forget: what is remembered after each block, along the last axis."""
    # remembered[t] − keep·remembered[t−1] = values[t], solved for all t at once. (scipy.signal has a filter for it;
    # its import costs every run half a second.)
    if not values.size:
        return values
    keep = 1 - 1 / MEMORY
    added = values.reshape(-1, values.shape[-1]).T.copy()
    added[0] += keep * start
    bands = np.vstack([np.ones(len(added)), np.full(len(added), -keep)])
    return np.asarray(solve_banded((1, 0), bands, added).T.reshape(values.shape))


def _log_winnings(stake: Numbers, centre: Numbers, count: Numbers, total: Numbers, spread: Numbers) -> Numbers:
    """A lower bound on the sum of log(1 + stake·(value − centre)); −∞ where a stake could be ruined."""
    at_zero, at_one = 1 - stake * centre, 1 + stake * (1 - centre)
    alive = (at_zero > 1e-9) & (at_one > 1e-9)
    low, high = np.where(alive, at_zero, 1), np.where(alive, at_one, 1)
    slope = high / low - 1
    bent = np.where(stake > 0, np.log1p(slope) - slope / (1 + slope), slope - np.log1p(slope))
    won = (count - total) * np.log(low) + total * np.log(high) + spread * bent
    return np.where(alive, won, -np.inf)


def evidence(blocks: Blocks, shift: Numbers | float) -> Numbers:
    """The e-process against "second ≤ first + shift", begun with the first block: logarithms, (..., B, S)."""
    return mixed(np.cumsum(log_factors(blocks, shift), axis=-3))


def evidence_now(blocks: Blocks, shift: Numbers | float) -> Numbers:
    """The same after the last block alone, which is cheaper: (..., S)."""
    return mixed(log_factors(blocks, shift).sum(axis=-3))


def mixed(log_wealth: Numbers) -> Numbers:
    """All stakes' winnings together, each having begun with its part: (..., J) → (...)."""
    return np.asarray(logsumexp(log_wealth, axis=-1, b=WEIGHTS))


def restarting_evidence(log_factor: Numbers, stage: NDArray[np.int64] | None = None) -> Numbers:
    """An e-process that begins anew with every block, to find a fault that comes late: (..., B, S, J) → (..., B, S).

    The money is divided before anything is seen: half bets from the first block on, the rest waits and a part of it
    begins with each later block, more with the first one of a new stage. A sum of e-processes whose weights sum to 1 is
    an e-process, so Ville's inequality holds over the whole rollout with no correction for the restarts (compare Shin,
    Ramdas and Rinaldo, "E-detectors", 2024). Logarithms, after each block. `stage` (B,): of each block; default: one.
    """
    blocks = log_factor.shape[-3]
    wealth, found = np.zeros(log_factor[..., 0, :, :].shape), np.empty(log_factor.shape[:-1])
    begins, waits = restart_money(np.zeros(blocks, dtype=np.int64) if stage is None else stage)
    for at in range(blocks):
        with np.errstate(over="ignore"):
            wealth = np.minimum((wealth + begins[at]) * np.exp(log_factor[..., at, :, :]), 1e250)
        found[..., at, :] = np.log(wealth @ WEIGHTS + waits[at])
    return found


def restart_money(stage: NDArray[np.int64]) -> tuple[Numbers, Numbers]:
    """What begins to bet with each block, and what still waits after it; both (B,), and 1 in all."""
    fresh = np.isin(np.arange(len(stage)), np.unique(stage, return_index=True)[1])
    begins, waits, left, age = np.empty(len(stage)), np.empty(len(stage)), 1.0, 0
    for at, is_fresh in enumerate(fresh):
        age = 0 if is_fresh else age + 1
        part = FIRST if at == 0 else NEW_STAGE if is_fresh else 1 - _unspent(age) / _unspent(age - 1)
        begins[at] = left * part
        left -= begins[at]
        waits[at] = left
    return begins, waits


def _unspent(blocks: int) -> float:
    return float(1 / (1 + np.log1p(blocks / HORIZON)))


def limit_factors(ticks: Ticks, limit: float) -> Numbers:
    """Bets that the challenger's mean is above `limit`, tick by tick: logarithms, (T, 1, STAKES).

    The claim is that each value's mean, given the past, is at most `limit`. There is no comparison, so no block has to
    close. The large stakes make "so many bad answers one after the other" a part of it: there is no rule beside it.
    """
    parts = (part[:, CHALLENGER, None, None] for part in (ticks.count, ticks.total, ticks.total - ticks.squares))
    stakes: Numbers = BOLDEST * 0.5 ** np.arange(len(STAKES), dtype=np.float64) / limit
    return _log_winnings(stakes, np.full((1, 1), limit), *parts)


def limit_bets(limit: Numbers, boldness: Numbers) -> Numbers:
    """What each value, each unit of its sum and each unit of its spread adds to the logarithm of what bets win that
    say "the mean is above `limit`": (3, ..., J) for limits (...) and the parts (J,) of what the worst value could take.

    As with `limit_factors`, but once for all ticks: a tick's factor is linear in its three sums.
    """
    limits = limit[..., None]
    units = (tuple(np.array(float(at == unit)) for at in range(3)) for unit in range(3))
    return np.stack([_log_winnings(boldness / limits, limits, *unit) for unit in units])


def money_from(ticks: int, more: int) -> tuple[Numbers, Numbers]:
    """`restart_money` of one stage, for `more` ticks after the first `ticks`, at no cost for those before."""
    at = np.arange(ticks, ticks + more, dtype=np.float64)
    waits = (1 - FIRST) / (1 + np.log1p(at / HORIZON))
    before = (1 - FIRST) / (1 + np.log1p(np.maximum(at - 1, 0) / HORIZON))
    return np.where(at == 0, FIRST, before - waits), waits
