"""Histogram gradient boosting: double thresholds, missing values, categories in numbers or text, every loss.

The estimator encodes its categorical columns and moves them to the front; an unknown category is missing to it, and
goes where missing goes. In the graph a text column enters as text, where missing is "": unknown, so missing too.
"""

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.conversion.columns import input_columns, input_matrix, write_codes
from tasks.conversion.converter import Converter
from tasks.conversion.outputs import (
    both_classes,
    classifier_shape,
    largest,
    positive,
    regressor_shape,
    write_classes,
    write_value,
)
from tasks.conversion.tree_ensemble import LESS_OR_EQUAL, MEMBER, Tree, constant_tree, write_trees
from tasks.conversion.writer import SklearnWriter, Writer


def converters() -> list[Converter]:
    """HistGradientBoostingClassifier and -Regressor."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    return [
        Converter(
            HistGradientBoostingClassifier, partial(classifier_shape, text=True), convert_classifier, takes_columns=True
        ),
        Converter(
            HistGradientBoostingRegressor, partial(regressor_shape, text=True), convert_regressor, takes_columns=True
        ),
    ]


def convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Two classes: the second where the score is above 0, and expit of it. More: softmax."""
    writer = SklearnWriter(scope, container)
    scores = _write_scores(writer, operator)
    if operator.raw_operator.n_trees_per_iteration_ > 1:
        write_classes(writer, operator, largest(writer, scores), writer.add("Softmax", scores, axis=1))
    else:
        second = writer.add("Sigmoid", scores)
        write_classes(writer, operator, positive(writer, scores), both_classes(writer, second))


def convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    """The sum, through exp for the losses with a logarithmic link (poisson, gamma)."""
    writer = SklearnWriter(scope, container)
    total = _write_scores(writer, operator)
    link = type(operator.raw_operator._loss.link).__name__
    if link not in ("IdentityLink", "LogLink"):
        raise NotImplementedError(f"HistGradientBoostingRegressor with a {link} has no form here.")
    write_value(writer, operator, writer.add("Exp", total) if link == "LogLink" else total)


def _write_scores(writer: Writer, operator: Any) -> str:
    """What the model starts from, then the trees in their order: (n, scores)."""
    model = operator.raw_operator
    start = np.ravel(model._baseline_prediction).astype(np.float64)
    return write_trees(writer, [constant_tree(start), *histogram_trees(model)], _write_columns(writer, operator))


def histogram_trees(model: Any) -> list[Tree]:
    """In their order, each with one target of as many as there are scores; features as `_preprocessor` numbers them."""
    targets = len(np.ravel(model._baseline_prediction))
    return [_tree(one, position, targets) for stage in model._predictors for position, one in enumerate(stage)]


def _tree(predictor: Any, position: int, targets: int) -> Tree:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"] != 0
    categorical = (nodes["is_categorical"] != 0) & ~leaf
    values = np.zeros((len(nodes), targets))
    values[:, position] = nodes["value"]
    return Tree(
        feature=np.where(leaf, -1, nodes["feature_idx"].astype(np.int64)),
        threshold=np.where(leaf | categorical, 0.0, nodes["num_threshold"]),
        true=np.where(leaf, -1, nodes["left"].astype(np.int64)),
        false=np.where(leaf, -1, nodes["right"].astype(np.int64)),
        missing_true=(nodes["missing_go_to_left"] != 0) & ~leaf,
        values=values,
        mode=np.where(categorical, MEMBER, LESS_OR_EQUAL),
        members={
            int(node): _bits(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]])
            for node in np.flatnonzero(categorical)
        },
    )


def _bits(words: npt.NDArray[np.uint32]) -> tuple[float, ...]:
    """The positions of the bits that are set, in eight words of 32."""
    return tuple(float(32 * at + bit) for at, word in enumerate(words.tolist()) for bit in range(32) if word >> bit & 1)


def _write_columns(writer: Writer, operator: Any) -> str:
    """(n, features) as the trees number them: codes of the categories first, then the numbers, in double."""
    model = operator.raw_operator
    categorical = model.is_categorical_
    if categorical is None:
        return input_matrix(writer, operator)
    columns = input_columns(writer, operator, len(categorical))
    if any(text and not encoded for (_, text), encoded in zip(columns, categorical, strict=True)):
        raise NotImplementedError(f"{type(model).__name__} has a text column that is not one of its categories.")
    known = model._preprocessor.named_transformers_["encoder"].categories_
    chosen = [columns[at] for at in np.flatnonzero(categorical)]
    codes = [write_codes(writer, *one, values.tolist()) for one, values in zip(chosen, known, strict=True)]
    return writer.add("Concat", *codes, *(columns[at][0] for at in np.flatnonzero(~categorical)), axis=1)
