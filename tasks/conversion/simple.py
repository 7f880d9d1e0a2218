"""Baselines, isotonic regression, outliers by distance."""

from typing import Any

import numpy as np

from tasks.conversion.converter import Converter
from tasks.conversion.interpolation import interpolate
from tasks.conversion.ops import Ops, Scores, class_converter, number_converter, outlier_converter


def converters() -> list[Converter]:
    """Dummies, isotonic regression, the elliptic envelope."""
    from sklearn import covariance, dummy, isotonic

    return [
        class_converter(dummy.DummyClassifier, _dummy),
        number_converter(dummy.DummyRegressor, _constant, lambda _: 1),
        number_converter(isotonic.IsotonicRegression, _isotonic, lambda _: 1),
        outlier_converter(covariance.EllipticEnvelope, _envelope),
    ]


def _rows(ops: Ops, x: str) -> str:
    """The shape (n, 1) of one number for each row."""
    return ops("Concat", ops("Shape", x, start=0, end=1), [1], axis=0)


def _dummy(ops: Ops, model: Any, x: str) -> Scores:
    if model.strategy in ("stratified", "uniform"):
        raise NotImplementedError(f"DummyClassifier({model.strategy!r}) answers by chance; use strategy='prior'.")
    classes = np.asarray(model.classes_)
    if model.strategy == "constant":
        place = int(
            np.flatnonzero(
                classes
                == np.ravel(model._strategy_constant if hasattr(model, "_strategy_constant") else model.constant)[0]
            )[0]
        )
    else:
        place = int(np.argmax(model.class_prior_))
    shares = np.asarray(model.class_prior_) if model.strategy == "prior" else np.eye(len(classes))[place]
    index = ops("Expand", np.array([place]), ops("Shape", x, start=0, end=1))
    return Scores(ops.labels(classes, index), ops("Expand", shares[None].astype(np.float64), _rows(ops, x)), None)


def _constant(ops: Ops, model: Any, x: str) -> str:
    if np.size(model.constant_) != 1:
        raise NotImplementedError("DummyRegressor with several targets: a release has one.")
    return ops("Expand", np.asarray(model.constant_, dtype=np.float64).reshape(1, 1), _rows(ops, x))


def _isotonic(ops: Ops, model: Any, x: str) -> str:
    value = ops("Reshape", x, [-1, 1])
    line = interpolate(ops, value, model.X_thresholds_, model.y_thresholds_)
    if model.out_of_bounds == "clip":
        return line
    if model.out_of_bounds == "raise":
        raise NotImplementedError("IsotonicRegression that raises outside what it saw; set out_of_bounds='clip'.")
    outside = ops("Or", ops("Less", value, float(model.X_min_)), ops("Greater", value, float(model.X_max_)))
    return ops("Where", outside, np.nan, line)


def _envelope(ops: Ops, model: Any, x: str) -> tuple[str, str]:
    """The squared Mahalanobis distance against the training rows' quantile."""
    apart = ops("Sub", x, model.location_[None])
    far = ops.sum(ops("Mul", ops("MatMul", apart, model.get_precision()), apart))
    decision = ops("Sub", ops("Neg", far), float(model.offset_))
    return ops("GreaterOrEqual", decision, 0.0), decision
