"""What others do about drift: a test of each column, window by window. Each gives a path of one number a look.

Kolmogorov and Smirnov's test of each number and the chi-squared test of each category, of a window against the
release's own rows; the number is the smallest p of all columns, as −log10. Missing values are left out, as these tests
do. The columns are the inputs, the prediction, its probability, the latency, and the truth once it is known.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy.stats import chi2, kstwobign

from benchmarks.drift_case import LABELS_LATE, Run
from expectations.sequential.ticks import Numbers
from tasks.monitoring.places import numbers, texts

# The distribution functions are compared at so many quantiles of the own rows.
GRID = 300


@dataclass(frozen=True)
class Rule:
    """A window of so many minutes, looked at every so many; it alarms where the path reaches `level`."""

    name: str
    minutes: int
    each: int
    level: float


def table(rows: pl.DataFrame) -> pl.DataFrame:
    """The columns that are compared, numbers as float64 and categories as text."""
    inputs = [name for name in rows.columns if name.startswith("input.")]
    chance = rows["output.probabilities"].list.last().alias("probability")
    named = [*(rows[name] for name in (*inputs, "output.prediction", "latency_ms", "truth")), chance]
    return pl.DataFrame({one.name: pl.Series(numbers(one)) if one.dtype.is_numeric() else texts(one) for one in named})


@dataclass(frozen=True, eq=False)
class Column:
    """One column of the own rows: `grid` of a number, or `levels`; `share` (G,) below each, or `count` of each."""

    name: str
    number: bool
    grid: Numbers
    levels: tuple[str, ...]
    counts: Numbers

    def places(self, values: pl.Series) -> np.ndarray:
        """(n,) the place of each value; the last one is for missing."""
        if self.number:
            found = numbers(values)
            return np.where(np.isnan(found), len(self.counts), np.searchsorted(self.grid, found)).astype(np.int64)
        known = {level: at for at, level in enumerate(self.levels)}
        return np.array([len(self.counts) if one is None else known.get(one, len(known)) for one in values])

    def p(self, counts: Numbers) -> Numbers:
        """(W,) of the windows' counts (W, places)."""
        return self._ks(counts) if self.number else self._chi2(counts)

    def _ks(self, counts: Numbers) -> Numbers:
        n, m = counts.sum(axis=1), self.counts.sum()
        below = np.cumsum(counts, axis=1) / np.maximum(n, 1)[:, None]
        furthest = np.abs(below - np.cumsum(self.counts) / m).max(axis=1)
        return np.asarray(kstwobign.sf(furthest * np.sqrt(n * m / (n + m))))

    def _chi2(self, counts: Numbers) -> Numbers:
        own = np.broadcast_to(self.counts, counts.shape)
        both = np.stack([counts, own], axis=1)
        expected = both.sum(axis=2, keepdims=True) * both.sum(axis=1, keepdims=True)
        expected = expected / np.maximum(both.sum(axis=(1, 2), keepdims=True), 1)
        parts = np.where(expected > 0, (both - expected) ** 2 / np.maximum(expected, 1e-12), 0)
        freedom = np.maximum((both.sum(axis=1) > 0).sum(axis=1) - 1, 1)
        return np.asarray(chi2.sf(parts.sum(axis=(1, 2)), freedom))


def column_of(values: pl.Series) -> Column:
    """As the own rows have it."""
    number = values.dtype.is_numeric()
    found = numbers(values) if number else np.empty(0)
    found = found[~np.isnan(found)]
    grid = np.unique(np.quantile(found, np.linspace(0, 1, GRID), method="inverted_cdf")) if number else np.empty(0)
    levels = () if number else tuple(values.drop_nulls().unique().sort())
    size = len(grid) + 1 if number else len(levels) + 1
    empty = Column(str(values.name), number, grid, levels, np.zeros(size))
    return replace(empty, counts=np.bincount(empty.places(values), minlength=size + 1)[:size].astype(np.float64))


@dataclass(frozen=True, eq=False)
class Placed:
    """Each row's place in each column."""

    places: dict[str, np.ndarray]


def placed(columns: list[Column], rows: pl.DataFrame) -> Placed:
    """Once for each pool."""
    return Placed({one.name: one.places(rows[one.name]) for one in columns})


def path(columns: list[Column], run: Run, clean: Placed, fault: Placed, window: int) -> Numbers:
    """(T,) −log10 of the smallest p of the last `window` minutes; 0 until there are so many."""
    smallest = np.ones(len(run.drawn))
    for one in columns:
        late = LABELS_LATE if one.name == "truth" else 0
        bad = run.fault(late)[late:]
        drawn = run.drawn[: len(run.drawn) - late]
        place = np.where(bad[:, None], fault.places[one.name][drawn], clean.places[one.name][drawn])
        counts = _by_minute(place, len(one.counts) + 1)[:, :-1]
        summed = np.cumsum(np.concatenate([np.zeros((1, counts.shape[1])), counts]), axis=0)
        found = one.p(summed[window:] - summed[:-window])
        at = window + late - 1
        smallest[at:] = np.minimum(smallest[at:], found)
    return -np.log10(np.maximum(smallest, 1e-300))


def _by_minute(place: np.ndarray, size: int) -> Numbers:
    minutes = np.arange(len(place))[:, None] * size
    return np.bincount((place + minutes).ravel(), minlength=len(place) * size).reshape(len(place), size).astype(float)


def first(rule: Rule, path_of: Numbers, start: int = 0) -> float:
    """Minutes from `start` to the end of the first look that alarms; ∞ where none does."""
    looks = np.arange(rule.minutes - 1, len(path_of), rule.each)
    hits = looks[(path_of[looks] >= rule.level) & (looks >= start)]
    return float(hits[0] - start + 1) if len(hits) else np.inf


def tuned(rule: Rule, clean: list[Numbers], rate: float) -> Rule:
    """With the lowest level that at most `rate` of clean runs reach."""
    highest = np.sort([one[rule.minutes - 1 :: rule.each].max() for one in clean])[::-1]
    return replace(rule, level=float(np.nextafter(highest[int(rate * len(highest))], np.inf)))
