"""Nodes and constants, one call each: into the graph that skl2onnx builds, or into plain lists."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper

ML = "ai.onnx.ml"


class Writer(Protocol):
    """Where nodes go. Both methods give the name of what they wrote."""

    def add(self, op_type: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        """One node with one output, named `output` or a fresh name."""

    def constant(self, value: npt.NDArray[Any]) -> str:
        """An initializer: float64, float32, int64, bool or text (dtype object)."""


class SklearnWriter:
    """Writes into the container of a skl2onnx converter."""

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope, self._container = scope, container

    def add(self, op_type: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        """One node. skl2onnx knows no ai.onnx.ml above 3: a TreeEnsemble goes under that number until the stamp."""
        output = output or self._scope.get_unique_variable_name(op_type.lower())
        name = self._scope.get_unique_operator_name(op_type)
        version = {"op_version": 3} if domain == ML else {}
        self._container.add_node(op_type, list(inputs), output, op_domain=domain, name=name, **version, **attributes)
        return output

    def constant(self, value: npt.NDArray[Any]) -> str:
        """An initializer; equal ones are kept once."""
        name = str(self._scope.get_unique_variable_name("constant"))
        tensor = _tensor(value, name)
        self._container.add_initializer(name, tensor.data_type, list(value.shape), _content(value))
        return name


@dataclass
class PlainWriter:
    """Collects nodes and initializers, every name behind one prefix, for a graph that is put together by hand."""

    prefix: str
    nodes: list[NodeProto] = field(default_factory=list)
    initializers: list[TensorProto] = field(default_factory=list)

    def add(self, op_type: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        """One node."""
        output = output or f"{self.prefix}{op_type.lower()}_{len(self.nodes)}"
        name = f"{self.prefix}{op_type}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, list(inputs), [output], name=name, domain=domain, **attributes))
        return output

    def constant(self, value: npt.NDArray[Any]) -> str:
        """An initializer."""
        self.initializers.append(_tensor(value, f"{self.prefix}constant_{len(self.initializers)}"))
        return str(self.initializers[-1].name)


def _tensor(value: npt.NDArray[Any], name: str) -> TensorProto:
    if value.dtype == object:
        return helper.make_tensor(name, TensorProto.STRING, list(value.shape), _content(value))
    return numpy_helper.from_array(np.ascontiguousarray(value), name)


def _content(value: npt.NDArray[Any]) -> Any:
    if value.dtype == object:
        return [str(text).encode() for text in value.reshape(-1)]
    return value.reshape(-1)
