"""How well a score tells two groups of records apart, and what is sure of that."""

import numpy as np
from scipy.stats import beta, norm, rankdata

from tasks.qualification.matrix import Flags, Floats

FOR_THRESHOLD = 0.8


def area(yes: Floats, no: Floats) -> tuple[float, float, float]:
    """(area under the ROC curve, its 95 % interval): DeLong, DeLong, Clarke-Pearson (1988); NaN where a group is empty.

    Where the groups do not overlap at all the formula knows no doubt; there the interval is `sure_area`'s.
    """
    if not len(yes) or not len(no):
        return (np.nan,) * 3
    both = rankdata(np.concatenate([yes, no]))
    above = (both[: len(yes)] - rankdata(yes)) / len(no)
    below = 1 - (both[len(yes) :] - rankdata(no)) / len(yes)
    value = float(above.mean())
    if len(yes) < 2 or len(no) < 2 or value in (0.0, 1.0):
        return value, sure_area(value, len(yes), len(no), 0.025), 1 - sure_area(1 - value, len(yes), len(no), 0.025)
    half = norm.ppf(0.975) * np.sqrt(above.var(ddof=1) / len(yes) + below.var(ddof=1) / len(no))
    return value, max(0.0, float(value - half)), min(1.0, float(value + half))


def sure_area(value: float, yes: int, no: int, chance: float) -> float:
    """What an area surely is at least, but for this chance.

    Its variance is at most A (1 - A) / min(yes, no) (Birnbaum and Klose 1957), that of a share of as many records, so
    the exact bound of such a share is taken: it holds near 1 too, where a normal one promises too much.
    """
    return sure_share(value * min(yes, no), min(yes, no), chance) if np.isfinite(value) else np.nan


def sure_share(hits: float, n: int, chance: float) -> float:
    """What a share surely is at least, but for this chance (Clopper and Pearson 1934)."""
    return float(beta.ppf(chance, hits, n - hits + 1)) if n and hits > 0 else 0.0


def interval(hits: int, n: int) -> tuple[float, float, float]:
    """(share, its exact 95 % interval); NaN of nothing."""
    if not n:
        return (np.nan,) * 3
    return hits / n, sure_share(hits, n, 0.025), 1 - sure_share(n - hits, n, 0.025)


def mean_interval(values: Floats) -> tuple[float, float, float]:
    """(mean, its 95 % interval), normal."""
    half = norm.ppf(0.975) * deviation_of_mean(values)
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def deviation_of_mean(values: Floats) -> float:
    """The standard error of a mean; infinite where one record says nothing of it."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.inf


def advantage(yes: Floats, no: Floats) -> tuple[float, float, float]:
    """(greatest difference of the two groups' shares above a threshold, its 95 % interval): of "yes" over "no" alone.

    Dvoretzky, Kiefer, Wolfowitz (1956), half of the doubt for each group.
    """
    if not len(yes) or not len(no):
        return (np.nan,) * 3
    grid = np.concatenate([yes, no])
    ours = np.searchsorted(np.sort(yes), grid, "left") / len(yes)
    theirs = np.searchsorted(np.sort(no), grid, "left") / len(no)
    value = max(0.0, float((theirs - ours).max()))
    half = sum(float(np.sqrt(np.log(2 / 0.025) / (2 * size))) for size in (len(yes), len(no)))
    return value, max(0.0, value - half), min(1.0, value + half)


def caught(yes: Floats, no: Floats, false: float, chance: float) -> float:
    """What share of "yes" is surely caught by a threshold that surely takes at most this share of "no" for it.

    The threshold is an order statistic of "no", whose share above it is beta distributed; it has most of the chance,
    since that is what takes records. 0 where no threshold is sure: "no" has too few.
    """
    allowed = surely_above(len(no), false, chance * FOR_THRESHOLD)
    if allowed < 0 or not len(yes):
        return 0.0
    threshold = np.sort(no)[::-1][allowed]
    return sure_share(int((yes > threshold).sum()), len(yes), chance * (1 - FOR_THRESHOLD))


def surely_above(n: int, share: float, chance: float) -> int:
    """How many of n records may lie above a threshold that surely lets at most this share of others through; or -1."""
    for at in range(n):
        if beta.sf(share, at + 1, n - at) > chance:
            return at - 1
    return n - 1


def records_for_false(share: float, chance: float) -> int:
    """How many records of "no" a threshold takes that is sure of this share."""
    return int(np.ceil(np.log(chance * FOR_THRESHOLD) / np.log(1 - share)))


def caught_now(yes: Floats, no: Floats, false: float) -> Flags:
    """(n,) which of "yes" lie above the threshold that this share of "no" does."""
    return np.asarray(yes > np.quantile(no, 1 - false)) if len(no) else np.zeros(len(yes), dtype=bool)
