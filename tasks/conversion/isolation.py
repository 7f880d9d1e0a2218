"""IsolationForest as one tree node: what a leaf adds is its depth and the average path length of what fell into it."""

from typing import Any

import numpy as np

from tasks.conversion.converter import Converter
from tasks.conversion.outputs import float32_of, number_type, write_as_declared
from tasks.conversion.tree_ensemble import Tree, write_trees
from tasks.conversion.trees import sklearn_tree
from tasks.conversion.writer import PlainWriter, SklearnWriter, Writer


def converters() -> list[Converter]:
    """IsolationForest: predict (1 or -1), decision_function, and score_samples where it is asked for."""
    from sklearn.ensemble import IsolationForest

    return [Converter(IsolationForest, _shape, _convert)]


def isolation_scores(forest: Any, x: str, prefix: str) -> tuple[PlainWriter, str]:
    """The nodes and initializers that score `x`, and the name of the score: `score_samples`, (n, 1) double.

    `forest` is a fitted IsolationForest, `x` the name of a tensor (n, features), float or double, with NaN if the
    forest was trained so. Every name begins with `prefix`. Add `writer.nodes` and `writer.initializers` to a graph
    of ai.onnx.ml 5. Lower is more abnormal, between -1 and 0.
    """
    writer = PlainWriter(prefix)
    return writer, _write_score(writer, forest, _write_depth(writer, forest, x))


def _shape(operator: Any) -> None:
    from skl2onnx.common.data_types import Int64TensorType

    operator.outputs[0].type = Int64TensorType([None, 1])
    for output in operator.outputs[1:]:
        output.type = number_type(operator)([None, 1])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """The label is decided on the sum of the depths, where no rounding of a power can move it."""
    writer, forest = SklearnWriter(scope, container), operator.raw_operator
    depth = _write_depth(writer, forest, operator.inputs[0].full_name)
    inlier = writer.add("GreaterOrEqual", depth, writer.constant(np.array([_least_inlier_depth(forest)])))
    one, minus = (writer.constant(np.array([value])) for value in (1, -1))
    writer.add("Where", inlier, one, minus, output=operator.outputs[0].full_name)
    score = _write_score(writer, forest, depth)
    decision = writer.add("Sub", score, writer.constant(np.array([float(forest.offset_)])))
    for value, output in zip((decision, score), operator.outputs[1:], strict=False):
        write_as_declared(writer, value, output)


def _write_depth(writer: Writer, forest: Any, x: str) -> str:
    """The sum of the depths over the trees, (n, 1) double."""
    return write_trees(writer, list(_trees(forest)), float32_of(writer, x))


def _trees(forest: Any) -> list[Tree]:
    columns = forest.estimators_features_ if forest._max_features != forest.n_features_in_ else None
    trees = []
    for at, one in enumerate(forest.estimators_):
        values = forest._decision_path_lengths[at] + forest._average_path_length_per_tree[at] - 1.0
        tree = sklearn_tree(one.tree_, np.asarray(values, dtype=np.float64).reshape(-1, 1))
        trees.append(tree if columns is None else tree.on_columns(np.asarray(columns[at])))
    return trees


def _write_score(writer: Writer, forest: Any, depth: str) -> str:
    """`-2^(-depth / (trees · c(samples)))`, Liu, Ting and Zhou 2008."""
    scale = _scale(forest)
    if scale == 0:  # One sample: scikit-learn's score is then that of depth 1 over 1.
        depth, scale = writer.add("Add", writer.add("Mul", depth, writer.constant(np.zeros(1))), _one(writer)), 1.0
    exponent = writer.add("Neg", writer.add("Div", depth, writer.constant(np.array([scale]))))
    return writer.add("Neg", writer.add("Pow", writer.constant(np.array([2.0])), exponent))


def _one(writer: Writer) -> str:
    return writer.constant(np.ones(1))


def _scale(forest: Any) -> float:
    from sklearn.ensemble._iforest import _average_path_length

    return float(len(forest.estimators_) * _average_path_length([forest._max_samples])[0])


def _least_inlier_depth(forest: Any) -> float:
    """The smallest sum of depths that scikit-learn's own arithmetic calls an inlier, found by halving over doubles."""
    scale = _scale(forest)

    def is_inlier(depth: float) -> bool:
        ratio = np.divide(np.array([depth]), scale) if scale else np.ones(1)
        return bool((-(2**-ratio) - forest.offset_ >= 0)[0])

    low, high = _bits(0.0), _bits(np.finfo(np.float64).max)
    if is_inlier(0.0):
        return 0.0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_inlier(_double(middle)) else (middle, high)
    return _double(high)


def _bits(value: float) -> int:
    return int(np.float64(value).view(np.int64))


def _double(bits: int) -> float:
    return float(np.int64(bits).view(np.float64))
