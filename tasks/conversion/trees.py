"""scikit-learn's trees, forests and gradient boosting. They round their input to float32 and ask `x <= threshold`
with a double threshold; so does the graph."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.conversion.converter import Converter
from tasks.conversion.outputs import (
    both_classes,
    classifier_shape,
    float32_input,
    largest,
    not_negative,
    regressor_shape,
    write_classes,
    write_value,
)
from tasks.conversion.tree_ensemble import LESS_OR_EQUAL, Tree, constant_tree, write_trees
from tasks.conversion.writer import SklearnWriter, Writer


def converters() -> list[Converter]:
    """Single trees, forests of both kinds and gradient boosting; classifiers and regressors."""
    from sklearn import ensemble, tree

    classifiers = (
        tree.DecisionTreeClassifier,
        tree.ExtraTreeClassifier,
        ensemble.RandomForestClassifier,
        ensemble.ExtraTreesClassifier,
    )
    regressors = (
        tree.DecisionTreeRegressor,
        tree.ExtraTreeRegressor,
        ensemble.RandomForestRegressor,
        ensemble.ExtraTreesRegressor,
    )
    return [
        *(Converter(one, classifier_shape, convert_classifier) for one in classifiers),
        *(Converter(one, regressor_shape, convert_regressor) for one in regressors),
        Converter(ensemble.GradientBoostingClassifier, classifier_shape, convert_boosted_classifier),
        Converter(ensemble.GradientBoostingRegressor, regressor_shape, convert_boosted_regressor),
    ]


def sklearn_tree(fitted: Any, values: npt.NDArray[np.float64]) -> Tree:
    """`fitted` is an estimator's `tree_`; `values` (nodes, targets) what its leaves say."""
    leaf = fitted.children_left < 0
    return Tree(
        feature=np.where(leaf, -1, fitted.feature).astype(np.int64),
        threshold=np.where(leaf, 0.0, fitted.threshold),
        true=np.asarray(fitted.children_left, dtype=np.int64),
        false=np.asarray(fitted.children_right, dtype=np.int64),
        missing_true=np.asarray(fitted.missing_go_to_left, dtype=bool) & ~leaf,
        values=values,
        mode=np.full(len(leaf), LESS_OR_EQUAL),
    )


def _members(estimator: Any) -> list[Any]:
    if estimator.n_outputs_ > 1:
        name = type(estimator).__name__
        raise NotImplementedError(f"{name} was trained on several targets at once: train one model for each.")
    return [one.tree_ for one in getattr(estimator, "estimators_", [estimator])]


def _mean_of_trees(writer: Writer, operator: Any) -> str:
    """Sum in the order of the trees, then divide: as forests do."""
    members = _members(operator.raw_operator)
    total = write_trees(
        writer, [sklearn_tree(one, one.value[:, 0, :]) for one in members], float32_input(writer, operator)
    )
    return writer.add("Div", total, writer.constant(np.array([float(len(members))])))


def convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Fractions of the classes in the leaves, averaged; the first of the largest is the label."""
    writer = SklearnWriter(scope, container)
    probabilities = _mean_of_trees(writer, operator)
    write_classes(writer, operator, largest(writer, probabilities), probabilities)


def convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    """The mean of the leaves."""
    writer = SklearnWriter(scope, container)
    write_value(writer, operator, _mean_of_trees(writer, operator))


def _boosted_sum(writer: Writer, operator: Any) -> str:
    """What the model starts from, then every tree times the learning rate, (n, scores)."""
    model = operator.raw_operator
    if not (isinstance(model.init_, str) or type(model.init_).__name__.startswith("Dummy")):
        raise NotImplementedError(
            f"{type(model).__name__} starts from {type(model.init_).__name__}: only init=None and init='zero' convert."
        )
    start = model._raw_predict_init(np.zeros((1, model.n_features_in_)))[0]
    trees = [constant_tree(start)]
    for stage in model.estimators_:
        for position, one in enumerate(stage):
            values = np.zeros((one.tree_.node_count, len(start)))
            values[:, position] = model.learning_rate * one.tree_.value[:, 0, 0]
            trees.append(sklearn_tree(one.tree_, values))
    return write_trees(writer, trees, float32_input(writer, operator))


def convert_boosted_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Two classes: the sign of one score, through expit (of twice the score for `exponential`). More: softmax."""
    writer = SklearnWriter(scope, container)
    scores = _boosted_sum(writer, operator)
    if operator.raw_operator.estimators_.shape[1] > 1:
        write_classes(writer, operator, largest(writer, scores), writer.add("Softmax", scores, axis=1))
        return
    doubled = operator.raw_operator.loss == "exponential"
    logit = writer.add("Mul", scores, writer.constant(np.array([2.0]))) if doubled else scores
    write_classes(writer, operator, not_negative(writer, scores), both_classes(writer, writer.add("Sigmoid", logit)))


def convert_boosted_regressor(scope: Any, operator: Any, container: Any) -> None:
    """The sum itself: none of its losses has a link."""
    writer = SklearnWriter(scope, container)
    write_value(writer, operator, _boosted_sum(writer, operator))
