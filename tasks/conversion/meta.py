"""Estimators around others: what is inside may be anything that converts, pipelines among them."""

from typing import Any

import numpy as np

from tasks.conversion.converter import Converter
from tasks.conversion.functions import apply, invert_transformer
from tasks.conversion.interpolation import interpolate
from tasks.conversion.ops import (
    Ops,
    Scores,
    inner_converter,
    parse_nested,
    parsed_converter,
    wrapping_class_converter,
    wrapping_converter,
)
from tasks.conversion.sparse_gaps import with_gaps


def converters() -> list[Converter]:
    """Pipelines, searches, thresholds, calibration, one against others, transformed targets, one-target wrappers."""
    from sklearn import (
        calibration,
        compose,
        frozen,
        model_selection,
        multiclass,
        multioutput,
        pipeline,
        semi_supervised,
    )
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.linear_model import RANSACRegressor

    searches = ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV")
    return [
        parsed_converter(pipeline.Pipeline, _parse_pipeline),
        *(inner_converter(getattr(model_selection, name), lambda model: model.best_estimator_) for name in searches),
        inner_converter(semi_supervised.SelfTrainingClassifier, lambda model: model.estimator_),
        inner_converter(frozen.FrozenEstimator, lambda model: model.estimator),
        inner_converter(RANSACRegressor, lambda model: model.estimator_),
        *(inner_converter(kind, _only_one) for kind in (multioutput.MultiOutputRegressor, multioutput.RegressorChain)),
        wrapping_class_converter(model_selection.FixedThresholdClassifier, _fixed, _one),
        wrapping_class_converter(model_selection.TunedThresholdClassifierCV, _tuned, _one),
        wrapping_class_converter(calibration.CalibratedClassifierCV, _calibrated, _calibrated_inner),
        wrapping_class_converter(multiclass.OneVsRestClassifier, _against_rest, _each),
        wrapping_class_converter(multiclass.OneVsOneClassifier, _against_each, _each),
        wrapping_class_converter(multiclass.OutputCodeClassifier, _codes, _each),
        wrapping_converter(compose.TransformedTargetRegressor, _target, lambda model: [model.regressor_]),
    ]


def _parse_pipeline(scope: Any, model: Any, inputs: Any, custom_parsers: Any) -> Any:
    for step in with_gaps([step for _, step in model.steps if step is not None and step != "passthrough"]):
        inputs = parse_nested(scope, step, inputs, custom_parsers)
    return inputs


def _only_one(model: Any) -> Any:
    if len(model.estimators_) != 1:
        raise NotImplementedError(
            f"{type(model).__name__} predicts {len(model.estimators_)} targets; a release has one: "
            "release one model each."
        )
    return model.estimators_[0]


def _one(model: Any) -> list[Any]:
    return [model.estimator_]


def _each(model: Any) -> list[Any]:
    """The estimators inside; those that saw one answer only are constants, and written as such."""
    return [one for one in model.estimators_ if not _is_constant(one)]


def _is_constant(model: Any) -> bool:
    return type(model).__name__ == "_ConstantPredictor"


def _scores(ops: Ops, model: Any, answers: tuple[list[str], ...]) -> list[str]:
    """The score (n, 1) of each estimator inside."""
    if not answers:
        raise NotImplementedError(f"{type(model).__name__} saw one answer only; nothing was learnt.")
    rest = iter(answers)
    rows = ops("Concat", ops("Shape", answers[0][0], start=0, end=1), [1], axis=0)
    return [
        ops("Expand", np.array(one.y_, dtype=np.float64).reshape(1, 1), rows)
        if _is_constant(one)
        else binary_score(ops, one, next(rest))
        for one in model.estimators_
    ]


def _calibrated_inner(model: Any) -> list[Any]:
    return [one.estimator for one in model.calibrated_classifiers_]


def decision_of(ops: Ops, model: Any, answer: list[str]) -> str:
    """decision_function of a nested classifier (n, 1) or (n, classes).

    Of a converter that gives none: for two classes the log odds, which it is for all that scikit-learn has.
    """
    if len(answer) == 3:
        return answer[2]
    if len(np.asarray(model.classes_)) != 2:
        raise NotImplementedError(
            f"the decision_function of {type(model).__name__} with more than two classes is not in its graph; "
            "use an estimator whose probabilities are calibrated by themselves, or a logistic regression."
        )
    positive = ops.columns(answer[1], [1])
    return ops("Log", ops("Div", positive, ops.columns(answer[1], [0])))


def binary_score(ops: Ops, model: Any, answer: list[str]) -> str:
    """What one-against-others wrappers compare: decision, or positive probability, or a regressor's number (n, 1)."""
    if len(answer) == 1:
        return ops("Reshape", answer[0], [-1, 1])
    if not hasattr(model, "decision_function"):
        return ops.columns(answer[1], [1])
    return decision_of(ops, model, answer)


def _fixed(ops: Ops, model: Any, answer: list[str]) -> Scores:
    automatic = model.response_method == "auto"
    by_share = model.response_method == "predict_proba" or (automatic and hasattr(model.estimator_, "predict_proba"))
    threshold = model.threshold if model.threshold != "auto" else (0.5 if by_share else 0.0)
    return _threshold(ops, model, answer, by_share, threshold, model.pos_label)


def _tuned(ops: Ops, model: Any, answer: list[str]) -> Scores:
    inner, automatic = model.estimator_, model.response_method == "auto"
    by_share = model.response_method == "predict_proba" or (automatic and hasattr(inner, "predict_proba"))
    positive = getattr(model, "_curve_scorer", None)
    label = positive._get_pos_label() if positive is not None else None
    return _threshold(ops, model, answer, by_share, model.best_threshold_, label)


def _threshold(ops: Ops, model: Any, answer: list[str], by_share: bool, threshold: float, positive: Any) -> Scores:
    """The positive label where its score is at or above the threshold."""
    classes = np.asarray(model.classes_)
    first = positive is not None and positive == classes[0]
    if by_share:
        score = ops.columns(answer[1], [0 if first else 1])
    else:
        score = decision_of(ops, model.estimator_, answer)
        score = ops("Neg", score) if first else score
    label = ops.above(classes[::-1] if first else classes, score, float(threshold), equal=True)
    inner = model.estimator_
    probabilities = answer[1] if hasattr(inner, "predict_proba") else None
    return Scores(
        label, probabilities, decision_of(ops, inner, answer) if hasattr(inner, "decision_function") else None
    )


def _calibrated(ops: Ops, model: Any, *answers: list[str]) -> Scores:
    """The mean of the calibrated classifiers' probabilities."""
    each = [_calibrate(ops, one, answer) for one, answer in zip(model.calibrated_classifiers_, answers, strict=True)]
    total = each[0]
    for more in each[1:]:
        total = ops("Add", total, more)
    probabilities = ops("Div", total, float(len(each)))
    return Scores(ops.largest(model.classes_, probabilities), probabilities, None)


def _calibrate(ops: Ops, calibrated: Any, answer: list[str]) -> str:
    inner, count = calibrated.estimator, len(calibrated.classes)
    if len(inner.classes_) != count:
        raise NotImplementedError("a fold of CalibratedClassifierCV saw not all classes; use fewer folds (cv).")
    by_decision = hasattr(inner, "decision_function")
    scores = decision_of(ops, inner, answer) if by_decision else answer[1]
    if calibrated.method == "temperature":
        if by_decision:
            logits = ops("Concat", ops("Neg", scores), scores, axis=1) if count == 2 else scores
        else:
            logits = ops("Log", ops("Add", scores, float(np.finfo(np.float64).eps)))
        return ops.softmax(ops("Mul", logits, float(calibrated.calibrators[0].beta_)))
    if count == 2:
        scores = scores if by_decision else ops.columns(scores, [1])
        return ops.sides(_calibrator(ops, calibrated.calibrators[0], scores))
    columns = [_calibrator(ops, one, ops.columns(scores, [k])) for k, one in enumerate(calibrated.calibrators)]
    return ops.shares_or_equal(ops("Concat", *columns, axis=1), count)


def _calibrator(ops: Ops, calibrator: Any, scores: str) -> str:
    if hasattr(calibrator, "a_"):
        return ops.sigmoid(ops("Neg", ops("Add", ops("Mul", scores, float(calibrator.a_)), float(calibrator.b_))))
    return interpolate(ops, scores, calibrator.X_thresholds_, calibrator.y_thresholds_)


def _against_rest(ops: Ops, model: Any, *answers: list[str]) -> Scores:
    if model.multilabel_:
        raise NotImplementedError("OneVsRestClassifier with several labels a record: release one model each.")
    if any(_is_constant(one) for one in model.estimators_):
        raise NotImplementedError("OneVsRestClassifier saw a class that all or no records have; leave it out.")
    pairs = list(zip(model.estimators_, answers, strict=True))
    decisions = [binary_score(ops, one, answer) for one, answer in pairs]
    joined = ops("Concat", *decisions, axis=1) if len(decisions) > 1 else decisions[0]
    probabilities = None
    if all(hasattr(one, "predict_proba") for one in model.estimators_):
        shares = [ops.columns(answer[1], [1]) for _, answer in pairs]
        probabilities = ops.sides(shares[0]) if len(shares) == 1 else _normalised(ops, shares)
    if len(decisions) > 1:
        label = ops.largest(model.classes_, joined)
    else:
        label = ops.above(model.classes_, joined, _middle(model.estimators_[0]))
    return Scores(label, probabilities, joined)


def _normalised(ops: Ops, shares: list[str]) -> str:
    joined = ops("Concat", *shares, axis=1)
    total = ops.sum(joined)
    return ops("Div", joined, ops("Where", ops("Equal", total, 0.0), 1.0, total))


def _middle(inner: Any) -> float:
    """The score from which a binary estimator says yes."""
    return 0.0 if hasattr(inner, "decision_function") else 0.5


def _against_each(ops: Ops, model: Any, *answers: list[str]) -> Scores:
    """Votes, with the sum of confidences, squeezed into (-1/3, 1/3), to break ties."""
    if model.pairwise_indices_ is not None:
        raise NotImplementedError("OneVsOneClassifier over a precomputed kernel: use the kernel inside SVC.")
    count = len(model.classes_)
    votes: list[str] = [""] * count
    confidences: list[str] = [""] * count
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    for (i, j), one, answer in zip(pairs, model.estimators_, answers, strict=True):
        score = binary_score(ops, one, answer)
        yes = ops("Reshape", ops.number(answer[0]), [-1, 1])
        for sums, lower, upper in ((votes, ops("Sub", 1.0, yes), yes), (confidences, ops("Neg", score), score)):
            _add(ops, sums, i, lower)
            _add(ops, sums, j, upper)
    total = ops("Concat", *confidences, axis=1)
    squeezed = ops("Div", total, ops("Mul", ops("Add", ops("Abs", total), 1.0), 3.0))
    decision = ops("Add", ops("Concat", *votes, axis=1), squeezed)
    if count > 2:
        return Scores(ops.largest(model.classes_, decision), None, decision)
    second = ops.columns(decision, [1])
    return Scores(ops.above(model.classes_, second, _middle(model.estimators_[0])), None, second)


def _add(ops: Ops, sums: list[str], place: int, more: str) -> None:
    sums[place] = ops("Add", sums[place], more) if sums[place] else more


def _codes(ops: Ops, model: Any, *answers: list[str]) -> Scores:
    """The class whose code lies nearest to the binary estimators' scores."""
    scores = _scores(ops, model, answers)
    far = ops.exact_distances(ops("Concat", *scores, axis=1), model.code_book_)
    return Scores(ops.labels(model.classes_, ops("ArgMin", far, axis=1, keepdims=0)), None, None)


def _target(ops: Ops, model: Any, answer: list[str]) -> str:
    """The prediction, transformed back."""
    if model._training_dim != 1:
        raise NotImplementedError("TransformedTargetRegressor with several targets: release one model each.")
    value = ops("Reshape", answer[0], [-1, 1])
    if model.transformer is not None:
        return invert_transformer(ops, model.transformer_, value)
    return apply(ops, model.inverse_func, value)
