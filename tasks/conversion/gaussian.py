"""Gaussian process classification."""

from typing import Any

import numpy as np

from tasks.conversion.converter import Converter
from tasks.conversion.ops import Ops, Scores, class_converter


def converters() -> list[Converter]:
    """The Laplace approximation, binary and one against the rest."""
    from sklearn.gaussian_process import GaussianProcessClassifier

    return [class_converter(GaussianProcessClassifier, _classify)]


def _classify(ops: Ops, model: Any, x: str) -> Scores:
    inner = model.base_estimator_
    if len(model.classes_) == 2:
        mean, share = _latent(ops, inner, x)
        return Scores(ops.above(model.classes_, mean), ops.sides(share), None)
    if model.multi_class != "one_vs_rest":
        raise NotImplementedError("GaussianProcessClassifier converts with multi_class='one_vs_rest'.")
    shares = ops("Concat", *(_latent(ops, one, x)[1] for one in inner.estimators_), axis=1)
    return Scores(ops.largest(model.classes_, shares), ops.shares(shares), None)


def _latent(ops: Ops, model: Any, x: str) -> tuple[str, str]:
    """Latent mean and positive share (n, 1): Rasmussen and Williams 2006, algorithm 3.2; the integral over the
    logistic function by five error functions (Williams and Barber 1998, appendix A)."""
    from sklearn.gaussian_process._gpc import COEFS, LAMBDAS

    star = _kernel(ops, model.kernel_, x, model.X_train_)
    mean = ops("MatMul", star, (model.y_train_ - model.pi_).reshape(-1, 1))
    half = np.linalg.solve(model.L_, np.diag(model.W_sr_))
    spread = ops("MatMul", star, half.T.copy())
    variance = ops("Sub", _diagonal(ops, model.kernel_, x), ops.sum(ops("Mul", spread, spread)))
    alpha = ops("Div", 0.5, variance)
    lambdas = LAMBDAS.reshape(1, -1)
    inside = ops("Sqrt", ops("Div", alpha, ops("Add", alpha, lambdas**2)))
    integrals = error_function(ops, ops("Mul", ops("Mul", mean, lambdas), inside))
    total = ops("MatMul", integrals, COEFS.reshape(-1, 1) / 2)
    return mean, ops("Add", total, float(0.5 * COEFS.sum()))


def error_function(ops: Ops, x: str) -> str:
    """erf in double, which onnxruntime has not: exp(-x²) times a Chebyshev series in 2 / (2 + |x|), by Clenshaw."""
    from scipy.special import erfcx

    def scaled(u: Any) -> Any:
        t = np.clip((u + 1) / 2, 1e-9, 1)
        return erfcx(2 / t - 2) / t

    series = np.polynomial.chebyshev.chebinterpolate(scaled, 40)
    size = ops("Abs", x)
    t = ops("Div", 2.0, ops("Add", size, 2.0))
    u = ops("Sub", ops("Mul", t, 2.0), 1.0)
    twice, later, latest = ops("Mul", u, 2.0), ops("Mul", u, 0.0), ops("Mul", u, 0.0)
    for coefficient in series[:0:-1]:
        later, latest = ops("Add", ops("Sub", ops("Mul", twice, later), latest), float(coefficient)), later
    value = ops("Add", ops("Sub", ops("Mul", u, later), latest), float(series[0]))
    tail = ops("Mul", ops("Mul", value, t), ops("Exp", ops("Neg", ops("Mul", x, x))))
    return ops("Mul", ops("Sign", x), ops("Sub", 1.0, tail))


def _kernel(ops: Ops, kernel: Any, x: str, points: Any) -> str:
    """k(x, points) (n, m). Raises NotImplementedError for kernels that are not known."""
    from sklearn.gaussian_process import kernels as known

    if isinstance(kernel, known.Sum | known.Product):
        both = (_kernel(ops, one, x, points) for one in (kernel.k1, kernel.k2))
        return ops("Add" if isinstance(kernel, known.Sum) else "Mul", *both)
    zeros = ops("Mul", ops("MatMul", x, np.zeros((points.shape[1], 1))), np.zeros((1, len(points))))
    if isinstance(kernel, known.WhiteKernel):
        return zeros
    if isinstance(kernel, known.ConstantKernel):
        return ops("Add", zeros, float(kernel.constant_value))
    if isinstance(kernel, known.DotProduct):
        return ops("Add", ops("MatMul", x, points.T.copy()), float(kernel.sigma_0**2))
    if type(kernel) is known.RBF:
        lengths = np.broadcast_to(kernel.length_scale, points.shape[1])
        far = ops.square_distances(ops("Div", x, lengths[None].copy()), points / lengths)
        return ops("Exp", ops("Mul", far, -0.5))
    if isinstance(kernel, known.RationalQuadratic):
        far = ops("Div", ops.square_distances(x, points), float(2 * kernel.alpha * kernel.length_scale**2))
        return ops("Pow", ops("Add", far, 1.0), -float(kernel.alpha))
    if isinstance(kernel, known.Matern) and kernel.nu in (0.5, 1.5, 2.5):
        return _matern(ops, kernel, x, points)
    raise NotImplementedError(
        f"the kernel {type(kernel).__name__} has no form here; known are RBF, Matern (nu 0.5, 1.5, 2.5), "
        "RationalQuadratic, DotProduct, ConstantKernel and WhiteKernel, their sums and products."
    )


def _matern(ops: Ops, kernel: Any, x: str, points: Any) -> str:
    lengths = np.broadcast_to(kernel.length_scale, points.shape[1])
    far = ops("Sqrt", ops.exact_distances(ops("Div", x, lengths[None].copy()), points / lengths))
    scaled = ops("Mul", far, float(np.sqrt(2 * kernel.nu)))
    falling = ops("Exp", ops("Neg", scaled))
    if kernel.nu == 0.5:
        return falling
    grown = ops("Add", scaled, 1.0)
    if kernel.nu == 2.5:
        grown = ops("Add", grown, ops("Div", ops("Mul", scaled, scaled), 3.0))
    return ops("Mul", grown, falling)


def _diagonal(ops: Ops, kernel: Any, x: str) -> str:
    """k(x, x) (n, 1)."""
    from sklearn.gaussian_process import kernels as known

    if isinstance(kernel, known.Sum | known.Product):
        both = (_diagonal(ops, one, x) for one in (kernel.k1, kernel.k2))
        return ops("Add" if isinstance(kernel, known.Sum) else "Mul", *both)
    if isinstance(kernel, known.DotProduct):
        return ops("Add", ops.sum(ops("Mul", x, x)), float(kernel.sigma_0**2))
    value = {known.WhiteKernel: "noise_level", known.ConstantKernel: "constant_value"}.get(type(kernel))
    return ops("Add", ops("Mul", ops.sum(x), 0.0), float(getattr(kernel, value)) if value else 1.0)
