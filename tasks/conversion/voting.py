"""Ensembles whose members vote: the vote, and at the end of a candidate what each member said and how far apart."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.conversion.converter import Converter
from tasks.conversion.ops import (
    Ops,
    Scores,
    class_types,
    declare,
    float_type,
    opened,
    wrapping_class_converter,
    wrapping_converter,
)


@dataclass(eq=False)
class Polled:
    """A voting model at the end of a candidate, and its members in the order of `member_names`: they are asked for
    their own answers too."""

    model: Any
    estimators_: list[Any]

    @property
    def classes_(self) -> Any:
        """Of a classifier; else no such attribute, as in scikit-learn."""
        return self.model.classes_


def converters() -> list[Converter]:
    """Votes of regressors and of classifiers, alone or polled."""
    from sklearn import ensemble

    return [
        wrapping_converter(ensemble.VotingRegressor, lambda ops, model, *said: _mean(ops, model, said), _members),
        wrapping_class_converter(ensemble.VotingClassifier, _voted, _members),
        _polled_converter(),
    ]


def ensemble_of(estimator: Any) -> Any | None:
    """The voting model that a candidate ends in, if it does: behind steps of a pipeline, or the best of a search."""
    from sklearn.ensemble import VotingClassifier, VotingRegressor
    from sklearn.pipeline import Pipeline

    if isinstance(estimator, VotingClassifier | VotingRegressor):
        return estimator
    if isinstance(estimator, Pipeline):
        return ensemble_of(estimator.steps[-1][1])
    inner = getattr(estimator, "best_estimator_", None)
    return None if inner is None else ensemble_of(inner)


def polled(estimator: Any) -> Any:
    """The candidate with its voting model `Polled`; itself, where it ends in none."""
    from sklearn.pipeline import Pipeline

    if ensemble_of(estimator) is None:
        return estimator
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        return Pipeline([*estimator.steps[:-1], (name, polled(last))])
    return (
        polled(estimator.best_estimator_)
        if hasattr(estimator, "best_estimator_")
        else Polled(estimator, _members(estimator))
    )


def member_names(model: Any) -> list[str]:
    """What the members of a fitted voting model are called."""
    return [str(name) for name, one in model.estimators if one != "drop"]


def vote_of(model: Any) -> str:
    """mean, soft or majority."""
    if not hasattr(model, "classes_"):
        return "mean"
    return "soft" if model.voting == "soft" else "majority"


def weights_of(model: Any) -> list[float]:
    """What each member weighs in the vote, in their order."""
    given = model._weights_not_none
    return [1.0] * len(model.estimators_) if given is None else [float(weight) for weight in given]


def _members(model: Any) -> list[Any]:
    return list(model.estimators_)


def _numbers(ops: Ops, answers: Any) -> str:
    """What each member says first, (n, members): a number, or the place of its class."""
    return ops("Concat", *(ops("Reshape", ops.number(one[0]), [-1, 1]) for one in answers), axis=1)


def _mean(ops: Ops, model: Any, answers: Any) -> str:
    weights = weights_of(model)
    weighed = ops("Mul", _numbers(ops, answers), np.array([weights]))
    return ops("Div", ops.sum(weighed), sum(weights))


def _voted(ops: Ops, model: Any, *answers: list[str]) -> Scores:
    """The class with the largest mean probability, or with most votes, the first of equals; weighted."""
    total = _total(ops, model, answers)
    label = ops.largest(model.classes_, total)
    share = ops("Div", total, sum(weights_of(model))) if model.voting == "soft" else None
    return Scores(label, share, None)


def _total(ops: Ops, model: Any, answers: Any) -> str:
    # The estimators inside answer with the places of the classes.
    places = np.arange(len(model.classes_), dtype=np.float64)[None]
    total = ""
    for weight, answer in zip(weights_of(model), answers, strict=True):
        said = ops("Reshape", ops.number(answer[0]), [-1, 1])
        share = answer[1] if model.voting == "soft" else ops.number(ops("Equal", said, places))
        weighed = ops("Mul", share, weight)
        total = ops("Add", total, weighed) if total else weighed
    return total


def _polled_converter() -> Converter:
    """Its outputs: those of the vote, `members`, `disagreement`."""

    def parse(scope: Any, polled: Any, inputs: Any, custom_parsers: Any = None) -> Any:
        from skl2onnx.common.data_types import Int64TensorType

        operator = declare(scope, polled, inputs, custom_parsers, _members)
        first = {"mean": ("variable",), "soft": ("label", "probabilities"), "majority": ("label",)}
        for name in (*first[vote_of(polled.model)], "members", "disagreement"):
            kind = Int64TensorType if name == "label" else float_type(operator)
            operator.outputs.append(scope.declare_local_variable(name, kind()))
        return operator.outputs

    def shape(operator: Any) -> None:
        if hasattr(operator.raw_operator, "classes_"):
            class_types(operator, operator.raw_operator.classes_)
        else:
            operator.outputs[0].type = float_type(operator)([None, 1])
            operator.outputs[1].type = float_type(operator)([None, None])
        operator.outputs[-1].type = float_type(operator)([None, 1])

    def convert(scope: Any, operator: Any, container: Any) -> None:
        ops, _, answers = opened(scope, operator, container)
        for output, name in zip(operator.outputs, _polled(ops, operator.raw_operator.model, answers), strict=True):
            ops("Identity", name, out=output.full_name)

    return Converter(Polled, shape, convert, parse)


def _polled(ops: Ops, model: Any, answers: list[list[str]]) -> list[str]:
    """[prediction, members, disagreement], of a soft vote with probabilities behind the label."""
    vote = vote_of(model)
    if vote == "mean":
        said = _numbers(ops, answers)
        apart = ops("Sub", ops("ReduceMax", said, [1], keepdims=1), ops("ReduceMin", said, [1], keepdims=1))
        return [_mean(ops, model, answers), said, apart]
    if vote == "soft":
        scores = _voted(ops, model, *answers)
        shares = [answer[1] for answer in answers]
        return [scores.label, str(scores.probabilities), ops("Concat", *shares, axis=1), _apart(ops, scores, shares)]
    said, total = _numbers(ops, answers), _total(ops, model, answers)
    # The first of equals, as the vote itself takes it.
    other = ops("Not", ops("Equal", said, ops.number(ops("ArgMax", total, axis=1, keepdims=1))))
    apart = ops("Div", ops.sum(ops.number(other)), float(len(answers)))
    return [ops.largest(model.classes_, total), said, apart]


def _apart(ops: Ops, scores: Scores, shares: list[str]) -> str:
    """The mean total-variation distance of the members' probabilities from the vote's."""
    total = ""
    for share in shares:
        far = ops.sum(ops("Abs", ops("Sub", share, scores.probabilities)))
        total = ops("Add", total, far) if total else far
    return ops("Div", total, 2.0 * len(shares))
