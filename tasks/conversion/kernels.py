"""Kernel machines in double: onnxruntime's own are single precision only."""

from typing import Any

import numpy as np

from tasks.conversion.converter import Converter
from tasks.conversion.ops import Ops, Scores, class_converter, number_converter, outlier_converter


def converters() -> list[Converter]:
    """Support vector machines, kernel ridge, label propagation, kernel approximations."""
    from sklearn import kernel_approximation, kernel_ridge, semi_supervised, svm

    return [
        *(class_converter(kind, _vote) for kind in (svm.SVC, svm.NuSVC)),
        *(number_converter(kind, _support_sum, lambda _: 1) for kind in (svm.SVR, svm.NuSVR)),
        outlier_converter(svm.OneClassSVM, _one_class),
        number_converter(kernel_ridge.KernelRidge, _ridge, lambda _: 1),
        *(
            class_converter(kind, _propagate)
            for kind in (semi_supervised.LabelPropagation, semi_supervised.LabelSpreading)
        ),
        number_converter(kernel_approximation.Nystroem, _nystroem, lambda model: len(model.components_)),
        number_converter(kernel_approximation.RBFSampler, _fourier, lambda model: model.n_components),
    ]


def kernel(ops: Ops, name: Any, x: str, points: Any, gamma: float, degree: float = 3, coef0: float = 0) -> str:
    """The kernel matrix (n, m) of rows with `points` (m, features). Raises NotImplementedError for others."""
    points = np.asarray(points, dtype=np.float64)
    if name in ("rbf", "laplacian"):
        far = ops.square_distances(x, points) if name == "rbf" else ops.exact_distances(x, points, 1)
        return ops("Exp", ops("Mul", far, -float(gamma)))
    if name == "cosine":
        length = ops("Sqrt", ops.sum(ops("Mul", x, x)))
        unit = ops("Div", x, ops("Where", ops("Equal", length, 0.0), 1.0, length))
        return ops("MatMul", unit, (points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-300)).T)
    if name not in ("linear", "poly", "polynomial", "sigmoid"):
        raise NotImplementedError(f"the kernel {name} has no form here; known are rbf, poly, linear and sigmoid.")
    product = ops("MatMul", x, points.T)
    if name == "linear":
        return product
    scaled = ops("Add", ops("Mul", product, float(gamma)), float(coef0))
    return ops("Tanh", scaled) if name == "sigmoid" else ops("Pow", scaled, float(degree))


def _vectors(ops: Ops, model: Any, x: str) -> str:
    if callable(model.kernel) or model.kernel == "precomputed":
        raise NotImplementedError(
            f"{type(model).__name__} with a kernel of one's own; use rbf, poly, linear or sigmoid."
        )
    return kernel(ops, model.kernel, x, model.support_vectors_, model._gamma, model.degree, model.coef0)


def _support_sum(ops: Ops, model: Any, x: str) -> str:
    return ops.linear(_vectors(ops, model, x), _dense(model.dual_coef_).T, model.intercept_)


def _one_class(ops: Ops, model: Any, x: str) -> tuple[str, str]:
    decision = _support_sum(ops, model, x)
    return ops("Greater", decision, 0.0), decision


def _dense(values: Any) -> Any:
    return values.toarray() if hasattr(values, "toarray") else np.asarray(values)


def pairwise_weights(model: Any) -> Any:
    """The weight of each support vector in each pair of classes (vectors, pairs), from libsvm's packed form."""
    dual, counts = _dense(model._dual_coef_), model._n_support
    ends = np.cumsum(counts)
    starts = ends - counts
    classes = len(counts)
    weights = []
    for i in range(classes):
        for j in range(i + 1, classes):
            one = np.zeros(dual.shape[1])
            one[starts[i] : ends[i]] = dual[j - 1, starts[i] : ends[i]]
            one[starts[j] : ends[j]] = dual[i, starts[j] : ends[j]]
            weights.append(one)
    return np.array(weights).T


def _vote(ops: Ops, model: Any, x: str) -> Scores:
    """Each pair of classes votes, as libsvm does; a tie goes to the first class."""
    if getattr(model, "probability", False) is True:
        raise NotImplementedError(
            f"{type(model).__name__} with probability=True couples pairs by an iteration that has no form in ONNX; "
            "leave it out, or put CalibratedClassifierCV around it."
        )
    classes = len(model.classes_)
    pairs = ops.linear(_vectors(ops, model, x), pairwise_weights(model), model._intercept_)
    if classes == 2:
        decision = ops("Neg", pairs)
        return Scores(ops.above(model.classes_, decision), None, decision)
    first = ops.number(ops("Greater", pairs, 0.0))
    combos = [(i, j) for i in range(classes) for j in range(i + 1, classes)]
    place = np.array([[np.where(k == i, 1.0, np.where(k == j, -1.0, 0.0)) for k in range(classes)] for i, j in combos])
    lost = (place < 0).astype(float)
    votes = ops("Add", ops("MatMul", first, place), lost.sum(axis=0)[None])
    sums = ops("MatMul", pairs, place)
    decision = ops("Add", votes, ops("Div", sums, ops("Mul", ops("Add", ops("Abs", sums), 1.0), 3.0)))
    if model.decision_function_shape != "ovr":
        decision = pairs
    label = decision if model.break_ties and model.decision_function_shape == "ovr" else votes
    return Scores(ops.largest(model.classes_, label), None, decision)


def _ridge(ops: Ops, model: Any, x: str) -> str:
    if np.ndim(model.dual_coef_) > 1 and np.shape(model.dual_coef_)[1] != 1:
        raise NotImplementedError("KernelRidge with several targets: a release has one; train one each.")
    gamma = 1 / np.shape(model.X_fit_)[1] if model.gamma is None else model.gamma
    matrix = kernel(ops, model.kernel, x, _dense(model.X_fit_), gamma, model.degree, model.coef0)
    return ops("MatMul", matrix, np.asarray(model.dual_coef_).reshape(-1, 1))


def _propagate(ops: Ops, model: Any, x: str) -> Scores:
    if model.kernel != "rbf":
        raise NotImplementedError(f"{type(model).__name__} converts with kernel='rbf', found {model.kernel!r}.")
    weights = kernel(ops, "rbf", x, model.X_, model.gamma)
    probabilities = ops.shares(ops("MatMul", weights, np.asarray(model.label_distributions_)))
    return Scores(ops.largest(model.classes_, probabilities), probabilities, None)


def _nystroem(ops: Ops, model: Any, x: str) -> str:
    gamma = 1 / model.components_.shape[1] if model.gamma is None else model.gamma
    degree, coef0 = model.degree or 3, 1 if model.coef0 is None else model.coef0
    return ops("MatMul", kernel(ops, model.kernel, x, model.components_, gamma, degree, coef0), model.normalization_.T)


def _fourier(ops: Ops, model: Any, x: str) -> str:
    turned = ops.linear(x, model.random_weights_, model.random_offset_)
    return ops("Mul", ops("Cos", turned), float(np.sqrt(2 / model.n_components)))
