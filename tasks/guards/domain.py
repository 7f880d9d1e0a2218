"""What did training see of each column?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from infra.runtime import column_array
from tasks.guards.plan import Domain, Flags, Floats

MOST_CATEGORIES = 1000
MARGINS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


def learn_domain(kinds: Mapping[str, str], rows: pd.DataFrame) -> Domain:
    """Intervals, typical values, categories with the rows seen of each. `kinds` says which columns are `string`."""
    numbers = [name for name, kind in kinds.items() if kind != "string"]
    texts = {name: _counts(rows[name]) for name, kind in kinds.items() if kind == "string"}
    free = tuple(name for name, counts in texts.items() if _is_free(counts))
    held = {name: counts for name, counts in texts.items() if name not in free}
    values = number_matrix(rows, numbers)
    low, high, typical = (np.array([how(column) for column in values.T]) for how in (_least, _greatest, _median))
    return Domain(
        numbers=tuple(numbers),
        low=low.astype(np.float64),
        high=high.astype(np.float64),
        typical=typical.astype(np.float64),
        may_miss=np.array([np.isnan(column).any() for column in values.T], dtype=bool),
        texts=tuple(held),
        known=tuple(held.values()),
        codes=tuple(_codes(column_array(rows[name], "string")[:, 0], values) for name in held),
        free=free,
    )


def number_matrix(rows: pd.DataFrame, numbers: Sequence[str]) -> Floats:
    """(n, numbers) float64."""
    columns = [column_array(rows[name], "double") for name in numbers]
    return np.hstack(columns) if columns else np.zeros((len(rows), 0))


def _counts(column: "pd.Series[Any]") -> dict[str, int]:
    """Rows seen of each category; a missing text is the category "" where training saw one."""
    found, counts = np.unique(column_array(column, "string").astype(str), return_counts=True)
    return {str(text): int(count) for text, count in zip(found, counts, strict=True)}


def _is_free(counts: Mapping[str, int]) -> bool:
    """A text whose values hardly come twice names nothing that could be known again."""
    return len(counts) > MOST_CATEGORIES or (len(counts) > 20 and len(counts) > sum(counts.values()) / 2)


def _finite(column: Floats) -> Floats:
    return column[np.isfinite(column)]


def _least(column: Floats) -> float:
    return float(_finite(column).min()) if len(_finite(column)) else -np.inf


def _greatest(column: Floats) -> float:
    return float(_finite(column).max()) if len(_finite(column)) else np.inf


def _median(column: Floats) -> float:
    """A value that was there: no half of a room is put in."""
    return float(np.quantile(_finite(column), 0.5, method="lower")) if len(_finite(column)) else 0.0


def _codes(texts: Any, values: Floats) -> dict[str, float]:
    """A number for each category: where its rows lie, on average, along the numbers' main direction.

    Without any numbers, how rare it is.
    """
    place = _main_direction(values) if values.shape[1] else None
    found: dict[str, float] = {}
    for text in np.unique(texts.astype(str)):
        mine = texts == text
        found[str(text)] = float(place[mine].mean()) if place is not None else float(np.log(mine.mean()))
    return found


def _main_direction(values: Floats) -> Floats:
    """(n,) the first principal component of the standardised numbers, its sign fixed."""
    filled = np.where(np.isfinite(values), values, np.nan)
    center = np.nan_to_num(np.nanmean(filled, axis=0)) if len(values) else 0.0
    spread = np.nan_to_num(np.nanstd(filled, axis=0))
    scaled = np.nan_to_num((filled - center) / np.where(spread > 0, spread, 1.0))
    axis = np.linalg.eigh(scaled.T @ scaled)[1][:, -1]
    return np.asarray(scaled @ (axis * np.sign(axis[np.argmax(np.abs(axis))])))


def widened(domain: Domain, calibration: pd.DataFrame, budget: float) -> Domain:
    """The narrowest intervals with which held-out rows are outside no more often than the budget says.

    The share that is put on at both ends is one of `MARGINS`; where none is enough, the first that does as well as
    the widest, and the evidence tells.
    """
    values, known = number_matrix(calibration, domain.numbers), ~_unknown(domain, calibration)
    alarms = {margin: int((~known | outside(_with_margin(domain, margin), values)).sum()) for margin in MARGINS}
    enough = max(budget * (len(calibration) + 1) - 1, min(alarms.values(), default=0))
    return _with_margin(domain, next(margin for margin in MARGINS if alarms[margin] <= enough))


def _with_margin(domain: Domain, margin: float) -> Domain:
    wide = np.where(np.isfinite(domain.low), domain.high - domain.low, 0.0) * margin
    return replace(domain, low=domain.low - wide, high=domain.high + wide, margin=margin)


def outside(domain: Domain, values: Floats) -> Flags:
    """(n,) is any number outside its interval, or missing where training saw all of them?"""
    missing = np.isnan(values)
    far = ~missing & ((values < domain.low) | (values > domain.high))
    return np.asarray((far | (missing & ~domain.may_miss)).any(axis=1))


def _unknown(domain: Domain, rows: pd.DataFrame) -> Flags:
    strange = np.zeros(len(rows), dtype=bool)
    for name, known in zip(domain.texts, domain.known, strict=True):
        strange |= ~np.isin(column_array(rows[name], "string")[:, 0].astype(str), list(known))
    return strange
