"""What kind of values each column holds, and how they spread: what checks may change, and by how much."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

Kind = Literal["number", "category", "text"]
# A text is written by somebody: more than this many words on average, and seldom the same twice.
WORDS, DISTINCT = 3, 0.5


@dataclass(frozen=True)
class Column:
    """One feature, as training knew it.

    Of a number: `lower` and `upper` as observed, `spread` (the interquartile range as a standard deviation, or the
    standard deviation where that is 0), `step` (the median gap between neighbouring distinct values), `whole` where it
    held whole numbers only. Of a category: its `levels`, the most frequent first. `missing`: the share of gaps.
    """

    name: str
    kind: Kind
    missing: float = 0.0
    lower: float = np.nan
    upper: float = np.nan
    spread: float = 0.0
    step: float = 0.0
    whole: bool = False
    levels: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


def columns_of(features: pd.DataFrame, names: Iterable[str], roles: Mapping[str, tuple[str, ...]]) -> list[Column]:
    """The columns `names` of training's features (n, k), in their order."""
    return [_column(features[name], name, tuple(roles.get(name, ()))) for name in names]


def _column(values: "pd.Series[Any]", name: str, roles: tuple[str, ...]) -> Column:
    held = values.dropna()
    missing = 1 - len(held) / len(values) if len(values) else 0.0
    if is_number(values):
        return _number(held.to_numpy(dtype=np.float64), name, missing, roles)
    texts = held.astype(str)
    if _is_text(texts):
        return Column(name, "text", missing, roles=roles)
    return Column(name, "category", missing, levels=tuple(texts.value_counts().index), roles=roles)


def is_number(values: "pd.Series[Any]") -> bool:
    """Numbers and truth values."""
    return bool(pd.api.types.is_numeric_dtype(values.dtype))


def _is_text(texts: "pd.Series[str]") -> bool:
    if not len(texts) or texts.nunique() <= DISTINCT * len(texts):
        return False
    return bool(texts.str.count(r"\S+").mean() > WORDS)


def _number(values: npt.NDArray[np.float64], name: str, missing: float, roles: tuple[str, ...]) -> Column:
    values = values[np.isfinite(values)]
    if not len(values):
        return Column(name, "number", missing, roles=roles)
    low, high = np.quantile(values, [0.25, 0.75])
    gaps = np.diff(np.unique(values))
    return Column(
        name,
        "number",
        missing,
        lower=float(values.min()),
        upper=float(values.max()),
        spread=float((high - low) / 1.349) or float(values.std()),
        step=float(np.median(gaps)) if len(gaps) else 0.0,
        whole=bool((values == np.round(values)).all()),
        roles=roles,
    )
