"""Imputers: onnxruntime has none for doubles."""

from typing import Any

import numpy as np

from tasks.conversion.converter import Converter


def converters() -> list[Converter]:
    """SimpleImputer of numbers."""
    from sklearn.impute import SimpleImputer

    return [Converter(SimpleImputer, _imputer_shape, _convert_imputer)]


def _imputer_shape(operator: Any) -> None:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    kind = operator.inputs[0].type
    if isinstance(kind, StringTensorType):
        raise NotImplementedError("SimpleImputer of texts has no form in ONNX: leave texts without an imputer.")
    out = FloatTensorType if isinstance(kind, FloatTensorType) else DoubleTensorType
    operator.outputs[0].type = out([None, int(np.isfinite(_statistics(operator.raw_operator)).sum())])


def _statistics(imputer: Any) -> Any:
    """What is put in for each column; NaN for one that was always missing, which scikit-learn drops."""
    if imputer.add_indicator or not (isinstance(imputer.missing_values, float) and np.isnan(imputer.missing_values)):
        raise NotImplementedError("SimpleImputer converts with missing_values=nan and without add_indicator.")
    return np.asarray(imputer.statistics_, dtype=np.float64)


def _convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    """`Where(IsNaN(x), statistic, x)`: onnxruntime has no Imputer for doubles, and floats flip trees behind it."""
    from onnx import TensorProto
    from skl2onnx.common.data_types import FloatTensorType

    values = _statistics(operator.raw_operator)
    if not np.isfinite(values).all():
        raise NotImplementedError("SimpleImputer saw only missing values in a column: leave that column out.")
    single = isinstance(operator.inputs[0].type, FloatTensorType)
    kind = TensorProto.FLOAT if single else TensorProto.DOUBLE
    cast, missing, fill = (scope.get_unique_variable_name(f"imputer_{part}") for part in ("cast", "missing", "fill"))
    container.add_initializer(fill, kind, [1, len(values)], values.astype(np.float32 if single else np.float64))
    container.add_node("Cast", operator.inputs[0].full_name, cast, to=kind, name=scope.get_unique_operator_name("Cast"))
    container.add_node("IsNaN", cast, missing, op_version=20, name=scope.get_unique_operator_name("IsNaN"))
    out = operator.outputs[0].full_name
    container.add_node("Where", [missing, fill, cast], out, op_version=16, name=scope.get_unique_operator_name("Where"))
