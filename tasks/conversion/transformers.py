"""Transformers of numbers that skl2onnx has not, or has in single precision only."""

from typing import Any

import numpy as np

from tasks.conversion.converter import Converter
from tasks.conversion.functions import apply, log1p
from tasks.conversion.ops import Ops, is_text, matrix, mixed_converter, number_converter


def converters() -> list[Converter]:
    """Powers, bins, splines, polynomials, known functions, selections, projections."""
    from sklearn import (
        cluster,
        decomposition,
        feature_selection,
        kernel_approximation,
        neighbors,
        neural_network,
        preprocessing,
        random_projection,
    )

    width = _width
    return [
        number_converter(preprocessing.PowerTransformer, _power, width),
        number_converter(preprocessing.KBinsDiscretizer, _bins, width),
        number_converter(preprocessing.SplineTransformer, _splines, width),
        number_converter(preprocessing.PolynomialFeatures, _polynomials, width),
        mixed_converter(preprocessing.FunctionTransformer, _function, _any, lambda _: True),
        number_converter(feature_selection.SequentialFeatureSelector, _selected, width),
        number_converter(cluster.KMeans, _centres, width),
        number_converter(cluster.MiniBatchKMeans, _centres, width),
        number_converter(cluster.BisectingKMeans, _centres, width),
        number_converter(cluster.FeatureAgglomeration, _agglomerated, width),
        number_converter(decomposition.FactorAnalysis, _factors, width),
        number_converter(decomposition.FastICA, _components, width),
        number_converter(decomposition.SparsePCA, _sparse_components, width),
        number_converter(decomposition.MiniBatchSparsePCA, _sparse_components, width),
        number_converter(random_projection.SparseRandomProjection, _projected, width),
        number_converter(neighbors.NeighborhoodComponentsAnalysis, _projected, width),
        number_converter(neural_network.BernoulliRBM, _hidden, width),
        number_converter(kernel_approximation.SkewedChi2Sampler, _skewed, lambda model: model.n_components),
    ]


def _width(model: Any) -> int:
    return len(model.get_feature_names_out())


def _any(_: Any) -> None:
    return None


def _function(ops: Ops, model: Any, variables: list[Any]) -> str:
    if model.func is not None and any(is_text(one) for one in variables):
        raise NotImplementedError("FunctionTransformer of text has no form in ONNX: compute it in the data source.")
    return apply(ops, model.func, matrix(ops, variables), model.kw_args)


def _power(ops: Ops, model: Any, x: str) -> str:
    """Yeo and Johnson (2000) or Box and Cox (1964), column by column."""
    change = _box_cox if model.method == "box-cox" else _yeo_johnson
    columns = [change(ops, ops.columns(x, [i]), float(power)) for i, power in enumerate(model.lambdas_)]
    changed = ops("Concat", *columns, axis=1) if len(columns) > 1 else columns[0]
    if not model.standardize:
        return changed
    return ops("Div", ops("Sub", changed, model._scaler.mean_[None]), model._scaler.scale_[None])


def _box_cox(ops: Ops, x: str, power: float) -> str:
    if power == 0:
        return ops("Log", x)
    return ops("Div", ops("Sub", ops("Pow", x, power), 1.0), power)


def _yeo_johnson(ops: Ops, x: str, power: float) -> str:
    tiny = float(np.spacing(1.0))
    upper, lower = ops("Max", x, 0.0), ops("Neg", ops("Min", x, 0.0))
    if abs(power) < tiny:
        high = log1p(ops, upper)
    else:
        high = ops("Div", ops("Sub", ops("Pow", ops("Add", upper, 1.0), power), 1.0), power)
    if abs(power - 2) <= tiny:
        low = ops("Neg", log1p(ops, lower))
    else:
        low = ops("Div", ops("Sub", 1.0, ops("Pow", ops("Add", lower, 1.0), 2 - power)), 2 - power)
    return ops("Where", ops("IsNaN", x), x, ops("Where", ops("GreaterOrEqual", x, 0.0), high, low))


def _bins(ops: Ops, model: Any, x: str) -> str:
    parts = []
    for i, edges in enumerate(model.bin_edges_):
        inner = np.append(edges[1:-1], np.inf)
        passed = ops.number(ops("GreaterOrEqual", ops.columns(x, [i]), inner[None]))
        place = ops.sum(passed)
        if model.encode == "ordinal":
            parts.append(place)
        else:
            parts.append(ops.number(ops("Equal", place, np.arange(int(model.n_bins_[i]), dtype=float)[None])))
    return ops("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


def _splines(ops: Ops, model: Any, x: str) -> str:
    """The splines as polynomials of their intervals, by Horner; flat outside where extrapolation is constant."""
    if model.extrapolation not in ("constant", "continue"):
        raise NotImplementedError(
            f"SplineTransformer with extrapolation={model.extrapolation!r}; use 'constant' (the default) or 'continue'."
        )
    parts = [_spline(ops, model, ops.columns(x, [i]), one) for i, one in enumerate(model.bsplines_)]
    return ops("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


def _spline(ops: Ops, model: Any, x: str, spline: Any) -> str:
    from scipy.interpolate import BSpline, PPoly

    degree, count = spline.k, spline.c.shape[1]
    pieces = [PPoly.from_spline(BSpline(spline.t, spline.c[:, k].copy(), degree)) for k in range(count)]
    knots = spline.t[degree : len(spline.t) - degree]
    coefficients = np.array([piece.c[:, degree : degree + len(knots) - 1] for piece in pieces])
    if model.extrapolation == "constant":
        x = ops("Min", ops("Max", x, float(knots[0])), float(knots[-1]))
    passed = ops("Cast", ops("GreaterOrEqual", x, np.append(knots[1:-1], np.inf)[None]), to=7)
    place = ops("ReduceSum", passed, [1], keepdims=0)
    inside = ops("Sub", x, ops("Reshape", ops("Gather", knots[:-1], place, axis=0), [-1, 1]))
    value = ops("Gather", coefficients[:, 0].T.copy(), place, axis=0)
    for power in range(1, degree + 1):
        value = ops("Add", ops("Mul", value, inside), ops("Gather", coefficients[:, power].T.copy(), place, axis=0))
    return value if model.include_bias else ops.columns(value, range(count - 1))


def _polynomials(ops: Ops, model: Any, x: str) -> str:
    """Each output is a product of columns; short products are filled up with ones."""
    powers = np.asarray(model.powers_)
    features, degree = powers.shape[1], int(powers.sum(axis=1).max(initial=0))
    factors = np.full((len(powers), max(degree, 1)), features)
    for row, exponents in enumerate(powers):
        used = np.repeat(np.arange(features), exponents)
        factors[row, : len(used)] = used
    one = ops("Add", ops("Mul", ops.columns(x, [0]), 0.0), 1.0)
    padded = ops("Concat", x, one, axis=1)
    product = ops.columns(padded, factors[:, 0].tolist())
    for step in range(1, degree):
        product = ops("Mul", product, ops.columns(padded, factors[:, step].tolist()))
    return product


def _selected(ops: Ops, model: Any, x: str) -> str:
    return ops.columns(x, np.flatnonzero(model.get_support()).tolist())


def _centres(ops: Ops, model: Any, x: str) -> str:
    return ops("Sqrt", ops.exact_distances(x, model.cluster_centers_))


def _agglomerated(ops: Ops, model: Any, x: str) -> str:
    if model.pooling_func is not np.mean:
        raise NotImplementedError("FeatureAgglomeration converts with pooling_func=numpy.mean.")
    groups = np.unique(model.labels_)
    pooled = np.array([(model.labels_ == group) / (model.labels_ == group).sum() for group in groups])
    return ops("MatMul", x, pooled.T.copy())


def _factors(ops: Ops, model: Any, x: str) -> str:
    weighted = model.components_ / model.noise_variance_
    covariance = np.linalg.inv(np.eye(len(model.components_)) + weighted @ model.components_.T)
    return ops("MatMul", ops("Sub", x, model.mean_[None]), weighted.T @ covariance)


def _components(ops: Ops, model: Any, x: str) -> str:
    centred = ops("Sub", x, model.mean_[None]) if model.whiten else x
    return ops("MatMul", centred, model.components_.T.copy())


def _projected(ops: Ops, model: Any, x: str) -> str:
    weights = model.components_
    return ops("MatMul", x, np.asarray(weights.toarray() if hasattr(weights, "toarray") else weights).T.copy())


def _hidden(ops: Ops, model: Any, x: str) -> str:
    return ops.sigmoid(ops.linear(x, model.components_.T, model.intercept_hidden_))


def _sparse_components(ops: Ops, model: Any, x: str) -> str:
    parts = model.components_
    inverse = np.linalg.inv(parts @ parts.T + model.ridge_alpha * np.eye(len(parts)))
    return ops("MatMul", ops("Sub", x, model.mean_[None]), parts.T @ inverse)


def _skewed(ops: Ops, model: Any, x: str) -> str:
    shifted = ops("Log", ops("Add", x, float(model.skewedness)))
    turned = ops.linear(shifted, model.random_weights_, model.random_offset_)
    return ops("Mul", ops("Cos", turned), float(np.sqrt(2) / np.sqrt(model.n_components)))
