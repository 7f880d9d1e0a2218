"""Where the trees of an estimator change their minds: the split thresholds of each feature."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

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
    finite = np.isfinite(thresholds)
    features, thresholds = features[finite], thresholds[finite]
    return {int(one): np.unique(thresholds[features == one]) for one in np.unique(features)}


def _splits(estimator: Any) -> Iterator[Splits]:
    """Feature positions and thresholds, tree by tree."""
    if hasattr(estimator, "tree_"):
        inner = estimator.tree_.children_left >= 0
        yield estimator.tree_.feature[inner].astype(np.int64), estimator.tree_.threshold[inner]
    elif hasattr(estimator, "_predictors"):
        yield from _histogram_splits(estimator)
    else:
        for member, columns in _estimators_inside(estimator):
            for features, thresholds in _splits(member):
                yield (features if columns is None else columns[features]), thresholds


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


def _estimators_inside(estimator: Any) -> Iterator[tuple[Any, npt.NDArray[np.int64] | None]]:
    """Fitted members that see the same matrix, or the columns of it that are given."""
    columns = getattr(estimator, "estimators_features_", None)
    members = np.ravel(np.array(getattr(estimator, "estimators_", []), dtype=object))
    for position, member in enumerate(members):
        yield member, None if columns is None else np.asarray(columns[position], dtype=np.int64)
    for one in getattr(estimator, "calibrated_classifiers_", []):
        yield one.estimator, None
    for name in ("estimator_", "regressor_", "best_estimator_", "init_"):
        if hasattr(getattr(estimator, name, None), "predict") and not len(members):
            yield getattr(estimator, name), None
