"""What stands in for missing values. onnxruntime has no imputer for doubles, nor for text."""

from typing import Any

import numpy as np

from infra.runtime import MISSING_TEXT
from tasks.conversion.converter import Converter
from tasks.conversion.ops import Ops, is_text, matrix, mixed_converter, number_converter


def converters() -> list[Converter]:
    """Constants and statistics for numbers and text, neighbours, rounds of linear models, and flags."""
    from sklearn import impute
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401

    return [
        mixed_converter(impute.SimpleImputer, _simple, _width, lambda _: True),
        number_converter(impute.KNNImputer, _neighbours, _width),
        number_converter(impute.IterativeImputer, _rounds, _width),
        mixed_converter(impute.MissingIndicator, _flags, lambda model: len(model.features_), lambda _: False),
    ]


def _width(model: Any) -> int:
    return len(model.get_feature_names_out())


def missing(ops: Ops, x: str, text: bool, marker: Any) -> str:
    """Where a value is missing: NaN in numbers, MISSING_TEXT in text, or what the estimator was told."""
    blank = marker is None or marker != marker or str(marker) in ("<NA>", "nan")
    if text:
        return ops("Equal", x, np.array(MISSING_TEXT if blank else str(marker), dtype=object))
    return ops("IsNaN", x) if blank else ops("Equal", x, float(marker))


def _simple(ops: Ops, model: Any, variables: list[Any]) -> str:
    text = is_text(variables[0])
    x = matrix(ops, variables)
    absent = missing(ops, x, text, model.missing_values)
    statistics = np.asarray(model.statistics_, dtype=object)
    kept = [i for i, value in enumerate(statistics) if model.keep_empty_features or value == value]
    if len(kept) < len(statistics):
        raise NotImplementedError("SimpleImputer saw only missing values in a column: leave that column out.")
    if text and model.add_indicator:
        raise NotImplementedError("SimpleImputer of text with add_indicator: put a MissingIndicator beside it.")
    fill = np.array([statistics], dtype=object if text else np.float64)
    filled = ops("Where", absent, fill, x)
    return _with_indicator(ops, model, filled, absent)


def _with_indicator(ops: Ops, model: Any, filled: str, absent: str) -> str:
    if not model.add_indicator or not len(model.indicator_.features_):
        return filled
    return ops("Concat", filled, ops.number(ops.columns(absent, model.indicator_.features_.tolist())), axis=1)


def _flags(ops: Ops, model: Any, variables: list[Any]) -> str:
    absent = missing(ops, matrix(ops, variables), is_text(variables[0]), model.missing_values)
    return ops.number(ops.columns(absent, model.features_.tolist()))


def _neighbours(ops: Ops, model: Any, x: str) -> str:
    """The mean of the nearest rows that have the value, by Euclidean distance over what both have."""
    if model.metric != "nan_euclidean" or model.weights not in ("uniform", "distance"):
        raise NotImplementedError("KNNImputer with a metric or weights of one's own; use nan_euclidean and uniform.")
    if not model._valid_mask.all():
        raise NotImplementedError("KNNImputer saw only missing values in a column: leave that column out.")
    rows, holes = np.asarray(model._fit_X, dtype=np.float64), np.asarray(model._mask_fit_X)
    absent = missing(ops, x, False, model.missing_values)
    total = count = ""
    for column in range(rows.shape[1]):
        both = ops("Not", ops("Or", ops.columns(absent, [column]), holes[None, :, column]))
        apart = ops("Sub", ops.columns(x, [column]), np.where(holes, 0, rows)[None, :, column])
        term = ops("Where", both, ops("Mul", apart, apart), 0.0)
        total = ops("Add", total, term) if total else term
        count = ops("Add", count, ops.number(both)) if count else ops.number(both)
    far = ops("Sqrt", ops("Mul", ops("Div", total, count), float(rows.shape[1])))
    far = ops("Where", ops("Equal", count, 0.0), np.inf, far)
    columns = [_neighbour_column(ops, model, far, rows[:, j], ~holes[:, j]) for j in range(rows.shape[1])]
    return _with_indicator(ops, model, ops("Where", absent, ops("Concat", *columns, axis=1), x), absent)


def _neighbour_column(ops: Ops, model: Any, far: str, values: Any, known: Any) -> str:
    donors = np.flatnonzero(known)
    near, places = ops.two(
        "TopK", ops.columns(far, donors.tolist()), [min(model.n_neighbors, len(donors))], axis=1, largest=0, sorted=1
    )
    weights = ops.number(ops("Less", near, np.inf))
    if model.weights == "distance":
        same = ops.number(ops("Equal", near, 0.0))
        some = ops("Greater", ops("ReduceMax", same, [1], keepdims=1), 0.0)
        weights = ops("Where", some, same, ops("Div", 1.0, near))
    sum_of_weights = ops.sum(weights)
    mean = ops("Div", ops.sum(ops("Mul", ops("Gather", values[donors], places, axis=0), weights)), sum_of_weights)
    return ops("Where", ops("Equal", sum_of_weights, 0.0), float(values[donors].mean()), mean)


def _rounds(ops: Ops, model: Any, x: str) -> str:
    """Each column in turn from the others, as often as training did."""
    if model.sample_posterior:
        raise NotImplementedError("IterativeImputer with sample_posterior answers by chance.")
    if any(not hasattr(step.estimator, "coef_") for step in model.imputation_sequence_):
        raise NotImplementedError("IterativeImputer converts with linear estimators, such as its own BayesianRidge.")
    statistics = np.asarray(model.initial_imputer_.statistics_, dtype=np.float64)
    if np.isnan(statistics).any():
        raise NotImplementedError("IterativeImputer saw only missing values in a column: leave that column out.")
    absent = missing(ops, x, False, model.missing_values)
    start = ops("Where", absent, statistics[None], x)
    columns = [ops.columns(start, [j]) for j in range(len(statistics))]
    for feature, others, estimator in model.imputation_sequence_:
        given = ops("Concat", *(columns[j] for j in others), axis=1)
        guess = ops.linear(given, np.reshape(estimator.coef_, (-1, 1)), estimator.intercept_)
        inside = ops("Min", ops("Max", guess, float(model._min_value[feature])), float(model._max_value[feature]))
        columns[feature] = ops("Where", ops.columns(absent, [int(feature)]), inside, columns[feature])
    return _with_indicator(ops, model, ops("Concat", *columns, axis=1), absent)
