"""How good is the whole: the model with its guards, which answers less often?"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from infra.runtime import Predictions
from tasks.guards.plan import Flags, Floats
from tasks.quality import Statistic, mean_of, ratio_of, with_intervals

Row = tuple[str, float, float, float, int, int]
FEWEST = 5


def measure_composed(actual: npt.NDArray[np.generic], said: Predictions, trusted: Flags) -> list[Row]:
    """The model's figures on all rows, on those that the guards trust, and on those that they refuse."""
    groups = {"all": np.ones(len(trusted), dtype=bool), "trusted": trusted, "refused": ~trusted}
    return [*measure_figures(actual, said, groups), _worse(actual, said, trusted)]


def measure_figures(actual: npt.NDArray[np.generic], said: Predictions, groups: Mapping[str, Flags]) -> list[Row]:
    """The model's figures on some rows of each name; of fewer than `FEWEST` none."""
    rows: list[Row] = []
    for name, chosen in groups.items():
        if chosen.sum() >= FEWEST:
            found = {f"{metric}:{name}": how for metric, how in _statistics(actual, said, chosen).items()}
            rows += with_intervals(found, int(chosen.sum()), 1)
    return rows


def _worse(actual: npt.NDArray[np.generic], said: Predictions, trusted: Flags) -> Row:
    """By what share of the error on all rows the trusted ones are surely worse: guards that refuse the good answers.
    0 where that may be chance, the same resamples on both sides; no value where too few are trusted."""
    n = int(trusted.sum())
    if n < FEWEST:
        return "worse_with_rejections", float("nan"), float("nan"), float("nan"), n, FEWEST
    error = _errors(actual, said)
    every, kept = mean_of(error), _mean_of_chosen(error, trusted)
    [(_, _, lower, _, _, _)] = with_intervals({"": lambda w: kept(w) / every(w) - 1}, len(error), 1)
    # Of a model without errors there is nothing to be worse than.
    return "worse_with_rejections", max(lower, 0.0) if error.any() else 0.0, float("nan"), float("nan"), n, FEWEST


def _mean_of_chosen(values: Floats, chosen: Flags) -> Statistic:
    return ratio_of(values * chosen, chosen.astype(np.float64))


def _errors(actual: npt.NDArray[np.generic], said: Predictions) -> Floats:
    """(n,) wrong or right as 1 or 0; of a number, how far off."""
    if said.classes:
        return np.asarray(actual != said.values, dtype=np.float64)
    return np.abs(said.values.astype(np.float64) - actual.astype(np.float64))


def _statistics(actual: npt.NDArray[np.generic], said: Predictions, chosen: Flags) -> dict[str, Statistic]:
    if said.classes:
        return {"accuracy": mean_of((actual == said.values)[chosen].astype(np.float64))}
    error = pd.Series(said.values - actual.astype(np.float64))[chosen]
    squared = mean_of(error**2)
    return {"mae": mean_of(error.abs()), "rmse": lambda w: np.sqrt(squared(w))}
