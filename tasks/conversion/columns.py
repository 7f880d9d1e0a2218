"""Columns of estimators that tell categories apart by themselves: text and numbers in, codes and doubles out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from tasks.conversion.writer import ML, Writer


def input_columns(writer: Writer, operator: Any, count: int) -> list[tuple[str, bool]]:
    """Each of the `count` columns as a name, [n, 1], and whether it is text; numbers in double."""
    from skl2onnx.common.data_types import StringTensorType

    found: list[tuple[str, bool]] = []
    for one in operator.inputs:
        text = isinstance(one.type, StringTensorType)
        found.append((one.full_name if text else writer.add("Cast", one.full_name, to=TensorProto.DOUBLE), text))
    if len(found) == count:
        return found
    places = (writer.constant(np.array([at])) for at in range(count))
    return [(writer.add("Gather", found[0][0], place, axis=1), found[0][1]) for place in places]


def input_matrix(writer: Writer, operator: Any) -> str:
    """All columns in one double matrix."""
    parts = [writer.add("Cast", one.full_name, to=TensorProto.DOUBLE) for one in operator.inputs]
    return parts[0] if len(parts) == 1 else writer.add("Concat", *parts, axis=1)


def write_codes(writer: Writer, column: str, text: bool, known: Sequence[Any]) -> str:
    """The position of each value among the known ones, in double; NaN where it is none of them, or missing."""
    keys = [value for value in known if value is not None and value == value]
    if text != all(isinstance(value, str) for value in keys):
        expected, found = ("text", "numbers") if text else ("numbers", "text")
        raise NotImplementedError(f"a categorical column enters as {expected}, but the model was trained on {found}.")
    kind = TensorProto.STRING if text else TensorProto.DOUBLE
    content = [key.encode() for key in keys] if text else [float(key) for key in keys]
    codes = [float(code) for code in range(len(keys))]
    return writer.add(
        "LabelEncoder",
        column,
        domain=ML,
        keys_tensor=helper.make_tensor("keys", kind, [len(keys)], content),
        values_tensor=helper.make_tensor("codes", TensorProto.DOUBLE, [len(keys)], codes),
        default_tensor=helper.make_tensor("unknown", TensorProto.DOUBLE, [1], [float("nan")]),
    )
