"""A writer that also splits and embeds tensors in attributes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper

from tasks.conversion.writer import PlainWriter, _tensor


class GuardWriter(PlainWriter):
    """Nodes with more than one output, and tables in attributes."""

    def split(self, matrix: str, names: Sequence[str], sizes: Sequence[int]) -> None:
        """(n, sum of sizes) into tensors of these names and widths."""
        widths = self.constant(np.array(sizes, dtype=np.int64))
        name = f"{self.prefix}Split_{len(self.nodes)}"
        self.nodes.append(helper.make_node("Split", [matrix, widths], list(names), name=name, axis=1))

    def rows(self, matrix: str, output: str = "") -> str:
        """(columns, n) to (n, columns)."""
        return self.add("Transpose", matrix, perm=[1, 0], output=output)

    def column(self, values: npt.NDArray[np.float64]) -> str:
        """A number for each column, (columns, 1) double."""
        return self.constant(np.asarray(values, dtype=np.float64).reshape(-1, 1))

    def tensor(self, value: npt.NDArray[Any]) -> TensorProto:
        """An array for an attribute."""
        return _tensor(value, "table")
