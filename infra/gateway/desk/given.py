"""What a caller gets of an answer: all of it, rounded, or the prediction alone. Fewer digits tell less of the model."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from expectations.serving_spec import Serving
from infra.gateway.desk.loading import is_given


def given(outputs: Mapping[str, npt.NDArray[Any]], rules: Serving, caller: str) -> Mapping[str, npt.NDArray[Any]]:
    """The outputs, as the spec says for this caller."""
    if rules.outputs == "all" or (caller and caller in rules.full_outputs_for):
        return outputs
    return {name: _rounded(values, rules.decimals) for name, values in outputs.items() if is_given(name, rules)}


def _rounded(values: npt.NDArray[Any], decimals: int) -> npt.NDArray[Any]:
    return np.round(values, decimals) if values.dtype.kind == "f" else values
