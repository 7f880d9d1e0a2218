"""Converters of our own, where skl2onnx has none, or one whose graph is not the estimator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Converter:
    """How one estimator class enters the graph.

    `shape` and `convert` are what skl2onnx calls with (operator) and (scope, operator, container); `parse` is only
    needed where the class has other outputs than skl2onnx expects. `options` are the option names that it takes.
    One that `takes_columns` gets the columns one by one, text among them, where it stands first.
    Raise NotImplementedError with a sentence for what has no form in ONNX: it is told to the user.
    """

    estimator: type
    shape: Callable[..., None]
    convert: Callable[..., None]
    parse: Callable[..., Any] | None = None
    options: tuple[str, ...] = ()
    takes_columns: bool = False
