"""Known functions: a function that somebody wrote has no form in ONNX, numpy's and scipy's do."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tasks.conversion.interpolation import interpolate
from tasks.conversion.ops import Ops

KNOWN = "log, log1p, log2, log10, exp, expm1, exp2, sqrt, cbrt, square, abs, reciprocal, negative, sin, cos, tanh, sign"


def known_functions() -> dict[Any, Callable[[Ops, str], str]]:
    """How each function is written."""
    from scipy import special

    return {
        None: lambda ops, x: x,
        np.log: lambda ops, x: ops("Log", x),
        np.log1p: lambda ops, x: log1p(ops, x),
        np.log2: lambda ops, x: ops("Div", ops("Log", x), float(np.log(2))),
        np.log10: lambda ops, x: ops("Div", ops("Log", x), float(np.log(10))),
        np.exp: lambda ops, x: ops("Exp", x),
        np.expm1: lambda ops, x: expm1(ops, x),
        np.exp2: lambda ops, x: ops("Pow", ops.constant(2.0), x),
        np.sqrt: lambda ops, x: ops("Sqrt", x),
        np.cbrt: lambda ops, x: ops("Mul", ops("Sign", x), ops("Pow", ops("Abs", x), 1 / 3)),
        np.square: lambda ops, x: ops("Mul", x, x),
        np.abs: lambda ops, x: ops("Abs", x),
        np.fabs: lambda ops, x: ops("Abs", x),
        np.reciprocal: lambda ops, x: ops("Div", 1.0, x),
        np.negative: lambda ops, x: ops("Neg", x),
        np.sin: lambda ops, x: ops("Sin", x),
        np.cos: lambda ops, x: ops("Cos", x),
        np.tanh: lambda ops, x: ops("Tanh", x),
        np.sign: lambda ops, x: ops("Sign", x),
        special.expit: lambda ops, x: ops("Sigmoid", x),
    }


def apply(ops: Ops, function: Any, x: str, arguments: Any = None) -> str:
    """A known function of x. Raises NotImplementedError for others, and for arguments."""
    try:
        if arguments:
            raise KeyError
        write = known_functions()[function]
    except (KeyError, TypeError):
        name = getattr(function, "__name__", str(function))
        raise NotImplementedError(
            f"the function {name} has no form in ONNX; known are numpy's {KNOWN}. "
            "Compute it in the data source, or use a transformer of scikit-learn."
        ) from None
    return write(ops, x)


def log1p(ops: Ops, x: str) -> str:
    """log(1 + x), exact near 0: x · log(u) / (u - 1) with u = 1 + x (Kahan, in Goldberg 1991, theorem 4)."""
    u = ops("Add", x, 1.0)
    near = ops("Sub", u, 1.0)
    flat = ops("Equal", near, 0.0)
    far = ops("IsInf", u)
    whole = ops("Div", ops("Mul", ops("Log", u), x), ops("Where", flat, 1.0, near))
    return ops("Where", flat, x, ops("Where", far, ops("Log", u), whole))


def expm1(ops: Ops, x: str) -> str:
    """exp(x) - 1, near 0 by tanh: 2t / (1 - t) with t = tanh(x / 2)."""
    t = ops("Tanh", ops("Div", x, 2.0))
    near = ops("Div", ops("Mul", t, 2.0), ops("Sub", 1.0, t))
    return ops("Where", ops("Less", ops("Abs", x), 0.5), near, ops("Sub", ops("Exp", x), 1.0))


def invert_transformer(ops: Ops, transformer: Any, x: str) -> str:
    """inverse_transform of a fitted transformer of one column. Raises NotImplementedError for others."""
    from sklearn import preprocessing as known
    from sklearn.pipeline import Pipeline

    if isinstance(transformer, Pipeline):
        for _, step in reversed(transformer.steps):
            x = invert_transformer(ops, step, x)
        return x
    if isinstance(transformer, known.FunctionTransformer):
        return apply(ops, transformer.inverse_func, x)
    if isinstance(transformer, known.StandardScaler | known.RobustScaler | known.MaxAbsScaler):
        middle = getattr(transformer, "mean_", getattr(transformer, "center_", None))
        scale = transformer.scale_
        x = ops("Mul", x, float(scale[0])) if scale is not None else x
        return ops("Add", x, float(middle[0])) if middle is not None else x
    if isinstance(transformer, known.MinMaxScaler):
        return ops("Div", ops("Sub", x, float(transformer.min_[0])), float(transformer.scale_[0]))
    if isinstance(transformer, known.PowerTransformer):
        return _invert_power(ops, transformer, x)
    if isinstance(transformer, known.QuantileTransformer) and transformer.output_distribution == "uniform":
        return interpolate(ops, x, *_increasing(transformer.references_, transformer.quantiles_[:, 0]))
    raise NotImplementedError(
        f"the inverse of {type(transformer).__name__} has no form in ONNX; use PowerTransformer, a scaler, "
        "QuantileTransformer with a uniform distribution, or func and inverse_func of numpy."
    )


def _increasing(xs: Any, ys: Any) -> tuple[Any, Any]:
    return np.asarray(xs), np.asarray(ys)


def _invert_power(ops: Ops, transformer: Any, x: str) -> str:
    power = float(transformer.lambdas_[0])
    if transformer.standardize:
        scaler = transformer._scaler
        x = ops("Add", ops("Mul", x, float(scaler.scale_[0])), float(scaler.mean_[0]))
    if transformer.method == "box-cox":
        if power == 0:
            return ops("Exp", x)
        return ops("Pow", ops("Add", ops("Mul", x, power), 1.0), 1 / power)
    return ops("Where", ops("GreaterOrEqual", x, 0.0), _upper(ops, x, power), _lower(ops, x, power))


def _upper(ops: Ops, x: str, power: float) -> str:
    """Of Yeo and Johnson (2000), for what was not negative."""
    x = ops("Max", x, 0.0)
    if abs(power) < np.spacing(1.0):
        return expm1(ops, x)
    return ops("Sub", ops("Pow", ops("Add", ops("Mul", x, power), 1.0), 1 / power), 1.0)


def _lower(ops: Ops, x: str, power: float) -> str:
    x = ops("Min", x, 0.0)
    if abs(power - 2) <= np.spacing(1.0):
        return ops("Neg", expm1(ops, ops("Neg", x)))
    return ops("Sub", 1.0, ops("Pow", ops("Add", ops("Mul", x, power - 2), 1.0), 1 / (2 - power)))
