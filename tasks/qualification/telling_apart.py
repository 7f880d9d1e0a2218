"""Can a classifier tell production rows from training rows? Adversarial validation: 0.5 is no difference at all."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.qualification.areas import area, sure_area
from tasks.qualification.matrix import Encoding, Floats, encoding_of
from tasks.qualification.stand_in import Goal, StandIn, random_folds, stand_in

MOST, FOLDS, ROUNDS, SHOWN = 5_000, 3, 40, 15
# Fewer rows of production tell of nothing but a change of everything.
REQUIRED = 100
Row = tuple[str, float, float, float, int, int]


def apart_rows(
    train: pd.DataFrame, production: pd.DataFrame, chance: float, seed: int, required: int = REQUIRED
) -> tuple[list[Row], dict[str, float]]:
    """The area under the ROC curve, out of fold, with its interval; what it surely is at least; and how much of it goes
    where one column is shuffled (`gives_away:<column>`, of one fold)."""
    old, new = (_some(frame, seed) for frame in (train, production))
    n = min(len(old), len(new))
    if n < FOLDS or not len(new.columns):
        return [("surely_told_apart", np.nan, np.nan, np.nan, n, required)], {}
    both = pd.concat([old, new], ignore_index=True)
    encoding = encoding_of(both)
    matrix, truth = encoding.trees(both), np.repeat([0, 1], [len(old), len(new)])
    folds, told = random_folds(len(both), seed, FOLDS), np.zeros(len(both))
    giving: dict[str, float] = {}
    for fold in range(FOLDS):
        mine = folds == fold
        model = stand_in(matrix[~mine], Goal(truth[~mine], 2), encoding.categorical, ROUNDS)
        told[mine] = model.says(matrix[mine])[:, 1]
        giving = giving or _giving(model, encoding, matrix[mine], truth[mine], seed)
    value, low, high = area(told[truth == 1], told[truth == 0])
    rows: list[Row] = [
        ("told_apart", value, low, high, n, 0),
        ("surely_told_apart", sure_area(value, len(new), len(old), chance), np.nan, np.nan, n, required),
    ]
    most = sorted(giving, key=lambda name: -giving[name])[:SHOWN]
    return [*rows, *((f"gives_away:{name}", giving[name], np.nan, np.nan, n, 0) for name in most)], giving


def _some(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    drawn = np.random.default_rng(seed).permutation(len(frame))[:MOST]
    return frame.iloc[np.sort(drawn)].reset_index(drop=True)


def _giving(
    model: StandIn, encoding: Encoding, matrix: Floats, truth: npt.NDArray[np.int64], seed: int
) -> dict[str, float]:
    """By column: the area that is lost where its values are shuffled (Breiman 2001)."""
    rng, owners = np.random.default_rng(seed), np.array(encoding.owners)

    def worth(rows: Floats) -> float:
        said = model.says(rows)[:, 1]
        return area(said[truth == 1], said[truth == 0])[0]

    whole, lost = worth(matrix), {}
    for name in encoding.names:
        shuffled = matrix.copy()
        shuffled[:, owners == name] = matrix[rng.permutation(len(matrix))][:, owners == name]
        lost[name] = whole - worth(shuffled)
    return lost
