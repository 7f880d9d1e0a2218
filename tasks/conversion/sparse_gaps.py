"""XGBoost takes what a sparse matrix leaves out, its zeros, as missing; in a graph every matrix is dense."""

from typing import Any

from sklearn.base import BaseEstimator, TransformerMixin

from tasks.conversion.converter import Converter
from tasks.conversion.ops import number_converter


class ZerosAreMissing(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Stands before an XGBoost model that was given a sparse matrix. It is never fitted: only a converter reads it."""


def converters() -> list[Converter]:
    """The step that is put in."""
    return [
        number_converter(
            ZerosAreMissing,
            lambda ops, _, x: ops("Where", ops("Equal", x, 0.0), float("nan"), x),
            lambda _: None,
        )
    ]


def with_gaps(steps: list[Any]) -> list[Any]:
    """The fitted steps of a pipeline, with such a step where a sparse matrix reaches an XGBoost model."""
    found, sparse = [], False
    for step in steps:
        if sparse and type(step).__module__.startswith("xgboost."):
            found.append(ZerosAreMissing())
        # A ColumnTransformer knows what it gave; an encoder is told; whatever else keeps the kind it was given.
        sparse = bool(getattr(step, "sparse_output_", getattr(step, "sparse_output", sparse)))
        found.append(step)
    return found


def gaps_are_missing(steps: list[Any]) -> bool:
    """Whether the last of the fitted steps is an XGBoost model that is given a sparse matrix."""
    return any(isinstance(step, ZerosAreMissing) for step in with_gaps(steps)[-2:-1])
