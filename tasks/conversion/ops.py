"""Arithmetic as plain ONNX nodes in one precision, and converters made of such arithmetic."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.conversion.converter import Converter
from tasks.conversion.writer import SklearnWriter

# A name in the graph, or a constant that becomes one.
Value = Any


@dataclass(frozen=True)
class Scores:
    """A classifier's answer by name: `label` (n,), `probabilities` (n, classes) or None, `decision` or None.

    `decision` is what decision_function gives, (n, 1) for two classes, (n, classes) for more.
    """

    label: str
    probabilities: str | None
    decision: str | None


class Ops:
    """Writes nodes: `ops("Add", x, 1.0)` gives the name of the sum. Float constants are of the graph's precision."""

    def __init__(self, scope: Any, container: Any, single: bool) -> None:
        from onnx import TensorProto

        self.scope, self.container, self.writer = scope, container, SklearnWriter(scope, container)
        self.dtype = np.float32 if single else np.float64
        self.kind = TensorProto.FLOAT if single else TensorProto.DOUBLE

    def __call__(self, op: str, *values: Value, out: str = "", domain: str = "", **attributes: Any) -> str:
        """The name of the node's output. Values that are no names become constants."""
        return self.writer.add(op, *map(self.constant, values), output=out, domain=domain, **attributes)

    def two(self, op: str, *values: Value, **attributes: Any) -> tuple[str, str]:
        """The names of both outputs of a node that has two."""
        first, second = (str(self.scope.get_unique_variable_name(op.lower())) for _ in range(2))
        name = self.scope.get_unique_operator_name(op)
        self.container.add_node(op, list(map(self.constant, values)), [first, second], name=name, **attributes)
        return first, second

    def constant(self, value: Value) -> str:
        """An initializer: floats in the graph's precision, whole numbers as int64, truths, texts. A name stays."""
        if isinstance(value, str):
            return value
        array = np.asarray(value)
        kind = {"f": self.dtype, "i": np.int64, "u": np.int64, "U": object}.get(array.dtype.kind, array.dtype)
        return self.writer.constant(array.astype(kind))

    def number(self, value: Value) -> str:
        """Cast to the graph's precision."""
        return self("Cast", value, to=self.kind)

    def linear(self, x: Value, weights: Any, intercept: Any) -> str:
        """`x @ weights + intercept`; weights (features, outputs)."""
        weights = np.asarray(weights, dtype=np.float64)
        return self("Add", self("MatMul", x, weights), np.asarray(intercept, dtype=np.float64).reshape(1, -1))

    def sigmoid(self, x: Value) -> str:
        """The logistic function."""
        return self("Sigmoid", x)

    def softmax(self, x: Value) -> str:
        """Over the second axis."""
        return self("Softmax", x, axis=1)

    def sum(self, x: Value, axis: int = 1) -> str:
        """Over one axis, which stays."""
        return self("ReduceSum", x, [axis], keepdims=1)

    def columns(self, x: Value, which: Sequence[int]) -> str:
        """Some columns of (n, k)."""
        return self("Gather", x, list(which), axis=1)

    def sides(self, share: Value) -> str:
        """The probabilities (n, 2) of a positive share (n, 1)."""
        return self("Concat", self("Sub", 1.0, share), share, axis=1)

    def shares(self, weights: Value) -> str:
        """Rows (n, k) divided by their sums."""
        return self("Div", weights, self.sum(weights))

    def shares_or_equal(self, weights: Value, count: int) -> str:
        """Rows divided by their sums; where all are zero, equal shares."""
        total = self.sum(weights)
        empty = self("Equal", total, 0.0)
        return self("Where", empty, 1.0 / count, self("Div", weights, self("Where", empty, 1.0, total)))

    def square_distances(self, x: Value, points: Any) -> str:
        """Squared Euclidean distances (n, m) of rows to `points` (m, features), about the points' mean.

        By |x|² - 2xp + |p|²: near a point the difference of large numbers loses half of the digits.
        """
        points = np.asarray(points, dtype=np.float64)
        middle = points.mean(axis=0, keepdims=True)
        centred, points = self("Sub", x, middle), points - middle
        cross = self("MatMul", self("Mul", centred, -2.0), points.T.copy())
        total = self("Add", self("Add", cross, self.sum(self("Mul", centred, centred))), (points**2).sum(axis=1)[None])
        return self("Max", total, 0.0)

    def exact_distances(self, x: Value, points: Any, power: float = 2.0) -> str:
        """`sum(|x - p|**power)` (n, m) or, for infinity, the largest: term by term, so that ties stay ties.

        One feature at a time: memory is n × m, not n × m × features.
        """
        points = np.asarray(points, dtype=np.float64)
        total = ""
        for column in range(points.shape[1]):
            term = self("Abs", self("Sub", self.columns(x, [column]), points[None, :, column]))
            if power == 2:
                term = self("Mul", term, term)
            elif power not in (1, np.inf):
                term = self("Pow", term, float(power))
            total = self("Max" if power == np.inf else "Add", total, term) if total else term
        return total

    def labels(self, classes: Any, index: Value, out: str = "") -> str:
        """The class of each index (n,): texts as texts, numbers and truths as int64."""
        return self("Gather", label_constant(classes), index, axis=0, out=out)

    def largest(self, classes: Any, scores: Value) -> str:
        """The class with the largest of the scores (n, classes), the first of equals."""
        return self.labels(classes, self("ArgMax", scores, axis=1, keepdims=0))

    def above(self, classes: Any, decision: Value, threshold: float = 0.0, equal: bool = False) -> str:
        """The second of two classes where the decision (n, 1) is above (or at) the threshold, else the first."""
        over = self("GreaterOrEqual" if equal else "Greater", decision, float(threshold))
        return self.labels(classes, self("Squeeze", self("Cast", over, to=7), [1]))

    def decided(self, classes: Any, decision: Value) -> str:
        """The class by decision_function: (n, 1) for two classes, else the largest of (n, classes)."""
        return self.above(classes, decision) if len(classes) == 2 else self.largest(classes, decision)


def label_constant(classes: Any) -> Any:
    """The labels as they leave the graph. Raises NotImplementedError for numbers that are not whole."""
    array = np.asarray(classes)
    if array.dtype.kind in "UO" and all(isinstance(label, str) for label in array):
        return array.astype(object)
    numbers = array.astype(np.float64) if array.dtype.kind in "bifuO" else np.array([0.5])
    if (numbers % 1 != 0).any():
        raise NotImplementedError(f"labels must be texts, whole numbers or truths, found {list(array[:3])}.")
    return numbers.astype(np.int64)


Writer = Callable[..., Any]
Nested = Callable[[Any], Sequence[Any]]


def number_converter(estimator: type, write: Writer, width: Callable[[Any], int | None]) -> Converter:
    """Of a regressor or transformer: `write(ops, model, x)` gives the name of (n, width) numbers."""
    return _number_converter(estimator, lambda ops, model, xs, _: write(ops, model, matrix(ops, xs)), width, None)


def mixed_converter(
    estimator: type, write: Writer, width: Callable[[Any], int | None], stays: Callable[[Any], bool]
) -> Converter:
    """Of a transformer of numbers or of text: `write(ops, model, variables)`. Does text stay text?"""
    return _number_converter(estimator, lambda ops, model, xs, _: write(ops, model, xs), width, None, stays)


def columns_converter(estimator: type, write: Writer, width: Callable[[Any], int | None]) -> Converter:
    """Of a transformer that takes columns one by one: `write(ops, model, [(name, is text), ...])`, each (n, 1)."""
    return _number_converter(
        estimator, lambda ops, model, xs, _: write(ops, model, _columns(ops, model, xs)), width, None
    )


def wrapping_converter(estimator: type, write: Writer, nested: Nested) -> Converter:
    """Of a regressor around others: `write(ops, model, *outputs)` is given the names that each of `nested` answers."""
    return _number_converter(estimator, lambda ops, model, _, inner: write(ops, model, *inner), lambda _: 1, nested)


def class_converter(estimator: type, write: Writer) -> Converter:
    """Of a classifier: `write(ops, model, x)` gives Scores."""
    return _class_converter(estimator, lambda ops, model, xs, _: write(ops, model, matrix(ops, xs)), None)


def wrapping_class_converter(estimator: type, write: Writer, nested: Nested) -> Converter:
    """Of a classifier around others: `write(ops, model, *outputs)` gives Scores."""
    return _class_converter(estimator, lambda ops, model, _, inner: write(ops, model, *inner), nested)


def outlier_converter(estimator: type, write: Writer) -> Converter:
    """Of an outlier detector: `write(ops, model, x)` gives whether it is an inlier and its decision, both (n, 1)."""

    def shape(operator: Any) -> None:
        from skl2onnx.common.data_types import Int64TensorType

        operator.outputs[0].type = Int64TensorType([None, 1])
        operator.outputs[1].type = float_type(operator)([None, 1])

    def convert(scope: Any, operator: Any, container: Any) -> None:
        ops, own, _ = opened(scope, operator, container)
        inlier, decision = write(ops, operator.raw_operator, matrix(ops, own))
        ops("Where", inlier, np.array([[1]]), np.array([[-1]]), out=operator.outputs[0].full_name)
        ops("Identity", decision, out=operator.outputs[1].full_name)

    def parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
        from skl2onnx.common.data_types import Int64TensorType

        operator = declare(scope, model, inputs, custom_parsers, None)
        operator.outputs.append(scope.declare_local_variable("label", Int64TensorType()))
        operator.outputs.append(scope.declare_local_variable("scores", float_type(operator)()))
        return operator.outputs

    return Converter(estimator, shape, convert, parse)


def inner_converter(estimator: type, inner: Callable[[Any], Any]) -> Converter:
    """Of an estimator that predicts as one inside it does."""
    return parsed_converter(estimator, lambda scope, model, xs, parsers: parse_nested(scope, inner(model), xs, parsers))


def parsed_converter(estimator: type, parse: Callable[..., Any]) -> Converter:
    """Of an estimator that is nothing but others: `parse(scope, model, inputs, parsers)` gives their variables.

    Where one of skl2onnx's own converters asks for it as an operator, it becomes one.
    """

    def parser(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
        return parse(scope, model, inputs, custom_parsers)

    def shape(operator: Any) -> None:
        classes = getattr(operator.raw_operator, "classes_", None)
        if classes is not None:
            class_types(operator, classes)
        else:
            operator.outputs[0].type = float_type(operator)([None, None])

    def convert(scope: Any, operator: Any, container: Any) -> None:
        # Here, since a parser inside another knows them all, and they all know this file.
        from tasks.conversion.registry import own_converters

        parsers = {one.estimator: one.parse for one in own_converters() if one.parse}
        answers = parse(scope, operator.raw_operator, list(operator.inputs), parsers)
        writer = SklearnWriter(scope, container)
        for answer, output in zip(answers, operator.outputs, strict=False):
            writer.add("Identity", answer.full_name, output=output.full_name)

    return Converter(estimator, shape, convert, parser)


def parse_nested(scope: Any, model: Any, inputs: Any, custom_parsers: Any) -> list[Any]:
    """The output variables of an estimator inside another one, with probabilities as one matrix."""
    from skl2onnx._parse import _parse_sklearn

    own = type(model) in (custom_parsers or {})
    if not own and "zipmap" in (scope._get_allowed_options(model, fail=False) or {}):
        scope.add_options(id(model), {"zipmap": False})
    return list(_parse_sklearn(scope, model, list(inputs), custom_parsers=custom_parsers))


def _number_converter(
    estimator: type,
    write: Writer,
    width: Callable[[Any], int | None],
    nested: Nested | None,
    text_stays: Callable[[Any], bool] = lambda _: False,
) -> Converter:
    def shape(operator: Any) -> None:
        from skl2onnx.common.data_types import StringTensorType

        stays = is_text(operator.inputs[0]) and text_stays(operator.raw_operator)
        kind = StringTensorType if stays else float_type(operator)
        operator.outputs[0].type = kind([None, width(operator.raw_operator)])

    def convert(scope: Any, operator: Any, container: Any) -> None:
        ops, own, inner = opened(scope, operator, container)
        ops("Identity", write(ops, operator.raw_operator, own, inner), out=operator.outputs[0].full_name)

    def parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
        operator = declare(scope, model, inputs, custom_parsers, nested)
        operator.outputs.append(scope.declare_local_variable("variable", float_type(operator)()))
        return operator.outputs

    return Converter(estimator, shape, convert, parse)


def _class_converter(estimator: type, write: Writer, nested: Nested | None) -> Converter:
    """Its operator has three outputs: label, probabilities, decision. The finished graph keeps what is read."""

    def shape(operator: Any) -> None:
        class_types(operator, operator.raw_operator.classes_)

    def convert(scope: Any, operator: Any, container: Any) -> None:
        ops, own, inner = opened(scope, operator, container)
        scores = write(ops, operator.raw_operator, own, inner)
        told = (scores.label, scores.probabilities or scores.decision, scores.decision or scores.probabilities)
        for output, name in zip(operator.outputs, told, strict=False):
            nothing = name or ops(
                "Expand", np.array([[np.nan]]), ops("Concat", ops("Shape", scores.label), [1], axis=0)
            )
            ops("Identity", nothing, out=output.full_name)

    def parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
        from skl2onnx.common.data_types import Int64TensorType

        operator = declare(scope, model, inputs, custom_parsers, nested)
        operator.outputs.append(scope.declare_local_variable("label", Int64TensorType()))
        for name in ("probabilities", "decision"):
            operator.outputs.append(scope.declare_local_variable(name, float_type(operator)()))
        return operator.outputs

    return Converter(estimator, shape, convert, parse)


def class_types(operator: Any, classes: Any) -> None:
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType

    text = label_constant(classes).dtype == object
    operator.outputs[0].type = (StringTensorType if text else Int64TensorType)([None])
    for output in list(operator.outputs)[1:]:
        output.type = float_type(operator)([None, None])


def declare(scope: Any, model: Any, inputs: Any, custom_parsers: Any, nested: Nested | None) -> Any:
    operator = scope.declare_local_operator(f"Seatrial{type(model).__name__}", model)
    inner = [parse_nested(scope, one, inputs, custom_parsers) for one in (nested(model) if nested else [])]
    operator.inputs = [*inputs, *(output for outputs in inner for output in outputs)]
    operator.own_inputs, operator.inner_counts = len(inputs), [len(outputs) for outputs in inner]
    return operator


def float_type(operator: Any) -> Any:
    """The type of this attempt's numbers: single where the graph's inputs are, whatever a step before made of them."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    single = any(isinstance(variable.type, FloatTensorType) for variable in operator.scope_inst.input_variables)
    return FloatTensorType if single else DoubleTensorType


def opened(scope: Any, operator: Any, container: Any) -> tuple[Ops, list[Any], list[list[str]]]:
    """The writer, the operator's own input variables, and the names that each nested estimator answers."""
    from skl2onnx.common.data_types import FloatTensorType

    ops = Ops(scope, container, single=float_type(operator) is FloatTensorType)
    variables = list(operator.inputs)
    count = getattr(operator, "own_inputs", len(variables))
    names, inner = [variable.full_name for variable in variables[count:]], []
    for outputs in getattr(operator, "inner_counts", []):
        label_first = outputs > 1
        inner.append([ops.number(name) if i or not label_first else name for i, name in enumerate(names[:outputs])])
        names = names[outputs:]
    return ops, variables[:count], inner


def is_text(variable: Any) -> bool:
    """Is this variable text?"""
    from skl2onnx.common.data_types import StringTensorType

    return isinstance(variable.type, StringTensorType)


def _columns(ops: Ops, model: Any, variables: list[Any]) -> list[tuple[str, bool]]:
    """Each feature's column (n, 1) and whether it is text; numbers in the attempt's precision."""
    found: list[tuple[str, bool]] = []
    # What takes the words of one column counts no features.
    features = getattr(model, "n_features_in_", 1)
    for variable in variables:
        text = is_text(variable)
        name = variable.full_name if text else ops.number(variable.full_name)
        width = 1 if len(variables) == features else variable.type.shape[1]
        width = features if len(variables) == 1 else width
        if not isinstance(width, int):
            raise NotImplementedError(f"{type(model).__name__} gets columns of unknown number; give it them by name.")
        found += [(name, text)] if width == 1 else [(ops.columns(name, [i]), text) for i in range(width)]
    return found


def matrix(ops: Ops, variables: list[Any]) -> str:
    """The inputs as one matrix; numbers in the attempt's precision. Raises NotImplementedError for a mixture."""
    if len({is_text(variable) for variable in variables}) > 1:
        raise NotImplementedError("a step gets text and numbers in one table; encode the text columns before it.")
    names = [one.full_name if is_text(one) else ops.number(one.full_name) for one in variables]
    return ops("Concat", *names, axis=1) if len(names) > 1 else names[0]
