"""Where the trees of an estimator change their minds: the split thresholds of each feature."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.conversion.lightgbm_trees import lightgbm_trees
from tasks.conversion.tree_ensemble import MEMBER, Tree
from tasks.conversion.xgboost_trees import xgboost_trees

# LightGBM writes an infinite threshold, present against missing, as 1e300.
INFINITE = 1e300
Splits = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]


def thresholds_of(estimator: Any) -> dict[int, npt.NDArray[np.float64]]:
    """Sorted unique thresholds by the position of the feature in what the estimator is given; {} without trees.

    Looks into ensembles of estimators as well (bagging, boosting, voting, stacking, calibration), as far as their
    members see the same columns. Categories, which a tree tells apart one by one, are not thresholds.
    """
    parts = [split for split in _splits(estimator) if len(split[0])]
    if not parts:
        return {}
    features = np.concatenate([split[0] for split in parts])
    thresholds = np.concatenate([split[1] for split in parts])
    finite = np.abs(thresholds) < INFINITE
    features, thresholds = features[finite], thresholds[finite]
    return {int(one): np.unique(thresholds[features == one]) for one in np.unique(features)}


def _splits(estimator: Any) -> Iterator[Splits]:
    """Feature positions and thresholds, tree by tree."""
    if hasattr(estimator, "tree_"):
        inner = estimator.tree_.children_left >= 0
        yield estimator.tree_.feature[inner].astype(np.int64), estimator.tree_.threshold[inner]
    elif hasattr(estimator, "_predictors"):
        yield from _histogram_splits(estimator)
    elif booster_trees(estimator):
        for tree in booster_trees(estimator):
            asks = (tree.feature >= 0) & (tree.mode != MEMBER)
            yield tree.feature[asks], tree.threshold[asks]
    else:
        for member, columns in estimators_inside(estimator):
            for features, thresholds in _splits(member):
                yield (features if columns is None else columns[features]), thresholds


def booster_trees(estimator: Any) -> list[Tree]:
    """The trees of a LightGBM or XGBoost model, none of anything else."""
    package = type(estimator).__module__.partition(".")[0]
    readers = {"lightgbm": lightgbm_trees, "xgboost": xgboost_trees}
    return readers[package](estimator) if package in readers else []


def _histogram_splits(estimator: Any) -> Iterator[Splits]:
    """Behind categories, which the estimator moves to the front, numbers keep their order."""
    categorical = estimator.is_categorical_
    order = None if categorical is None else np.r_[np.flatnonzero(categorical), np.flatnonzero(~categorical)]
    for stage in estimator._predictors:
        for predictor in stage:
            nodes = predictor.nodes
            nodes = nodes[(nodes["is_leaf"] == 0) & (nodes["is_categorical"] == 0)]
            features = nodes["feature_idx"].astype(np.int64)
            yield (features if order is None else order[features]), nodes["num_threshold"].astype(np.float64)


def estimators_inside(estimator: Any) -> Iterator[tuple[Any, npt.NDArray[np.int64] | None]]:
    """Fitted members that see the same matrix, or the columns of it that are given."""
    columns = getattr(estimator, "estimators_features_", None)
    if getattr(estimator, "_max_features", 0) == getattr(estimator, "n_features_in_", -1) and hasattr(
        estimator, "offset_"
    ):
        columns = None  # An IsolationForest of all features does not look them up.
    members = np.ravel(np.array(getattr(estimator, "estimators_", []), dtype=object))
    for position, member in enumerate(members):
        yield member, None if columns is None else np.asarray(columns[position], dtype=np.int64)
    for one in getattr(estimator, "calibrated_classifiers_", []):
        yield one.estimator, None
    for name in ("estimator_", "regressor_", "best_estimator_", "init_"):
        if hasattr(getattr(estimator, name, None), "predict") and not len(members):
            yield getattr(estimator, name), None
