"""XGBoost: it rounds its input to float32, asks `x < split`, and sums in float32; so does the graph."""

import json
import sys
from typing import Any

import numpy as np
from onnx import TensorProto

from tasks.conversion.columns import input_matrix
from tasks.conversion.converter import Converter
from tasks.conversion.outputs import classifier_shape, largest, regressor_shape, write_classes, write_value
from tasks.conversion.tree_ensemble import LESS, Tree, constant_tree, write_trees
from tasks.conversion.writer import SklearnWriter, Writer

IDENTITY = (
    "reg:squarederror",
    "reg:squaredlogerror",
    "reg:absoluteerror",
    "reg:pseudohubererror",
    "reg:quantileerror",
)
LOGISTIC = ("binary:logistic", "reg:logistic")
EXPONENTIAL = ("count:poisson", "reg:gamma", "reg:tweedie")
# The base score is kept as a probability or a mean, not as a score.
LINKS = {**dict.fromkeys(LOGISTIC, "logit"), **dict.fromkeys(EXPONENTIAL, "log")}


def converters() -> list[Converter]:
    """XGBClassifier, XGBRegressor and their forests, where somebody imported them."""
    xgboost = sys.modules.get("xgboost")
    if xgboost is None:
        return []
    classifiers, regressors = ("XGBClassifier", "XGBRFClassifier"), ("XGBRegressor", "XGBRFRegressor")
    return [
        *(Converter(getattr(xgboost, name), classifier_shape, convert_classifier) for name in classifiers),
        *(Converter(getattr(xgboost, name), regressor_shape, convert_regressor) for name in regressors),
    ]


def convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Two classes: the second where its probability is above 0.5. More: softmax and the first of the largest."""
    writer, learner = SklearnWriter(scope, container), _learner(operator.raw_operator)
    scores, objective = _write_scores(writer, operator, learner), learner["objective"]["name"]
    if objective == "binary:logistic":
        second = _logistic(writer, scores)
        first = writer.add("Sub", writer.constant(np.ones(1, dtype=np.float32)), second)
        probabilities = writer.add("Concat", first, second, axis=1)
        half = writer.add("Greater", second, writer.constant(np.array([0.5], dtype=np.float32)))
        chosen = writer.add("Reshape", writer.add("Cast", half, to=TensorProto.INT64), writer.constant(np.array([-1])))
    elif objective in ("multi:softprob", "multi:softmax"):
        probabilities = writer.add("Softmax", scores, axis=1)
        chosen = largest(writer, probabilities)
    else:
        raise NotImplementedError(f"XGBoost classification by the objective {objective!r} has no form here.")
    write_classes(writer, operator, chosen, probabilities)


def convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    """The sum, through the objective's link."""
    writer, learner = SklearnWriter(scope, container), _learner(operator.raw_operator)
    scores, objective = _write_scores(writer, operator, learner), learner["objective"]["name"]
    if objective in LOGISTIC:
        scores = _logistic(writer, scores)
    elif objective in EXPONENTIAL:
        scores = writer.add("Exp", scores)
    elif objective not in IDENTITY:
        raise NotImplementedError(f"XGBoost regression by the objective {objective!r} has no form here.")
    write_value(writer, operator, scores)


def _logistic(writer: Writer, scores: str) -> str:
    """`1 / (1 + exp(-x))` in float32, in these steps: near 0.5 the rounding decides the label."""
    one = writer.constant(np.ones(1, dtype=np.float32))
    return writer.add("Div", one, writer.add("Add", one, writer.add("Exp", writer.add("Neg", scores))))


def _learner(model: Any) -> dict[str, Any]:
    """XGBoost's own JSON, up to the best iteration. Raises NotImplementedError for what is not a sum of trees."""
    booster = model.get_booster()
    if model.booster not in (None, "gbtree"):
        raise NotImplementedError(f"XGBoost with booster={model.booster!r} has no form here: use gbtree.")
    if not np.isnan(model.missing):
        raise NotImplementedError("XGBoost with a `missing` other than NaN has no form here: leave it at NaN.")
    if getattr(model, "early_stopping_rounds", None) is not None:
        booster = booster[: model.best_iteration + 1]
    learner: dict[str, Any] = json.loads(booster.save_raw("json"))["learner"]
    if any(tree["tree_param"]["size_leaf_vector"] not in ("0", "1") for tree in _ensemble(learner)["trees"]):
        raise NotImplementedError("XGBoost with several targets in a leaf has no form here: one_output_per_tree.")
    return learner


def _ensemble(learner: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = learner["gradient_booster"]["model"]
    return found


def _write_scores(writer: Writer, operator: Any, learner: dict[str, Any]) -> str:
    """(n, scores) in float32: the base score, then the trees in their order."""
    trees = _trees(learner)
    base = np.broadcast_to(_base_score(learner).astype(np.float64), trees[0].values.shape[1])
    trees = [constant_tree(base), *trees]
    x = writer.add("Cast", input_matrix(writer, operator), to=TensorProto.FLOAT)
    return write_trees(writer, trees, x, single=True)


def xgboost_trees(model: Any) -> list[Tree]:
    """The trees of a fitted XGBClassifier or -Regressor, over its columns rounded to float32."""
    return _trees(_learner(model))


def _trees(learner: dict[str, Any]) -> list[Tree]:
    ensemble, targets = _ensemble(learner), max(int(learner["learner_model_param"]["num_class"]), 1)
    return [_tree(one, int(to), targets) for one, to in zip(ensemble["trees"], ensemble["tree_info"], strict=True)]


def _base_score(learner: dict[str, Any]) -> Any:
    base = np.array(json.loads(f"[{learner['learner_model_param']['base_score'].strip('[]')}]"), dtype=np.float32)
    link = LINKS.get(learner["objective"]["name"])
    if link == "logit":
        return (-np.log(np.float32(1) / base - np.float32(1))).astype(np.float32)
    return np.log(base).astype(np.float32) if link == "log" else base


def _tree(one: dict[str, Any], target: int, targets: int) -> Tree:
    left = np.array(one["left_children"])
    leaf = left < 0
    splits = np.array(one["split_conditions"], dtype=np.float32).astype(np.float64)
    values = np.zeros((len(left), targets))
    values[:, target] = splits
    if any(one["split_type"]):
        raise NotImplementedError("XGBoost with enable_categorical has no form here: encode the categories before it.")
    return Tree(
        feature=np.where(leaf, -1, one["split_indices"]),
        threshold=np.where(leaf, 0.0, splits),
        true=left,
        false=np.array(one["right_children"]),
        missing_true=(np.array(one["default_left"]) != 0) & ~leaf,
        values=values,
        mode=np.full(len(left), LESS),
    )
