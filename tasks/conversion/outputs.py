"""Inputs and outputs that converters of our own share: numbers in, labels and probabilities or a value out."""

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from tasks.conversion.writer import Writer


def double_input(writer: Writer, operator: Any) -> str:
    """The operator's input in double."""
    return writer.add("Cast", operator.inputs[0].full_name, to=TensorProto.DOUBLE)


def float32_input(writer: Writer, operator: Any) -> str:
    """The operator's input rounded to float32, as scikit-learn's trees see it, in double."""
    return float32_of(writer, operator.inputs[0].full_name)


def float32_of(writer: Writer, x: str) -> str:
    """Any numbers rounded to float32, in double."""
    single = writer.add("Cast", x, to=TensorProto.FLOAT)
    return writer.add("Cast", single, to=TensorProto.DOUBLE)


def number_type(operator: Any, text: bool = False) -> Any:
    """Floats stay floats, everything else gives doubles. Raises NotImplementedError for text that is not expected."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    kinds = {type(one.type) for one in operator.inputs}
    if StringTensorType in kinds and not text:
        name = type(operator.raw_operator).__name__
        raise NotImplementedError(f"{name} takes numbers in ONNX, and gets text: encode its columns first.")
    return FloatTensorType if FloatTensorType in kinds else DoubleTensorType


def regressor_shape(operator: Any, text: bool = False) -> None:
    """One value a record, [n, 1]."""
    operator.outputs[0].type = number_type(operator, text)([None, 1])


def classifier_shape(operator: Any, text: bool = False) -> None:
    """Labels [n] and probabilities [n, classes]."""
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType

    labels = label_values(operator.raw_operator)
    operator.outputs[0].type = (StringTensorType if labels.dtype == object else Int64TensorType)([None])
    operator.outputs[1].type = number_type(operator, text)([None, len(labels)])


def label_values(estimator: Any) -> npt.NDArray[Any]:
    """The classes as text (dtype object) or int64. Raises NotImplementedError for labels that are neither."""
    if isinstance(estimator.classes_, list):
        name = type(estimator).__name__
        raise NotImplementedError(f"{name} was trained on several targets at once: train one model for each.")
    classes = np.asarray(estimator.classes_)
    if all(isinstance(label, str) for label in classes.tolist()):
        return classes.astype(object)
    try:
        numbers = classes.astype(np.int64)
    except (TypeError, ValueError):
        numbers = np.zeros(0, dtype=np.int64)
    if len(numbers) != len(classes) or (numbers != classes).any():
        raise NotImplementedError(f"class labels must be text or whole numbers, not {list(classes)[:5]}.")
    return numbers


def write_value(writer: Writer, operator: Any, value: str) -> None:
    """A regressor's output from a double [n, 1]."""
    write_as_declared(writer, value, operator.outputs[0])


def write_classes(writer: Writer, operator: Any, chosen: str, probabilities: str) -> None:
    """A classifier's outputs from the positions of the classes, int64 [n], and double probabilities [n, classes]."""
    labels = writer.constant(label_values(operator.raw_operator))
    writer.add("Gather", labels, chosen, output=operator.outputs[0].full_name, axis=0)
    write_as_declared(writer, probabilities, operator.outputs[1])


def largest(writer: Writer, scores: str) -> str:
    """The position of the largest score, int64 [n]: the first of equals, as numpy takes it."""
    return writer.add("ArgMax", scores, axis=1, keepdims=0, select_last_index=0)


def not_negative(writer: Writer, score: str) -> str:
    """1 where the only score, [n, 1], is at least 0, else 0: int64 [n]."""
    return _flag(writer, "GreaterOrEqual", score)


def positive(writer: Writer, score: str) -> str:
    """1 where the only score, [n, 1], is above 0, else 0: int64 [n]."""
    return _flag(writer, "Greater", score)


def _flag(writer: Writer, comparison: str, score: str) -> str:
    flag = writer.add("Cast", writer.add(comparison, score, writer.constant(np.zeros(1))), to=TensorProto.INT64)
    return writer.add("Reshape", flag, writer.constant(np.array([-1])))


def both_classes(writer: Writer, second: str) -> str:
    """[n, 2] from the probability [n, 1] of the second class."""
    return writer.add("Concat", writer.add("Sub", writer.constant(np.ones(1)), second), second, axis=1)


def write_as_declared(writer: Writer, value: str, output: Any) -> None:
    """A double under the name and in the type of an output."""
    from skl2onnx.common.data_types import FloatTensorType

    kind = TensorProto.FLOAT if isinstance(output.type, FloatTensorType) else TensorProto.DOUBLE
    writer.add("Cast", value, output=output.full_name, to=kind)
