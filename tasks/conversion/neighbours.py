"""Neighbours within a radius, outliers by density, centroids."""

from typing import Any

import numpy as np

from tasks.conversion.converter import Converter
from tasks.conversion.ops import Ops, Scores, class_converter, number_converter


def converters() -> list[Converter]:
    """Nearest k, radius neighbours and nearest centroid."""
    from sklearn import neighbors

    return [
        class_converter(neighbors.KNeighborsClassifier, _nearest_classes),
        number_converter(neighbors.KNeighborsRegressor, _nearest_mean, lambda _: 1),
        class_converter(neighbors.RadiusNeighborsClassifier, _classes_within),
        number_converter(neighbors.RadiusNeighborsRegressor, _mean_within, lambda _: 1),
        class_converter(neighbors.NearestCentroid, _centroid),
    ]


def distances(ops: Ops, model: Any, x: str) -> str:
    """Distances (n, m) to the training rows. Raises NotImplementedError for metrics that are not Minkowski's."""
    power = {"euclidean": 2, "l2": 2, "manhattan": 1, "cityblock": 1, "l1": 1, "chebyshev": np.inf}
    metric = model.effective_metric_ if hasattr(model, "effective_metric_") else model.metric
    p = power.get(metric, model.p if metric == "minkowski" else None)
    if p is None or model.effective_metric_params_.get("w") is not None or hasattr(model._fit_X, "toarray"):
        raise NotImplementedError(
            f"{type(model).__name__} with metric {metric!r} (or weights of features, or sparse rows) has no form here; "
            "known are euclidean, manhattan, chebyshev and minkowski."
        )
    far = ops.exact_distances(x, model._fit_X, float(p))
    return ops("Sqrt", far) if p == 2 else far if p in (1, np.inf) else ops("Pow", far, 1 / float(p))


def nearest(ops: Ops, model: Any, x: str, count: int) -> tuple[str, str]:
    """Distances and places (n, count) of the nearest training rows; of equal ones the first."""
    return ops.two("TopK", distances(ops, model, x), np.array([count]), axis=1, largest=0, sorted=1)


def _closeness(ops: Ops, weights: Any, far: str) -> str:
    """The weight of each neighbour: 1, or 1 / distance; where a distance is 0, 1 for such and 0 for others."""
    if weights in (None, "uniform"):
        return ops("Add", ops("Mul", far, 0.0), 1.0)
    if weights != "distance":
        raise NotImplementedError("neighbours weighted by a function of one's own; use 'uniform' or 'distance'.")
    same = ops.number(ops("Equal", far, 0.0))
    some = ops("Greater", ops("ReduceMax", same, [1], keepdims=1), 0.0)
    return ops("Where", some, same, ops("Div", 1.0, far))


def _one_target(model: Any) -> Any:
    y = np.asarray(model._y)
    if y.ndim > 1 and y.shape[1] > 1:
        raise NotImplementedError(f"{type(model).__name__} with several targets: a release has one; train one each.")
    return y.ravel()


def _nearest_classes(ops: Ops, model: Any, x: str) -> Scores:
    far, places = nearest(ops, model, x, model.n_neighbors)
    weights = _closeness(ops, model.weights, far)
    label = ops("Gather", _one_target(model).astype(np.int64), places, axis=0)
    votes = [ops.sum(ops("Mul", weights, ops.number(ops("Equal", label, k)))) for k in range(len(model.classes_))]
    probabilities = ops.shares(ops("Concat", *votes, axis=1))
    return Scores(ops.largest(model.classes_, probabilities), probabilities, None)


def _nearest_mean(ops: Ops, model: Any, x: str) -> str:
    far, places = nearest(ops, model, x, model.n_neighbors)
    weights = _closeness(ops, model.weights, far)
    values = ops("Gather", _one_target(model).astype(np.float64), places, axis=0)
    return ops("Div", ops.sum(ops("Mul", values, weights)), ops.sum(weights))


def _within(ops: Ops, model: Any, x: str) -> str:
    """The weight of each training row, 0 outside the radius (n, m)."""
    far = distances(ops, model, x)
    inside = ops("LessOrEqual", far, float(model.radius))
    if model.weights in (None, "uniform"):
        return ops.number(inside)
    outside = ops("Where", inside, far, np.inf)
    return ops("Where", inside, _closeness(ops, model.weights, outside), 0.0)


def _classes_within(ops: Ops, model: Any, x: str) -> Scores:
    labels, classes = _one_target(model), np.asarray(model.classes_)
    votes = ops("MatMul", _within(ops, model, x), np.eye(len(classes))[labels])
    alone = ops("Equal", ops.sum(votes), 0.0)
    outlier = model.outlier_label_
    known = np.flatnonzero(classes == outlier[0]) if outlier is not None else np.array([], dtype=int)
    if len(known) != 1:
        raise NotImplementedError(
            "RadiusNeighborsClassifier fails, or names a class that is none, where no neighbour is near; "
            "set outlier_label to one of the classes or to 'most_frequent'."
        )
    probabilities = ops.shares(ops("Where", alone, np.eye(len(classes))[known], votes))
    return Scores(ops.largest(classes, probabilities), probabilities, None)


def _mean_within(ops: Ops, model: Any, x: str) -> str:
    weights = _within(ops, model, x)
    total = ops.sum(weights)
    mean = ops("Div", ops("MatMul", weights, _one_target(model).astype(np.float64).reshape(-1, 1)), total)
    return ops("Where", ops("Equal", total, 0.0), np.nan, mean)


def _centroid(ops: Ops, model: Any, x: str) -> Scores:
    equal = np.isclose(model.class_prior_, 1 / len(model.classes_)).all()
    if model.metric not in ("euclidean", "manhattan"):
        raise NotImplementedError(f"NearestCentroid with metric {model.metric!r}; use euclidean or manhattan.")
    deviation = np.where(model.within_class_std_dev_ != 0, model.within_class_std_dev_, 1.0).reshape(1, -1)
    power = 2 if model.metric == "euclidean" else 1
    far = ops.exact_distances(ops("Div", x, deviation), model.centroids_ / deviation, power)
    square = far if power == 2 else ops("Mul", far, far)
    score = ops("Sub", (2 * np.log(model.class_prior_)).reshape(1, -1), square)
    plain = ops("Neg", ops.exact_distances(x, model.centroids_, power)) if equal else score
    label = ops.largest(model.classes_, plain)
    if model.metric != "euclidean":
        return Scores(label, None, None)
    decision = score
    if len(model.classes_) == 2:
        decision = ops("Sub", ops.columns(score, [1]), ops.columns(score, [0]))
        label = label if equal else ops.above(model.classes_, decision)
    return Scores(label, ops.softmax(score), decision)
