"""One release at hand: its package, loaded, and how tensors that were sent become its inputs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from infra.gateway.contract import Tensors, Turned
from infra.runtime import Scorer, not_looked_up

KINDS: Mapping[str, np.dtype[Any]] = {
    kind: np.dtype(dtype)
    for kind, dtype in (("string", object), ("int64", np.int64), ("float", np.float32), ("double", np.float64))
}

# What a caller did not send and is looked up before the package is asked: the tensors with those added.
Enrich = Callable[[Tensors, int], Awaitable[Tensors]]


@dataclass(frozen=True)
class Arm:
    """A release and its package. `inline`: fast enough to run on the event loop."""

    release: str
    scorer: Scorer
    inline: bool = True
    enrich: Enrich | None = None

    def answer(self, tensors: Tensors, rows: int) -> dict[str, npt.NDArray[Any]]:
        """Every output by its name. Raises Turned (400) naming what is missing or of another type or length."""
        return dict(zip(self.scorer.outputs, self.scorer.run(self.feed(tensors, rows)), strict=True))

    def feed(self, tensors: Tensors, rows: int) -> dict[str, npt.NDArray[Any]]:
        """The graph's inputs. A tensor may have the column's name or the graph input's."""
        feed, missing = {}, []
        for item in self.scorer.signature["inputs"]:
            name, column = item["input"], item["column"]
            values = tensors.get(name)
            if values is None and (values := tensors.get(column)) is None:
                if "live" in item:
                    feed[name] = not_looked_up(item["type"], rows)
                    continue
                missing.append(column)
                continue
            feed[name] = as_input(column, values, item["type"], rows)
        if missing:
            raise Turned(400, f"missing inputs: {', '.join(missing)}. GET the model's metadata for what it needs.")
        return feed


def as_input(column: str, values: npt.NDArray[Any], kind: str, rows: int) -> npt.NDArray[Any]:
    """`[rows, 1]` of the kind (string, int64, float, double) that an input takes. Raises Turned (400)."""
    if values.size != rows:
        raise Turned(400, f"{column}: expected {rows} values, as the first input has, found {values.size}.")
    # What most requests send: nothing to convert, and nothing to ask.
    if values.dtype == KINDS[kind]:
        return values.reshape(rows, 1)
    if kind == "string":
        raise Turned(400, f"{column}: expected texts (BYTES), found numbers.")
    if values.dtype == object:
        raise Turned(400, f"{column}: expected numbers, found texts.")
    if kind == "int64" and values.dtype.kind in "fu" and not whole(values):
        raise Turned(400, f"{column}: expected whole numbers below 2^63, found fractions, larger or missing ones.")
    if kind != "float":
        return values.reshape(rows, 1).astype(KINDS[kind])
    # What a float32 cannot hold becomes infinite, and the guards say so.
    with np.errstate(over="ignore"):
        return values.reshape(rows, 1).astype(np.float32, copy=False)


def whole(values: npt.NDArray[Any]) -> bool:
    """Whether int64 holds each value as it is: a cast would make other numbers of the rest, and say nothing."""
    if values.dtype.kind == "u":
        return bool((values < 1 << 63).all())
    return bool(((values == np.trunc(values)) & (values >= -(2.0**63)) & (values < 2.0**63)).all())
