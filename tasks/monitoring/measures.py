"""What one measure is: which columns it reads, in which way, and which strands come of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tasks.monitoring.places import WAYS, Detail, Floats, numbers, texts

# A number is asked about at its inner deciles; one with few values at each of these, as a text is.
PARTS, FEW_VALUES = 10, 10
# Rarer levels are one of "none of these"; so is what was never seen.
RARE, MOST_LEVELS = 0.02, 30


class NotMeasured(Exception):
    """A measure cannot be had of these rows; the words say why."""


class NotApplicable(Exception):
    """There is nothing to ask of this release; the words say why."""


@dataclass(frozen=True)
class Measure:
    """`way` and `detail` give (n, places) values; strand s is place `places[s]`, or 1 less it where `turned[s]`.

    `needs`: the columns that it reads. `scale`: its tolerance as a part of the alarm's, where values were squeezed into
    [0, 1]. `at_least`: a figure that is granted even where the own rows show less.
    `limit` of each strand and `tolerance` are set from the release's own rows.
    """

    way: str
    detail: Detail
    labels: tuple[str, ...]
    places: tuple[int, ...]
    turned: tuple[bool, ...]
    needs: tuple[str, ...]
    scale: float = 1.0
    at_least: float | None = None
    limit: tuple[float, ...] = ()
    tolerance: float = 0.0

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> "Measure":
        """The inverse of `asdict`, through JSON."""
        lists = {name: tuple(told[name]) for name in ("labels", "places", "turned", "needs", "limit")}
        return Measure(**{**told, **lists})


# Of an alarm: what it measures, and in sentences what it cannot.
Found = tuple[list[Measure], list[str]]


def one_way(way: str, detail: Detail, label: str, needs: Sequence[str], at_least: float | None = None) -> Measure:
    """A single share that is bad where it grows."""
    return Measure(way, detail, (label,), (0,), (False,), tuple(needs), at_least=at_least)


def measured(one: Measure, rows: pl.DataFrame) -> Floats:
    """(n, strands) values; NaN where a row says nothing. Raises NotMeasured, and says why."""
    lacking = sorted(column for column in one.needs if column not in rows.columns)
    if lacking:
        raise NotMeasured(f"the log has no {', '.join(lacking)}.")
    try:
        values = WAYS[one.way](one.detail, rows).astype(np.float64)
    except (pl.exceptions.PolarsError, ValueError, TypeError) as error:
        raise NotMeasured(f"{', '.join(sorted(one.needs))} cannot be read: {error}") from None
    chosen = values[:, list(one.places)]
    return np.asarray(np.where(np.array(one.turned), 1 - chosen, chosen))


def is_number(column: pl.Series) -> bool:
    """Is it asked about at cuts? Not what has few values."""
    return column.dtype.is_numeric() and len(np.unique(numbers(column)[~np.isnan(numbers(column))])) > FEW_VALUES


def at_cuts(column: str, name: str, values: Floats, detail: Detail, ways: Sequence[bool] = (False, True)) -> Measure:
    """Deciles of a number: the distribution function at each, which no unit and no outlier can hide. `ways`: False for
    "more at most the cut", True for "more above it"."""
    found = values[np.isfinite(values)]
    inner = np.arange(1, PARTS) / PARTS
    cuts: Floats = np.unique(np.quantile(found, inner, method="inverted_cdf")) if len(found) else np.empty(0)
    every = [(at, turned) for at in range(len(cuts)) for turned in ways]
    labels = tuple(f"{name} {'above' if turned else 'at most'} {cuts[at]:.6g}" for at, turned in every)
    places, turned = zip(*every, strict=True) if every else ((), ())
    needs = (column, *(("error", "output.prediction") if detail.get("own") else ()))
    told = {**detail, "column": column, "cuts": [float(cut) for cut in cuts]}
    return Measure("at most", told, labels, tuple(places), tuple(turned), tuple(dict.fromkeys(needs)))


def at_levels(column: str, name: str, values: pl.Series, detail: Detail) -> Measure:
    """Each frequent level, more and less often; and what is none of them, more often."""
    said = texts(values).drop_nulls()
    shares = said.value_counts(sort=True, normalize=True, name="share")
    frequent = shares.filter(pl.col("share") >= RARE)
    levels = sorted(str(one) for one in frequent[said.name][:MOST_LEVELS])
    every = [(at, turned) for at in range(len(levels)) for turned in (False, True)]
    words = [f"{name} is {'less' if turned else 'more'} often {levels[at]!r}" for at, turned in every]
    places, turned = zip(*every, (len(levels), False), strict=True)
    needs = (column, *(("error", "output.prediction") if detail.get("own") else ()))
    told = {**detail, "column": column, "levels": levels}
    labels = (*words, f"{name} is rare or new")
    return Measure("levels", told, labels, tuple(places), tuple(turned), tuple(dict.fromkeys(needs)))
