"""How good is the whole: the model with its guards, which answers less often?"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from infra.runtime import Predictions
from tasks.guards.plan import Flags
from tasks.quality import Statistic, mean_of, with_intervals

Row = tuple[str, float, float, float, int, int]
FEWEST = 5


def measure_composed(actual: npt.NDArray[np.generic], said: Predictions, trusted: Flags) -> list[Row]:
    """The model's figures on all rows, on those that the guards trust, and on those that they refuse."""
    rows: list[Row] = []
    for name, chosen in (("all", np.ones(len(trusted), dtype=bool)), ("trusted", trusted), ("refused", ~trusted)):
        if chosen.sum() >= FEWEST:
            found = {f"{metric}:{name}": how for metric, how in _statistics(actual, said, chosen).items()}
            rows += with_intervals(found, int(chosen.sum()), 1)
    return rows


def _statistics(actual: npt.NDArray[np.generic], said: Predictions, chosen: Flags) -> dict[str, Statistic]:
    if said.classes:
        return {"accuracy": mean_of((actual == said.values)[chosen].astype(np.float64))}
    error = pd.Series(said.values - actual.astype(np.float64))[chosen]
    squared = mean_of(error**2)
    return {"mae": mean_of(error.abs()), "rmse": lambda w: np.sqrt(squared(w))}
