"""What was won so far against the claims of one alarm: all that has to be kept between two looks, however long it runs.

Each strand of an alarm is a claim about values in [0, 1]: given the past, each one's mean is at most its limit and so
many tolerances. Bets of several sizes run against it, and begin anew with every tick (`betting`), so that a change
that comes late is found too. What a tick multiplies the winnings by depends on its sums alone, so an account needs the
winnings and no tick that was: it is as large after years as after a minute, and to go on costs the new ticks. Nothing
that comes later changes what a tick has won.

Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (JRSS B 2024); Shin, Ramdas and
Rinaldo, "E-detectors" (2024), whose sums over starts are weighted here so that they sum to 1; Podkopaev and Ramdas,
"Tracking the risk of a deployed model and detecting harmful distribution shifts" (ICLR 2022).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from expectations.sequential.betting import BOLDEST, limit_bets, money_from
from expectations.sequential.ticks import Numbers

# Parts of what the worst value could take; each a third of the one before, so that none is far from the best one.
BOLDNESS: Numbers = BOLDEST / 3.0 ** np.arange(5, dtype=np.float64)
# More than this no bet wins: numbers end.
_MOST = 1e250
# The calm is asked of so many parts of its time; what is older is forgotten part by part.
CALM_PARTS = 4
# A calm that is none is taken for one with about this chance.
_CALM_ALPHA = 0.05
Whole = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sums:
    """Of T ticks and N strands: `when` (T,) int64, rising, such as UTC seconds; `count`, `total`, `squares` (T, N)."""

    when: Whole
    count: Numbers
    total: Numbers
    squares: Numbers


@dataclass(frozen=True, eq=False)
class Asked:
    """The claims of one alarm. `limit`, `tolerance` (N,); `levels`: the multiples of the tolerance that are asked
    about, rising from 1; `alpha`: this alarm's part of the chance of a false one; `calm`: how long, in units of `when`,
    it must be quiet before the alarm ends."""

    labels: tuple[str, ...]
    limit: Numbers
    tolerance: Numbers
    levels: tuple[float, ...] = (1.0,)
    alpha: float = 0.05
    calm: float = 0.0

    @cached_property
    def means(self) -> Numbers:
        """(N, K) what each value's mean is at most, by the claim. A mean of 1 is never refuted."""
        return np.minimum(self.limit[:, None] + np.array(self.levels) * self.tolerance[:, None], 1.0)

    @cached_property
    def bets(self) -> Numbers:
        """(3, N, K, J) what a tick's three sums are worth to each bet."""
        return limit_bets(self.means, BOLDNESS)

    @cached_property
    def calm_counts(self) -> Numbers:
        """(N,) so many values tell a mean at limit + tolerance / 2 from one at limit + tolerance (Chernoff)."""
        low, high = (np.clip(self.limit + part * self.tolerance, 1e-9, 1 - 1e-9) for part in (0.5, 1.0))
        return np.asarray(-math.log(_CALM_ALPHA) / np.maximum(divergence(low, high), 1e-9))


def divergence(one: Numbers, other: Numbers) -> Numbers:
    """Kullback and Leibler's, of two chances inside (0, 1)."""
    return np.asarray(one * np.log(one / other) + (1 - one) * np.log((1 - one) / (1 - other)))


@dataclass(frozen=True, eq=False)
class Account:
    """One alarm after `ticks` ticks with values of its `round`, which ends when an alarm has: the next one asks anew.

    `at_play` (N, K, J): what the bets hold. `best` (K,): logarithm of the most that the evidence against each level
    ever was. `spoke` (N,): strands that were enough for an alarm by themselves. `seen` (N,): values in this round.
    `excess`, `since`, `count`, `total` (N,): Page's sum against limit + tolerance, from when on it is above zero, and
    what came since. `recent` (CALM_PARTS + 1, 2, N): counts and totals of the last parts of the calm, the open one
    last; `opened`: when that one began, `parts`: how many are closed.
    """

    ticks: int
    round: int
    at_play: Numbers
    best: Numbers
    spoke: NDArray[np.bool_]
    seen: Numbers
    excess: Numbers
    since: Whole
    count: Numbers
    total: Numbers
    recent: Numbers
    opened: int
    parts: int


def begin(asked: Asked, round_: int = 0) -> Account:
    """Nothing was seen yet."""
    n, levels = len(asked.labels), len(asked.levels)
    zero = np.zeros(n)
    recent = np.zeros((CALM_PARTS + 1, 2, n))
    at_play = np.zeros((n, levels, len(BOLDNESS)))
    spoke, since = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.int64)
    return Account(0, round_, at_play, np.zeros(levels), spoke, zero, zero, since, zero, zero, recent, -1, 0)


def begin_anew(asked: Asked, account: Account) -> Account:
    """After an alarm has ended: the next one costs more, so that all rounds together keep to alpha."""
    return begin(asked, account.round + 1)


def threshold(asked: Asked, account: Account) -> float:
    """The logarithm that the evidence must reach: the rounds' parts of alpha, 1/2, 1/6, 1/12 …, sum up to it."""
    return math.log((account.round + 1) * (account.round + 2) / asked.alpha)


def go_on(asked: Asked, account: Account, sums: Sums) -> Account:
    """The account after further ticks; one at a time or all at once comes to the same.

    In a tick without values nothing is bet, and no money begins to: what waits is for those that come.
    """
    there = np.flatnonzero(sums.count.any(axis=1))
    begins, waits = money_from(account.ticks, len(there))
    for at, begin_with, wait in zip(there, begins, waits, strict=True):
        tick = (sums.count[at], sums.total[at], np.clip(sums.total[at] - sums.squares[at], 0, None))
        account = _bet(asked, account, tick, float(begin_with), float(wait))
        account = _remember(asked, account, int(sums.when[at]), tick[0], tick[1])
    return account


def _bet(asked: Asked, account: Account, tick: Sequence[Numbers], begins: float, waits: float) -> Account:
    factor = sum(part[:, None, None] * bet for part, bet in zip(tick, asked.bets, strict=True))
    with np.errstate(over="ignore"):
        at_play = np.minimum((account.at_play + begins) * np.exp(factor), _MOST)
    own = at_play.mean(axis=-1) + waits
    best = np.maximum(account.best, np.log(own.mean(axis=0)))
    enough = threshold(asked, account)
    # The calm before an alarm is no calm after it.
    rises = account.best[0] < enough <= best[0]
    recent, parts = (np.zeros_like(account.recent), 0) if rises else (account.recent, account.parts)
    opened = -1 if rises else account.opened
    spoke = account.spoke | (np.log(own[:, 0]) >= enough)
    return replace(
        account,
        ticks=account.ticks + 1,
        at_play=at_play,
        best=best,
        spoke=spoke,
        recent=recent,
        parts=parts,
        opened=opened,
    )


def _remember(asked: Asked, account: Account, when: int, count: Numbers, total: Numbers) -> Account:
    begun = (account.excess > 0) | (count == 0)
    since = np.where(begun, account.since, when)
    counts, totals = np.where(begun, account.count, 0) + count, np.where(begun, account.total, 0) + total
    excess = np.maximum(account.excess + total - count * asked.means[:, 0], 0)
    seen = account.seen + count
    account = replace(account, seen=seen, excess=excess, since=since, count=counts, total=totals)
    return _next_part(asked, account, when, np.stack([count, total]))


def _next_part(asked: Asked, account: Account, when: int, tick: Numbers) -> Account:
    """Closes a part of the calm once it is long enough and holds enough values of each strand that spoke."""
    recent, opened = account.recent.copy(), when if account.opened < 0 else account.opened
    recent[-1] += tick
    full = (recent[-1, 0] >= asked.calm_counts / CALM_PARTS) | ~account.spoke
    if when - opened < asked.calm / CALM_PARTS or not full.all():
        return replace(account, recent=recent, opened=opened)
    recent = np.concatenate([recent[1:], np.zeros_like(recent[:1])])
    return replace(account, recent=recent, opened=when, parts=min(account.parts + 1, CALM_PARTS))


def is_calm(asked: Asked, account: Account) -> bool:
    """Has it been quiet for long enough that the alarm may end?

    Hysteresis: over the whole calm, and over no fewer values than tell it, the mean of each strand that spoke is at
    most half a tolerance above its limit. Where few values come the calm takes longer; where none come there is none.
    """
    if account.parts < CALM_PARTS:
        return False
    count, total = account.recent.sum(axis=0)
    low = total <= count * (asked.limit + asked.tolerance / 2)
    return bool((low | ~account.spoke).all())


def evidence_of(account: Account) -> tuple[Numbers, Numbers]:
    """What the bets hold now against each strand (N, K) and against the alarm's claims (K,): 1 before anything."""
    if not account.ticks:
        return np.ones(account.at_play.shape[:2]), np.ones(account.at_play.shape[1])
    _, waits = money_from(account.ticks - 1, 1)
    own = account.at_play.mean(axis=-1) + waits[0]
    return own, own.mean(axis=0)
