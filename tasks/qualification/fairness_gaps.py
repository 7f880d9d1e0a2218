"""How far groups are apart: rates and means of each, and the gap that is surely there."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from scipy.stats import norm

from expectations.options.fairness import Criterion
from tasks.qualification.case import Case, Flags, Floats
from tasks.qualification.levels import Codes

NAN = float("nan")
JUDGED = {
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "equal_opportunity": ("true_positive_rate",),
    "demographic_parity": ("selection_rate",),
}


@dataclass(frozen=True)
class Quantity:
    """What groups are compared by: the mean of `values` (n,) over the rows `among` (n,); a `rate` of 0 and 1."""

    name: str
    among: Flags
    values: Floats
    rate: bool = True

    @property
    def variance(self) -> float:
        """Of one record."""
        return float(self.values[self.among].var()) if self.among.any() else NAN


@dataclass(frozen=True)
class Mean:
    """Of one group: how many rows, their mean, and the variance of one of them."""

    n: int
    value: float
    variance: float
    rate: bool

    def reach(self, z: float) -> tuple[float, float]:
        """How far the truth may lie below and above, at so many standard errors: Wilson (1927) for a rate."""
        if not self.n:
            return NAN, NAN
        if not self.rate:
            half = z * np.sqrt(self.variance / max(self.n - 1, 1))
            return float(half), float(half)
        share = z**2 / self.n
        middle = (self.value + share / 2) / (1 + share)
        half = z / (1 + share) * np.sqrt(self.value * (1 - self.value) / self.n + share / (4 * self.n))
        return float(self.value - middle + half), float(middle + half - self.value)


def quantities_of(case: Case) -> list[Quantity]:
    """Binary: rates of yes, of right and of wrong yes, of right answers; classes: right answers; numbers: mean error
    and mean absolute error, in standard deviations of the target."""
    said, actual, every = case.said, case.actual, np.ones(len(case.actual), dtype=bool)
    if not case.classifies:
        known = np.isfinite(actual)
        error = np.where(known, (said.values - actual) / case.scale, 0.0)
        return [
            Quantity("mean_error", known, error, False),
            Quantity("mean_absolute_error", known, np.abs(error), False),
        ]
    right = Quantity("accuracy", every, np.asarray(said.values == actual, dtype=np.float64))
    if case.positive is None:
        return [right]
    yes, truth = np.asarray(said.values == case.positive, dtype=np.float64), np.asarray(actual == case.positive)
    rates = {"selection_rate": every, "true_positive_rate": truth, "false_positive_rate": ~truth}
    return [*(Quantity(name, among, yes) for name, among in rates.items()), right]


def judged_names(case: Case, criterion: Criterion) -> tuple[str, ...]:
    """The quantities that the criterion speaks of; of many classes and of numbers there is one each."""
    if not case.classifies:
        return ("mean_error",)
    return ("accuracy",) if case.positive is None else JUDGED[criterion]


def means_of(quantity: Quantity, codes: Codes, groups: list[int]) -> dict[int, Mean]:
    """The mean of each group."""
    found = {}
    for group in groups:
        values = quantity.values[quantity.among & (codes == group)]
        value, variance = (float(values.mean()), float(values.var())) if len(values) else (NAN, NAN)
        found[group] = Mean(len(values), value, variance, quantity.rate)
    return found


def difference(high: Mean, low: Mean, z: float) -> tuple[float, float]:
    """(at least, at most) how much `high` is above `low`: Newcombe's hybrid of two Wilson intervals (1998) for rates,
    Welch for means."""
    gap, (high_below, high_above), (low_below, low_above) = high.value - low.value, high.reach(z), low.reach(z)
    return float(gap - np.hypot(high_below, low_above)), float(gap + np.hypot(high_above, low_below))


@dataclass(frozen=True)
class Gap:
    """Between the highest and the lowest group: the difference with its 95 % interval, what it surely is at least, and
    the ratio and what that surely is at most."""

    high: int
    low: int
    value: float
    lower: float
    upper: float
    at_least: float
    ratio: float
    ratio_at_most: float


def gap_of(means: dict[int, Mean], level: float) -> Gap | None:
    """`level`: how often one of the comparisons may claim too much. None of fewer than two groups.

    The sure bound is the greatest over all pairs, each at its own level, so it holds whichever pair is the extreme one.
    """
    held = {group: mean for group, mean in means.items() if mean.n}
    if len(held) < 2:
        return None
    z = float(norm.isf(level))
    high = max(held, key=lambda group: held[group].value)
    low = min(held, key=lambda group: held[group].value)
    ends = difference(held[high], held[low], float(norm.isf(0.025)))
    at_least = max(difference(a, b, z)[0] for a, b in permutations(held.values(), 2))
    at_most = min(_ratio_at_most(a, b, z) for a, b in permutations(held.values(), 2))
    ratio = held[low].value / held[high].value if held[high].value > 0 else NAN
    return Gap(high, low, held[high].value - held[low].value, *ends, max(0.0, at_least), ratio, at_most)


def _ratio_at_most(low: Mean, high: Mean, z: float) -> float:
    """Of two rates, by the logarithm (Katz et al. 1978), with half a record more of each kind; 1 at most."""
    hits, n = (np.array(side) for side in zip(*((mean.n * mean.value, mean.n) for mean in (low, high)), strict=True))
    if not low.rate:
        return NAN
    share = (hits + 0.5) / (n + 1)
    error = np.sqrt(((1 - share) / ((n + 1) * share)).sum())
    return float(min(1.0, share[0] / share[1] * np.exp(z * error)))
