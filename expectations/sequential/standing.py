"""The judge of what serves: has anything moved away from the release's own figures, at whatever time?

An alarm is raised when the evidence against "all its strands are within their tolerance" reaches its threshold. The
evidence is the mean of the strands' e-processes, itself one however they hang together (Vovk and Wang, "E-values",
2021), and alpha is divided over the alarms and over the rounds of each (`accounts`). So, if nothing moves by more than
its tolerance, the chance that any alarm is ever raised is at most alpha: over all time, and however often one looks.

How many tolerances: the levels are asked about one after the other, each only where all before it are refuted. The
claims are nested, "at most 1" says more than "at most 2", so to say too much means to refute the first that is true;
that alone has the chance alpha, and no correction for their number is due (fixed sequence testing, Maurer et al. 1995).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from expectations.sequential.accounts import Account, Asked, Sums, begin, evidence_of, go_on, threshold
from expectations.sequential.ticks import Numbers

# Of the spec's alpha, what the bets may use; the rest is for the release's own rows, too few to show what is usual.
BETS, OWN_ROWS = 0.8, 0.2
# So many strands are named.
NAMED = 5


@dataclass(frozen=True, eq=False)
class Strand:
    """One claim about values in [0, 1]: given the past, each one's mean is at most `limit` + `times` × `tolerance`.

    `count`, `total`, `squares` (T,) float64: sums of each short time (a tick), in order; T is the same for all strands
    of an alarm, and a tick that was judged never changes. `limit`: the release's own figure, and what is not known of
    it for want of records. `label` says what it is about, for people.
    """

    label: str
    limit: float
    tolerance: float
    count: Numbers
    total: Numbers
    squares: Numbers


class Standing(StrEnum):
    """What is known of an alarm."""

    QUIET = "quiet"
    ALARM = "alarm"
    CANNOT_TELL = "cannot tell"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Judged:
    """An alarm's answer.

    `times`: it is surely beyond so many tolerances (0: surely beyond none), at any time of this round; `odds` against
    "within the tolerance", now; `began`: the tick (its `when`) from which the evidence speaks, None while there is
    none; `worst`: labels of the strands that speak, the loudest first; `estimate` and `lower`: of the loudest, its mean
    since `began` and what that is surely above (NaN: no strand alone is enough).
    """

    alarm: str
    standing: Standing
    words: str
    times: float = 0.0
    odds: float = 1.0
    began: int | None = None
    worst: tuple[str, ...] = ()
    estimate: float = float("nan")
    lower: float = float("nan")


# What a reading gives: strands by alarm, or why it could not be measured.
Seen = Mapping[str, Sequence[Strand] | str]


def judge(seen: Seen, alpha: float, levels: Mapping[str, Sequence[float]] | None = None) -> list[Judged]:
    """Each alarm's answer, from all ticks at once. `alpha` is the spec's, for all alarms together; `levels` by alarm
    beside 1. Who looks again and again keeps an account instead: `begin`, `go_on`, `judge_account`."""
    part = BETS * alpha / max(len(seen), 1)
    return [_judge_strands(name, strands, part, (levels or {}).get(name, ())) for name, strands in seen.items()]


def _judge_strands(name: str, strands: Sequence[Strand] | str, alpha: float, levels: Sequence[float]) -> Judged:
    if isinstance(strands, str) or not strands:
        return not_measured(name, strands if isinstance(strands, str) else "")
    asked, sums = of_strands(strands, alpha, levels)
    return judge_account(name, asked, go_on(asked, begin(asked), sums))


def not_measured(name: str, why: str) -> Judged:
    """What was not measured is not quiet."""
    return Judged(name, Standing.CANNOT_TELL, f"{name}: {why or 'nothing is measured.'}")


def not_applicable(name: str, why: str) -> Judged:
    """Where there is nothing to ask, nothing is unknown."""
    return Judged(name, Standing.NOT_APPLICABLE, f"{name}: {why}")


def of_strands(strands: Sequence[Strand], alpha: float, levels: Sequence[float] = ()) -> tuple[Asked, Sums]:
    """The claims of an alarm's strands, and what was counted of them; ticks are numbered from 0."""
    limit, tolerance = (np.array([getattr(one, name) for one in strands]) for name in ("limit", "tolerance"))
    count, total, squares = (
        np.stack([getattr(one, name) for one in strands], axis=-1) for name in ("count", "total", "squares")
    )
    asked = Asked(tuple(one.label for one in strands), limit, tolerance, tuple(sorted({1.0, *levels})), alpha)
    return asked, Sums(np.arange(len(count)), count, total, squares)


def judge_account(name: str, asked: Asked, account: Account) -> Judged:
    """One alarm's answer, of what is kept of it."""
    enough = threshold(asked, account)
    own, together = evidence_of(account)
    passed = int(np.cumprod(account.best >= enough).sum())
    odds = float(together[0])
    if not passed:
        more = missing(asked, account)
        standing = Standing.CANNOT_TELL if more.any() else Standing.QUIET
        return Judged(name, standing, _no_alarm(name, asked, account, more), odds=odds)
    return _alarm(name, asked, account, own, asked.levels[passed - 1], odds)


def missing(asked: Asked, account: Account) -> Numbers:
    """(N,) how many more values until a change of twice the tolerance could have been seen, if it was there from the
    first one on; 0 where it could."""
    twice = np.clip(asked.limit + 2 * asked.tolerance, 0, 1 - 1e-9)
    gain = (1 - twice)[:, None] * asked.bets[0, :, 0] + twice[:, None] * (asked.bets[0] + asked.bets[1])[:, 0]
    best = np.maximum(gain.max(axis=-1), 1e-12)
    # Half of the money begins with the first tick, in so many bets on so many strands.
    needed = threshold(asked, account) + math.log(2 * gain.shape[-1] * len(asked.labels))
    # Where so much is left to no mean, there is no such change to see; but something must have been counted.
    possible = asked.limit + 2 * asked.tolerance < 1
    more = np.ceil(needed / best - account.seen)
    return np.asarray(np.where(possible, np.maximum(more, 0), account.seen == 0), dtype=np.float64)


def _no_alarm(name: str, asked: Asked, account: Account, more: Numbers) -> str:
    if not account.seen.any():
        return f"{name}: nothing was counted yet; about {_count(more.max())} values are needed."
    if not more.any():
        return f"{name}: nothing is surely beyond its tolerance."
    short = int(np.argmax(more))
    others = f" (one of {int((more > 0).sum())} that lack some)" if (more > 0).sum() > 1 else ""
    return f"{name}: too few to tell: {asked.labels[short]} needs about {_count(more[short])} more values{others}."


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _alarm(name: str, asked: Asked, account: Account, own: Numbers, times: float, odds: float) -> Judged:
    order = np.argsort(-own[:, 0], kind="stable")
    speaking = [int(at) for at in order if account.spoke[at]] or [int(order[0])]
    loudest = speaking[0]
    estimate = float(account.total[loudest] / account.count[loudest]) if account.count[loudest] else float("nan")
    lower = _surely_above(asked, account, own[loudest], loudest)
    worst = tuple(asked.labels[at] for at in speaking)
    began = int(account.since[loudest]) if account.excess[loudest] > 0 else None
    words = _words(name, asked, account, loudest, estimate, times, worst)
    return Judged(name, Standing.ALARM, words, times, odds, began, worst, estimate, lower)


def _surely_above(asked: Asked, account: Account, own: Numbers, at: int) -> float:
    """The mean that this strand alone is beyond: its part of the alarm's evidence is enough without the others'."""
    enough = np.log(own / len(asked.labels)) >= threshold(asked, account)
    refuted = int(np.cumprod(enough).sum())
    return float(asked.means[at, refuted - 1]) if refuted else float("nan")


def _words(
    name: str, asked: Asked, account: Account, at: int, estimate: float, times: float, worst: Sequence[str]
) -> str:
    top = asked.means[at, 0]
    found = f"{estimate:.1%} of {account.count[at]:,.0f}" if estimate == estimate else "no value"
    beyond = f"surely beyond {times:g} times its tolerance" if times > 1 else "surely beyond its tolerance"
    others = ", ".join(worst[1:NAMED])
    more = f" Also: {others}{', …' if len(worst) > NAMED else ''}." if others else ""
    return f"{name}: {beyond}: {asked.labels[at]}: {found}, where up to {top:.1%} is tolerated.{more}"
