"""Many questions at once: some are answered "yes" by chance alone, and these keep count of that."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def benjamini_hochberg(p: Floats) -> Floats:
    """(k,) adjusted p-values: calling all at most q a finding keeps the expected share of false ones at most q.

    Benjamini and Hochberg (1995); valid for independent and for positively dependent questions.
    """
    order = np.argsort(p, kind="stable")
    steps = p[order] * len(p) / np.arange(1, len(p) + 1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return adjusted


def holm(p: Floats) -> Floats:
    """(k,) adjusted p-values: the chance of even one false finding at most q, whatever the dependence (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    steps = p[order] * (len(p) - np.arange(len(p)))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def records_for_mean(gap: float, deviation: float, alpha: float, power: float) -> int:
    """How many records it takes to see that a mean lies `gap` above a limit, at one-sided level alpha.

    Normal approximation: ((z_alpha + z_power) deviation / gap)².
    """
    from scipy.stats import norm

    if gap <= 0:
        return 0
    return int(np.ceil(((norm.ppf(1 - alpha) + norm.ppf(power)) * deviation / gap) ** 2))
