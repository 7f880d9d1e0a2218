"""What do errors cost? By the spec's matrix, its price per unit, or its own function."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.errors import CannotAsk
from expectations.spec import Cost
from infra import workshop

Floats = npt.NDArray[np.float64]
Price = Callable[[Any, Any], Floats]


def price_of(cost: Cost, root: Path, features: pd.DataFrame) -> Price:
    """A function (actual, predicted) -> (n,) float64 cost of each record; `features` are the records' own."""
    if cost.function:
        return _by_function(cost.function, root, features)
    return _by_matrix(cost.matrix) if cost.matrix else _by_difference(cost)


def _by_function(function: str, root: Path, features: pd.DataFrame) -> Price:
    def price(actual: Any, predicted: Any) -> Floats:
        records = features.assign(actual=np.asarray(actual), predicted=np.asarray(predicted))
        costs = np.asarray(workshop.costs(root, function, records), dtype=np.float64)
        if len(costs) != len(records) or not np.isfinite(costs).all():
            found = f"{len(costs)} values, {int((~np.isfinite(costs)).sum())} of them not finite"
            raise CannotAsk(f"cost.function {function}: expected {len(records)} finite costs, found {found}.")
        return costs

    return price


def _by_matrix(matrix: dict[str, dict[str, float]]) -> Price:
    """{actual: {predicted: cost}}; what is not in it costs nothing."""
    return lambda actual, predicted: np.array(
        [matrix.get(a, {}).get(p, 0.0) for a, p in zip(actual, predicted, strict=True)], dtype=np.float64
    )


def _by_difference(cost: Cost) -> Price:
    """Numbers: per unit too low or too high. Labels: 1 for every error."""

    def price(actual: Any, predicted: Any) -> Floats:
        truth, said = np.asarray(actual), np.asarray(predicted)
        if truth.dtype == object:
            return np.asarray(truth != said, dtype=np.float64)
        error = said.astype(np.float64) - truth.astype(np.float64)
        return np.where(error < 0, -error * cost.under, error * cost.over)

    return price
