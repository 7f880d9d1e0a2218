"""From the release's own rows to what is tolerated of each strand.

Few rows do not show what is usual. So a place may go up to the tolerance above its figure, or to the upper end of what
its true figure may be, where that is higher (Clopper and Pearson 1934; Hoeffding 1963): with many rows that changes
nothing, and with few it is no alarm that they were few.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from scipy.special import betaincinv

from expectations.sequential.accounts import divergence
from tasks.monitoring.measures import Measure, measured
from tasks.monitoring.places import Floats
from tasks.monitoring.reference import ReferenceRows


def limited(one: Measure, tolerance: float, reference: ReferenceRows, alpha: float) -> Measure:
    """The measure with the limit of each strand, without the strands that no change can take beyond their tolerance.

    Each limit is too low for its place with a chance of at most `alpha`. Raises NotMeasured where the own rows lack it.
    """
    limit = _limits(one, tolerance * one.scale, reference, alpha)
    kept = [at for at, top in enumerate(limit + tolerance * one.scale) if top < 1]
    chosen: dict[str, Any] = {
        name: tuple(getattr(one, name)[at] for at in kept) for name in ("labels", "places", "turned")
    }
    return replace(one, **chosen, limit=tuple(float(limit[at]) for at in kept), tolerance=tolerance * one.scale)


def _limits(one: Measure, tolerance: float, reference: ReferenceRows, alpha: float) -> Floats:
    rows, granted = _rows(one, reference), one.at_least
    if granted is not None and not {*one.needs} <= {*rows.columns}:
        return np.full(len(one.labels), granted)
    values = measured(one, rows)
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    figure = np.maximum(np.nan_to_num(values).sum(axis=0) / np.maximum(count, 1), granted or 0.0)
    zeros_and_ones = bool(np.isin(values[known], (0.0, 1.0)).all())
    return np.asarray(np.maximum(figure, upper_end(figure, count, alpha, zeros_and_ones) - tolerance))


def _rows(one: Measure, reference: ReferenceRows) -> pl.DataFrame:
    """Of inputs all own rows; of anything else those that training never saw."""
    columns = list(one.needs)
    if len(reference.more) and {*columns} <= {*reference.more.columns}:
        return pl.concat([reference.rows.select(columns), reference.more.select(columns)], how="vertical_relaxed")
    return reference.rows


def upper_end(figure: Floats, count: Floats, alpha: float, zeros_and_ones: bool) -> Floats:
    """The highest true mean that gives so low a figure with a chance of `alpha`: exact for zeros and ones, by
    Chernoff's bound for other values in [0, 1]. 1 where nothing was counted."""
    if zeros_and_ones:
        hits = np.round(figure * count)
        exact = betaincinv(hits + 1, np.maximum(count - hits, 1e-9), 1 - alpha)
        return np.asarray(np.where(hits >= count, 1.0, exact), dtype=np.float64)
    low = np.clip(figure, 1e-12, 1 - 1e-12)
    inside, outside = low.copy(), np.ones_like(low)
    for _ in range(50):
        middle = (inside + outside) / 2
        fits = count * divergence(low, np.clip(middle, 1e-12, 1 - 1e-12)) <= -math.log(alpha)
        inside, outside = np.where(fits, middle, inside), np.where(fits, outside, middle)
    return np.asarray(np.where(count > 0, outside, 1.0))
