"""Histogram gradient boosting: double thresholds, missing values, categories in numbers or text, every loss.

The estimator encodes its categorical columns and moves them to the front; an unknown category is missing to it, and
goes where missing goes. In the graph a text column enters as text, where missing is "": unknown, so missing too.
"""

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

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
from tasks.conversion.writer import ML, SklearnWriter, Writer


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
    trees = [constant_tree(start)]
    for stage in model._predictors:
        trees += [_tree(predictor, position, len(start)) for position, predictor in enumerate(stage)]
    return write_trees(writer, trees, _write_columns(writer, operator))


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
    columns = _input_columns(writer, operator)
    categorical = model.is_categorical_
    if categorical is None:
        categorical = np.zeros(len(columns), dtype=bool)
    for (_, text), encoded in zip(columns, categorical, strict=True):
        if text and not encoded:
            raise NotImplementedError(f"{type(model).__name__} has a text column that is not one of its categories.")
    if not categorical.any():
        return columns[0][0] if len(columns) == 1 else writer.add("Concat", *(name for name, _ in columns), axis=1)
    encoder = model._preprocessor.named_transformers_["encoder"]
    kept = [columns[at] for at in np.flatnonzero(categorical)]
    codes = [_write_codes(writer, *one, known) for one, known in zip(kept, encoder.categories_, strict=True)]
    return writer.add("Concat", *codes, *(columns[at][0] for at in np.flatnonzero(~categorical)), axis=1)


def _input_columns(writer: Writer, operator: Any) -> list[tuple[str, bool]]:
    """Name and whether it is text, column by column; all in one tensor if there are no categories to take apart."""
    from skl2onnx.common.data_types import StringTensorType

    model = operator.raw_operator
    found: list[tuple[str, bool]] = []
    for one in operator.inputs:
        if isinstance(one.type, StringTensorType):
            found.append((one.full_name, True))
        else:
            found.append((writer.add("Cast", one.full_name, to=TensorProto.DOUBLE), False))
    if len(found) > 1 or model.n_features_in_ == 1:
        return found
    if model.is_categorical_ is None:
        return found
    name, text = found[0]
    places = (writer.constant(np.array([at])) for at in range(model.n_features_in_))
    return [(writer.add("Gather", name, place, axis=1), text) for place in places]


def _write_codes(writer: Writer, column: str, text: bool, known: npt.NDArray[Any]) -> str:
    """The position of each value among the known ones, NaN where it is none of them."""
    keys = [value for value in known.tolist() if value is not None and value == value]
    if text != all(isinstance(value, str) for value in keys):
        expected, found = ("text", "numbers") if text else ("numbers", "text")
        raise NotImplementedError(f"a categorical column enters as {expected}, but the model was trained on {found}.")
    return writer.add("LabelEncoder", column, domain=ML, **_lookup(keys, text))


def _lookup(keys: list[Any], text: bool) -> dict[str, Any]:
    from onnx import helper

    kind = TensorProto.STRING if text else TensorProto.DOUBLE
    content = [key.encode() for key in keys] if text else [float(key) for key in keys]
    return {
        "keys_tensor": helper.make_tensor("keys", kind, [len(keys)], content),
        "values_tensor": helper.make_tensor(
            "codes", TensorProto.DOUBLE, [len(keys)], [float(i) for i in range(len(keys))]
        ),
        "default_tensor": helper.make_tensor("unknown", TensorProto.DOUBLE, [1], [float("nan")]),
    }
