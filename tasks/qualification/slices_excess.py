"""Is a slice worse than the rest, beyond chance? Tested on records that had no part in finding it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from tasks.multiplicity import benjamini_hochberg
from tasks.qualification.case import Flags, Floats
from tasks.qualification.levels import Codes

NAN = float("nan")
MOST_STRATA, IN_STRATUM = 30, 40
# Fewer records outside say nothing of those inside.
COMPARABLE = 5


@dataclass(frozen=True)
class Excess:
    """One slice beside the rest: mean losses inside and outside, what records outside with like answers lose, and how
    much more the `n` of its `members` lose that have such; `error` and `freedom` are the standard error of that and its
    degrees of freedom."""

    n: int
    members: int
    inside: float
    outside: float
    expected: float
    difference: float
    error: float
    freedom: int
    spread: float

    @property
    def p(self) -> float:
        """One-sided: how probable is so much more where there is none?"""
        return float(stats.t.sf(self.difference / self.error, self.freedom)) if self.error > 0 else 1.0

    def bound(self, level: float) -> float:
        """The difference is at least this, but for a chance of `level`."""
        if not self.error > 0:
            return NAN
        return float(self.difference - stats.t.isf(level, self.freedom) * self.error)


def strata_of(scores: Floats) -> Codes:
    """(n,) records with like answers: up to thirty bands of the score with forty records each or more, by quantiles."""
    held = np.nan_to_num(scores)
    count = int(np.clip(len(held) // IN_STRATUM, 1, MOST_STRATA))
    edges = np.unique(np.quantile(held, np.arange(1, count) / count)) if count > 1 else np.zeros(0)
    return np.searchsorted(edges, held, side="right").astype(np.int64)


def expected_loss(loss: Floats, strata: Codes, outside: Flags) -> tuple[Floats, Floats, Flags]:
    """(per stratum: mean loss, variance of that mean, are there enough to compare with?) of the records outside."""
    count = np.bincount(strata[outside], minlength=int(strata.max()) + 1)
    mean, square = (_mean(strata, values, outside, count) for values in (loss, loss**2))
    variance = np.maximum(square - mean**2, 0) / np.maximum(count - 1, 1)
    return mean, variance, count >= COMPARABLE


def _mean(strata: Codes, values: Floats, chosen: Flags, count: Codes) -> Floats:
    total = np.bincount(strata[chosen], weights=values[chosen], minlength=len(count))
    return np.asarray(total / np.maximum(count, 1))


def excess_of(loss: Floats, strata: Codes, inside: Flags) -> Excess:
    """The slice against the rest with like answers: direct standardisation, and Welch's error (1947).

    Members whose answers are like nobody's outside are not compared. Of wrong labels (0 and 1) a slice without any
    spread has that of the rest, since twenty wrong of twenty are not all.
    """
    members, rest = int(inside.sum()), loss[~inside]
    held = float(loss[inside].mean()) if members else NAN
    other = float(rest.mean()) if len(rest) else NAN
    if members < 2 or len(rest) < 2:
        return Excess(0, members, held, other, NAN, NAN, NAN, 1, NAN)
    mean, variance, enough = expected_loss(loss, strata, ~inside)
    compared = inside & enough[strata]
    n = int(compared.sum())
    if n < 2:
        return Excess(n, members, held, other, NAN, NAN, NAN, 1, NAN)
    share = np.bincount(strata[compared], minlength=len(mean)) / n
    beyond = loss[compared] - mean[strata[compared]]
    within = beyond.var(ddof=1)
    if np.isin(loss, (0.0, 1.0)).all():
        within = max(within, float(rest.var(ddof=1)))
    error = float(np.sqrt(within / n + (share**2 * variance).sum()))
    return Excess(n, members, held, other, float(share @ mean), float(beyond.mean()), error, n - 1, float(loss.std()))


def adjusted(found: list[Excess]) -> Floats:
    """(k,) p-values after Benjamini and Hochberg; 1 where nothing could be measured."""
    p = np.array([1.0 if np.isnan(one.difference) else one.p for one in found])
    return benjamini_hochberg(p) if len(p) else p


def sure_bounds(found: list[Excess], alpha: float) -> npt.NDArray[np.float64]:
    """(k,) differences are at least this, all of them together, but for a chance of `alpha`.

    Weighted Bonferroni (Holm 1979): the first, which the search thought the worst, has the largest part of alpha; the
    order was given by other records.
    """
    levels = levels_of(len(found), alpha)
    return np.array([one.bound(level) for one, level in zip(found, levels, strict=True)], dtype=np.float64)


def levels_of(count: int, alpha: float) -> Floats:
    """(count,) parts of alpha: a half of the first's to the second, a third to the next."""
    parts = 1 / np.arange(1, count + 1)
    return np.asarray(alpha * parts / parts.sum())
