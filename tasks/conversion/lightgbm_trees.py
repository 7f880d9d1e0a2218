"""LightGBM: double thresholds, three kinds of missing, categories as bit sets, every objective with a closed form."""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.conversion.columns import input_columns, input_matrix
from tasks.conversion.converter import Converter
from tasks.conversion.outputs import (
    both_classes,
    classifier_shape,
    largest,
    regressor_shape,
    write_classes,
    write_value,
)
from tasks.conversion.tree_ensemble import LESS_OR_EQUAL, MEMBER, Tree, write_trees
from tasks.conversion.writer import SklearnWriter, Writer

# LightGBM's kZeroThreshold: what is as small is zero to it.
ZERO = float(np.float32(1e-35))
IDENTITY = ("regression", "regression_l1", "huber", "fair", "quantile", "mape")
EXPONENTIAL = ("poisson", "gamma", "tweedie")


def converters() -> list[Converter]:
    """LGBMClassifier and LGBMRegressor, where somebody imported them."""
    lightgbm = sys.modules.get("lightgbm")
    if lightgbm is None:
        return []
    return [
        Converter(lightgbm.LGBMClassifier, classifier_shape, convert_classifier),
        Converter(lightgbm.LGBMRegressor, regressor_shape, convert_regressor),
    ]


def convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Probabilities by the objective's own formula; the first of the largest is the label."""
    writer, dump = SklearnWriter(scope, container), _dump(operator.raw_operator)
    scores, objective = _write_scores(writer, operator, dump), _objective(dump)
    if objective[0] == "multiclass":
        probabilities = writer.add("Softmax", scores, axis=1)
    elif objective[0] in ("binary", "multiclassova"):
        steepness = next(float(word.split(":")[1]) for word in objective if word.startswith("sigmoid:"))
        share = _logistic(writer, scores, steepness)
        probabilities = share if objective[0] == "multiclassova" else both_classes(writer, share)
    else:
        raise NotImplementedError(f"LightGBM classification by the objective {objective[0]!r} has no form in ONNX.")
    write_classes(writer, operator, largest(writer, probabilities), probabilities)


def convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    """The sum, through the objective's link."""
    writer, dump = SklearnWriter(scope, container), _dump(operator.raw_operator)
    scores, objective = _write_scores(writer, operator, dump), _objective(dump)
    if objective[0] in EXPONENTIAL:
        write_value(writer, operator, writer.add("Exp", scores))
    elif objective[0] == "cross_entropy":
        write_value(writer, operator, _logistic(writer, scores, 1.0))
    elif objective[0] in IDENTITY and "sqrt" not in objective:
        write_value(writer, operator, scores)
    else:
        raise NotImplementedError(f"LightGBM regression by the objective {' '.join(objective)!r} has no form in ONNX.")


def _dump(model: Any) -> dict[str, Any]:
    """The booster as LightGBM tells it, up to its best iteration, numbers in full."""
    dump: dict[str, Any] = model.booster_.dump_model()
    return dump


def _objective(dump: dict[str, Any]) -> list[str]:
    return str(dump.get("objective", "a function of your own")).split(" ")


def _logistic(writer: Writer, scores: str, steepness: float) -> str:
    """`1 / (1 + exp(-steepness · x))`, in these steps: near 0.5 the rounding decides the label."""
    exponent = writer.add("Exp", writer.add("Mul", scores, writer.constant(np.array([-steepness]))))
    one = writer.constant(np.ones(1))
    return writer.add("Div", one, writer.add("Add", one, exponent))


def _write_scores(writer: Writer, operator: Any, dump: dict[str, Any]) -> str:
    """(n, scores) in double: the sum of the trees, or their mean (boosting_type="rf")."""
    trees = _trees(dump)
    total = write_trees(writer, trees, _write_columns(writer, operator, dump))
    if not dump.get("average_output"):
        return total
    return writer.add("Div", total, writer.constant(np.array([float(len(trees) // dump["num_tree_per_iteration"])])))


def lightgbm_trees(model: Any) -> list[Tree]:
    """The trees of a fitted LGBMClassifier or -Regressor, over its columns in double."""
    return _trees(_dump(model))


def _trees(dump: dict[str, Any]) -> list[Tree]:
    targets = dump["num_tree_per_iteration"]
    return [_tree(one["tree_structure"], at % targets, targets) for at, one in enumerate(dump["tree_info"])]


def _nodes(root: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes of a tree, parents before their children."""
    found = [root]
    for node in found:
        found += [node[side] for side in ("left_child", "right_child") if side in node]
    return found


def _tree(root: dict[str, Any], target: int, targets: int) -> Tree:
    nodes = _nodes(root)
    position = {id(node): at for at, node in enumerate(nodes)}
    values = np.zeros((len(nodes), targets))
    values[:, target] = [node.get("leaf_value", 0.0) for node in nodes]
    categorical = np.array([node.get("decision_type") == "==" for node in nodes])
    if any("leaf_coeff" in node for node in nodes):
        raise NotImplementedError("LightGBM with linear_tree=True has linear models in its leaves: no form in ONNX.")
    return Tree(
        feature=np.array([node.get("split_feature", -1) for node in nodes]),
        threshold=np.array(
            [0.0 if cat else node.get("threshold", 0.0) for node, cat in zip(nodes, categorical, strict=True)]
        ),
        true=np.array([position.get(id(node.get("left_child")), -1) for node in nodes]),
        false=np.array([position.get(id(node.get("right_child")), -1) for node in nodes]),
        missing_true=np.array([_missing_goes_left(node) for node in nodes]),
        values=values,
        mode=np.where(categorical, MEMBER, LESS_OR_EQUAL),
        members={at: _categories(nodes[at]) for at in np.flatnonzero(categorical).tolist()},
    )


def _categories(node: dict[str, Any]) -> tuple[float, ...]:
    return tuple(sorted(float(category) for category in str(node["threshold"]).split("||")))


def _missing_goes_left(node: dict[str, Any]) -> bool:
    """Missing type None makes a zero of NaN; the others send it their default way; in categories it goes right."""
    if "leaf_value" in node or node["decision_type"] == "==":
        return False
    return bool(node["default_left"] if node["missing_type"] in ("Zero", "NaN") else node["threshold"] >= 0)


def _write_columns(writer: Writer, operator: Any, dump: dict[str, Any]) -> str:
    """(n, features) in double: categories as whole numbers, and NaN for what LightGBM takes as missing."""
    if dump.get("pandas_categorical"):
        raise NotImplementedError(
            "LightGBM was trained on pandas categories, which no row of a release has: put an OrdinalEncoder before "
            "it in a pipeline and name the columns' positions in categorical_feature."
        )
    nodes = [node for one in dump["tree_info"] for node in _nodes(one["tree_structure"])]
    asked = [node for node in nodes if "split_feature" in node]
    categorical = {node["split_feature"] for node in asked if node["decision_type"] == "=="}
    missing = {node["split_feature"] for node in asked if node.get("missing_type") == "Zero"} - categorical
    width = dump["max_feature_idx"] + 1
    x = _truncated(writer, operator, categorical, width) if categorical else input_matrix(writer, operator)
    if not missing and all(abs(node["threshold"]) > ZERO for node in asked if node["decision_type"] != "=="):
        return x
    return _write_zeros(writer, x, np.array([[np.nan if at in missing else 0.0 for at in range(width)]]))


def _truncated(writer: Writer, operator: Any, categorical: set[int], width: int) -> str:
    """Categories towards zero, as a C cast does."""
    parts = []
    for at, (x, _) in enumerate(input_columns(writer, operator, width)):
        if at in categorical:
            below = writer.add("Less", x, writer.constant(np.zeros(1)))
            x = writer.add("Where", below, writer.add("Ceil", x), writer.add("Floor", x))
        parts.append(x)
    return writer.add("Concat", *parts, axis=1)


def _write_zeros(writer: Writer, x: str, instead: npt.NDArray[np.float64]) -> str:
    """What is so small that LightGBM leaves it out of the row it predicts: zero, or missing."""
    zero = writer.add("LessOrEqual", writer.add("Abs", x), writer.constant(np.array([ZERO])))
    return writer.add("Where", zero, writer.constant(instead), x)
