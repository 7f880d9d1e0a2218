"""Rules that roll a release back, those of the field and Seatrial's, on simulated traffic.

Each rule gives a statistic after each look; the first look with the statistic at its level rolls back. What the field
does was read from Flagger (`pkg/controller/scheduler.go`: failed checks are counted, and never forgotten), Argo
Rollouts (`analysis/analysis.go`: failed measurements above `failureLimit`) and Kayenta (`MannWhitneyClassifier.scala`:
the two-sided 98 % interval of the shift between the series of minutes, above 0.25 of its estimate).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from expectations.sequential.betting import evidence
from expectations.sequential.metric import odds_against
from expectations.sequential.ticks import Blocks, Numbers
from expectations.sequential.watching import Watched

PER_ARM, TICK_SECONDS = 25, 30
PER_MINUTE = 60 // TICK_SECONDS
# What a team knows of its champion, and 1.5 times of it as the limit that it sets.
BASE, LIMIT = 0.05, 0.075
ERRORS = Watched("errors", tolerance=0.01)


@dataclass(frozen=True, eq=False)
class Traffic:
    """(R, T, 2) errors of champion and challenger in each tick of each release; `PER_ARM` requests each."""

    errors: Numbers

    @property
    def minutes(self) -> Numbers:
        """(R, M, 2) errors in each minute."""
        releases, ticks, _ = self.errors.shape
        return self.errors.reshape(releases, ticks // PER_MINUTE, PER_MINUTE, 2).sum(axis=2)


@dataclass(frozen=True)
class Rule:
    """`path` gives (R, looks); `minutes_each` is the time between two looks; `level` is what the field sets."""

    name: str
    path: Callable[[Traffic], Numbers]
    level: float
    minutes_each: float = 1.0
    tunable: bool = True


def _rates(traffic: Traffic) -> Numbers:
    return traffic.minutes[..., 1] / (PER_ARM * PER_MINUTE)


def three_in_a_row(traffic: Traffic) -> Numbers:
    """The least of the challenger's error rates in the last three minutes."""
    rates = _rates(traffic)
    held = np.minimum(np.minimum(rates[:, 2:], rates[:, 1:-1]), rates[:, :-2])
    return np.concatenate([np.zeros((len(rates), 2)), held], axis=1)


def failed_checks(traffic: Traffic) -> Numbers:
    """How many minutes so far had more errors than the limit."""
    return np.cumsum(_rates(traffic) > LIMIT, axis=1).astype(np.float64)


def failed_measurements(traffic: Traffic) -> Numbers:
    """How many five minutes so far had more errors than the limit."""
    rates = _rates(traffic)
    return np.cumsum(rates.reshape(len(rates), -1, 5).mean(axis=2) > LIMIT, axis=1).astype(np.float64)


def pooled_z(traffic: Traffic) -> Numbers:
    """The z of a test of two proportions on all that was seen so far."""
    errors = np.cumsum(traffic.minutes, axis=1)
    return _two_proportions(errors, np.arange(1, errors.shape[1] + 1))


def _two_proportions(errors: Numbers, minutes: NDArray[np.int64]) -> Numbers:
    each = PER_ARM * PER_MINUTE * minutes
    level = errors.sum(axis=-1) / (2 * each)
    spread = np.sqrt(2 * level * (1 - level) / each)
    return np.divide(errors[..., 1] - errors[..., 0], each * spread, out=np.zeros_like(spread), where=spread > 0)


def sliding_z(traffic: Traffic, window: int = 30) -> Numbers:
    """The same z on the last 30 minutes alone, as a sliding lookback has it."""
    errors = np.cumsum(traffic.minutes, axis=1)
    errors[:, window:] = errors[:, window:] - errors[:, :-window]
    return _two_proportions(errors, np.minimum(np.arange(1, errors.shape[1] + 1), window))


def mixture_sprt(traffic: Traffic) -> Numbers:
    """The log likelihood ratio of Robbins' normal mixture over the difference, as experiment platforms use it."""
    errors = np.cumsum(traffic.minutes, axis=1)
    each = PER_ARM * PER_MINUTE * np.arange(1, errors.shape[1] + 1)
    level = np.clip(errors.sum(axis=-1) / (2 * each), 1e-9, 1)
    variance, prior = 2 * level * (1 - level) / each, BASE**2
    difference = np.maximum(errors[..., 1] - errors[..., 0], 0) / each
    gain = prior / (variance + prior)
    return 0.5 * np.log(1 - gain) + difference**2 * gain / (2 * variance)


@lru_cache(maxsize=10)
def mann_whitney(traffic: Traffic) -> Numbers:
    """The z of the Mann-Whitney test between both series of minutes so far, from the fifth minute on."""
    minutes = traffic.minutes.astype(int)
    values = np.arange(minutes.max() + 1)
    champion, challenger = ((minutes[..., arm, None] == values).cumsum(axis=1, dtype=np.float64) for arm in (0, 1))
    found = _rank_z(challenger, champion)
    found[:, :4] = 0
    return found


def _rank_z(challenger: Numbers, champion: Numbers) -> Numbers:
    """Of two samples of one size, given how often each value stands in them (..., V); with ties and continuity."""
    n, ties = challenger.sum(axis=-1), challenger + champion
    wins = (challenger * (champion.cumsum(axis=-1) - champion / 2)).sum(axis=-1)
    tied = (ties**3 - ties).sum(axis=-1)
    spread = np.sqrt(np.maximum(n * n / 12 * (2 * n + 1 - tied / (2 * n * (2 * n - 1))), 0))
    above = wins - n * n / 2
    return np.divide(above - 0.5 * np.sign(above), spread, out=np.zeros_like(spread), where=spread > 0)


def _counts(sample: Numbers, values: Numbers) -> Numbers:
    return (sample[:, None] == values).sum(axis=0).astype(np.float64)


def kayenta(traffic: Traffic) -> Numbers:
    """1 where the lower end of the 98 % interval of the shift is above a quarter of its Hodges-Lehmann estimate."""
    minutes, rejected = traffic.minutes, mann_whitney(traffic) > norm.ppf(0.99)
    found = np.zeros(rejected.shape)
    for release in np.flatnonzero(rejected.any(axis=1)):
        for look in np.flatnonzero(rejected[release]):
            series = minutes[release, : look + 1]
            moved = series[:, 1] - 0.25 * np.median(series[:, None, 1] - series[None, :, 0])
            values = np.unique([moved, series[:, 0]])
            if _rank_z(_counts(moved, values), _counts(series[:, 0], values)) > norm.ppf(0.99):
                found[release, look] = 1
                break
    return found


def knowing_cusum(traffic: Traffic) -> Numbers:
    """Page's sum for a doubled rate, of one who knows the champion's rate and the fault: a bound, and no rule."""
    rate = PER_ARM * PER_MINUTE
    bad = traffic.minutes[..., 1]
    gain = bad * np.log(2) + (rate - bad) * np.log((1 - 2 * BASE) / (1 - BASE))
    total = np.cumsum(gain, axis=1)
    before = np.concatenate([np.zeros((len(total), 1)), total[:, :-1]], axis=1)
    return total - np.minimum.accumulate(before, axis=1)


def without_restarts(traffic: Traffic) -> Numbers:
    """Seatrial's bets, all begun with the first block."""
    count = np.full_like(traffic.errors, PER_ARM)
    return np.concatenate(
        [evidence(Blocks(count[some], traffic.errors[some], 0 * count[some]), 0.0)[..., 0] for some in few(len(count))]
    )


@lru_cache(maxsize=10)
def seatrial(traffic: Traffic) -> Numbers:
    """The odds against the challenger that the rollout's judge holds against 1/α; every tick is a block and a look."""
    count = np.full_like(traffic.errors, PER_ARM)
    blocks = (Blocks(count[some], traffic.errors[some], np.zeros_like(count[some])) for some in few(len(count)))
    return np.log(np.maximum(np.concatenate([odds_against(one, ERRORS) for one in blocks]), 1e-9))


def few(releases: int, each: int = 100) -> list[slice]:
    """So many at a time, for the memory's sake."""
    return [slice(start, start + each) for start in range(0, releases, each)]


RULES = (
    Rule("error rate > 7.5 %, three minutes in a row", three_in_a_row, np.nextafter(LIMIT, 1)),
    Rule("Flagger: ten failed checks of a minute", failed_checks, 10),
    Rule("Argo Rollouts: four failed measurements of five minutes", failed_measurements, 4, minutes_each=5),
    Rule("Kayenta: Mann-Whitney 98 %, tolerance 0.25", kayenta, 1, tunable=False),
    Rule("Mann-Whitney, α 0.02 of both sides", mann_whitney, float(norm.ppf(0.99))),
    Rule("z-test, α 0.05", pooled_z, float(norm.ppf(0.95))),
    Rule("z-test of the last 30 minutes, α 0.05", sliding_z, float(norm.ppf(0.95))),
    Rule("normal mixture SPRT, α 0.05", mixture_sprt, float(np.log(20))),
)
OURS = Rule("Seatrial, α 0.05", seatrial, float(np.log(20)), minutes_each=1 / PER_MINUTE)
FIVE = Rule("Seatrial, errors as one of five metrics", seatrial, float(np.log(100)), 1 / PER_MINUTE, tunable=False)
PLAIN = Rule("Seatrial without restarts", without_restarts, float(np.log(20)), minutes_each=1 / PER_MINUTE)
BOUND = Rule("CUSUM that knows the champion's rate and the fault", knowing_cusum, float(np.log(20)))
