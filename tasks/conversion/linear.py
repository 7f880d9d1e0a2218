"""Linear models: skl2onnx answers some of them in single precision, in another shape or with other probabilities."""

from typing import Any

import numpy as np

from tasks.conversion.converter import Converter
from tasks.conversion.ops import Ops, Scores, class_converter, number_converter


def converters() -> list[Converter]:
    """Linear classifiers with their decision, discriminant analysis, partial least squares."""
    from sklearn import cross_decomposition, discriminant_analysis, linear_model, svm

    logistic = (linear_model.LogisticRegression, linear_model.LogisticRegressionCV)
    bare = (linear_model.Perceptron, linear_model.PassiveAggressiveClassifier, linear_model.RidgeClassifier)
    least_squares = (cross_decomposition.PLSRegression, cross_decomposition.PLSCanonical, cross_decomposition.CCA)
    return [
        *(class_converter(kind, _logistic) for kind in logistic),
        *(class_converter(kind, _bare) for kind in (*bare, linear_model.RidgeClassifierCV, svm.LinearSVC)),
        class_converter(linear_model.SGDClassifier, _stochastic),
        class_converter(discriminant_analysis.LinearDiscriminantAnalysis, _logistic),
        class_converter(discriminant_analysis.QuadraticDiscriminantAnalysis, _quadratic),
        *(number_converter(kind, _least_squares, lambda _: 1) for kind in least_squares),
    ]


def _decision(ops: Ops, model: Any, x: str) -> str:
    coefficients = np.atleast_2d(model.coef_)
    if np.ndim(model.classes_) != 1 or len(coefficients) != (1 if len(model.classes_) == 2 else len(model.classes_)):
        raise NotImplementedError(f"{type(model).__name__} with several targets has no form here: one target each.")
    return ops.linear(x, coefficients.T, model.intercept_)


def _bare(ops: Ops, model: Any, x: str) -> Scores:
    decision = _decision(ops, model, x)
    return Scores(ops.decided(model.classes_, decision), None, decision)


def _logistic(ops: Ops, model: Any, x: str) -> Scores:
    """Binary: the logistic function of the decision, also for discriminant analysis; more classes: softmax."""
    decision = _decision(ops, model, x)
    binary = len(model.classes_) == 2
    probabilities = ops.sides(ops.sigmoid(decision)) if binary else ops.softmax(decision)
    return Scores(ops.decided(model.classes_, decision), probabilities, decision)


def _stochastic(ops: Ops, model: Any, x: str) -> Scores:
    """SGDClassifier: one against the rest, normalised; modified_huber clips instead."""
    decision = _decision(ops, model, x)
    if model.loss not in ("log_loss", "modified_huber"):
        return Scores(ops.decided(model.classes_, decision), None, decision)
    if model.loss == "log_loss":
        share = ops.sigmoid(decision)
    else:
        share = ops("Div", ops("Add", ops("Max", ops("Min", decision, 1.0), -1.0), 1.0), 2.0)
    probabilities = ops.sides(share) if len(model.classes_) == 2 else ops.shares_or_equal(share, len(model.classes_))
    return Scores(ops.decided(model.classes_, decision), probabilities, decision)


def _quadratic(ops: Ops, model: Any, x: str) -> Scores:
    """Log posteriors of Gaussians with a covariance each (Hastie et al., equation 4.12)."""
    each = []
    for mean, rotation, scaling, prior in zip(
        model.means_, model.rotations_, model.scalings_, model.priors_, strict=True
    ):
        turned = ops("MatMul", ops("Sub", x, mean[None]), rotation * scaling**-0.5)
        norm = ops.sum(ops("Mul", turned, turned))
        each.append(ops("Add", ops("Mul", norm, -0.5), float(np.log(prior) - 0.5 * np.log(scaling).sum())))
    posterior = ops("Concat", *each, axis=1)
    probabilities = ops.softmax(posterior)
    decision = ops("Sub", each[1], each[0]) if len(each) == 2 else posterior
    return Scores(ops.decided(model.classes_, decision), probabilities, decision)


def _least_squares(ops: Ops, model: Any, x: str) -> str:
    if len(np.atleast_2d(model.coef_)) != 1:
        raise NotImplementedError(f"{type(model).__name__} with several targets: a release has one; train one each.")
    return ops.linear(ops("Sub", x, np.asarray(model._x_mean)[None]), model.coef_.T, model.intercept_)
