"""A fast model in place of the candidate, for questions that take many trainings."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from tasks.qualification.matrix import Encoding, Flags, Floats

Codes = npt.NDArray[np.int64]
ROUNDS, FOLDS = 60, 5


@dataclass(frozen=True)
class Goal:
    """What is to be learned: `values` (n,) are numbers, or with `classes` > 0 the place of each row's label."""

    values: npt.NDArray[Any]
    classes: int = 0

    def of(self, rows: npt.NDArray[Any]) -> "Goal":
        """The same of some rows."""
        return Goal(self.values[rows], self.classes)


def goal_of(actual: npt.NDArray[Any], classifies: bool) -> tuple[Goal, tuple[str, ...]]:
    """The goal of a truth (n,) of label texts or numbers, and the labels in the order of their places."""
    if not classifies:
        return Goal(np.asarray(actual, dtype=np.float64)), ()
    labels, places = np.unique(actual.astype(str), return_inverse=True)
    return Goal(places.astype(np.int64), len(labels)), tuple(str(label) for label in labels)


@dataclass(frozen=True)
class StandIn:
    """A trained stand-in; `held` (p,) are the places that its training had any value of."""

    model: Any
    classes: int
    held: Flags

    def says(self, matrix: Floats) -> Floats:
        """(n, classes) probabilities, 0 for a class that its training had no row of; (n, 1) numbers of a regression."""
        matrix = matrix[:, self.held]
        with threadpool_limits(1):
            if not self.classes:
                return np.asarray(self.model.predict(matrix), dtype=np.float64).reshape(-1, 1)
            told = np.zeros((len(matrix), self.classes))
            told[:, self.model.classes_] = self.model.predict_proba(matrix)
            return told


def stand_in(
    matrix: Floats, goal: Goal, categorical: Flags, rounds: int = ROUNDS, rate: float = 0.1, loss: str = "squared_error"
) -> StandIn:
    """Histogram gradient boosting (Ke et al. 2017, as scikit-learn has it), or the mean where all rows are alike.

    Fewer rounds of many classes: each costs a tree for every class. One thread, so that other checks are not slowed.
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    held: Flags = np.asarray(~np.isnan(matrix).all(axis=0)) if len(matrix) else np.zeros(matrix.shape[1], dtype=bool)
    matrix, categorical = matrix[:, held], categorical[held]
    rounds = max(10, rounds // max(1, goal.classes // 2))
    given: dict[str, Any] = {"max_iter": rounds, "learning_rate": rate, "max_leaf_nodes": 15, "early_stopping": False}
    given |= {"categorical_features": categorical if categorical.any() else None, "random_state": 0}
    alike = len(np.unique(goal.values)) < 2 or not matrix.shape[1]
    if goal.classes:
        model: Any = DummyClassifier() if alike else HistGradientBoostingClassifier(**given)
    else:
        model = DummyRegressor() if alike else HistGradientBoostingRegressor(loss=loss, **given)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return StandIn(model.fit(matrix, goal.values), goal.classes, held)


def out_of_fold(matrix: Floats, goal: Goal, categorical: Flags, folds: Codes, rounds: int = ROUNDS) -> Floats:
    """(n, classes or 1) what stand-ins say of each row that were trained on the other folds."""
    told = np.zeros((len(matrix), max(goal.classes, 1)))
    for fold in np.unique(folds):
        mine = folds == fold
        # Medians, not means, of numbers: what is far off should not draw what is said of it to itself.
        model = stand_in(matrix[~mine], goal.of(~mine), categorical, rounds, loss="absolute_error")
        told[mine] = model.says(matrix[mine])
    return told


def random_folds(n: int, seed: int, folds: int = FOLDS) -> Codes:
    """(n,) folds of even size, by chance."""
    return np.random.default_rng(seed).permutation(np.arange(n) % folds)


def group_folds(groups: npt.NDArray[Any], folds: int = FOLDS) -> Codes:
    """(n,) folds such that no group is in two of them: the largest first, each to the smallest fold."""
    values, place, counts = np.unique(groups.astype(str), return_inverse=True, return_counts=True)
    sizes, fold_of = [0] * min(folds, len(values)), np.zeros(len(values), dtype=np.int64)
    for at in np.argsort(-counts, kind="stable"):
        fold_of[at] = int(np.argmin(sizes))
        sizes[fold_of[at]] += int(counts[at])
    return np.asarray(fold_of[place], dtype=np.int64)


def matrices(encoding: Encoding, *frames: Any) -> list[Floats]:
    """`trees` of several frames."""
    return [encoding.trees(frame) for frame in frames]
