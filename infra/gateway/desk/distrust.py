"""What becomes of records that the guards do not trust: a flag, an empty answer, or the fallback's.

It is decided record by record: one bad record spoils no other of its batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from infra.gateway.contract import Answered, Tensors
from infra.gateway.desk.loading import ANSWERS, Loaded, as_served

Outputs = Mapping[str, npt.NDArray[Any]]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Distrusted:
    """The rows that are not trusted, and why, in short."""

    rows: Rows
    words: str


def distrusted(loaded: Loaded, outputs: Outputs) -> Distrusted | None:
    """None where all is trusted, or the release's spec only wants it flagged."""
    if loaded.rules.on_distrust == "flag" or outputs["trusted"].all():
        return None
    rows = np.flatnonzero(~outputs["trusted"].reshape(-1))
    return Distrusted(rows, reasons(loaded, outputs, rows))


def reasons(loaded: Loaded, outputs: Outputs, rows: Rows) -> str:
    """What the guards have against these rows, each thing once."""
    names, flags = (loaded.signature.get("reasons") or {}).get("flags", ()), outputs.get("flags")
    if flags is None or len(names) != flags.shape[1]:
        return "not trusted"
    return ", ".join(names[at] for at in np.flatnonzero(flags[rows].any(axis=0)))


def can_stand_in(fallback: Loaded, loaded: Loaded) -> bool:
    """Whether its answers can stand among the other's: the same kind of them, over the same classes."""
    mine, others = (
        {tensor.name: tensor for tensor in one.outputs if tensor.name in ANSWERS} for one in (fallback, loaded)
    )
    same_classes = list(fallback.signature["classes"]) == list(loaded.signature["classes"])
    return same_classes and {name: t.shape for name, t in mine.items()} == {name: t.shape for name, t in others.items()}


def only(tensors: Tensors, rows: Rows) -> Tensors:
    """The tensors of some records alone."""
    return {name: values.reshape(-1)[rows] for name, values in tensors.items()}


def emptied(answered: Answered, what: Distrusted, why: str = "") -> Answered:
    """The rows' answers left empty; what the guards say of them stays."""
    outputs = {
        name: _without(values, what.rows) if name in ANSWERS else values for name, values in answered.outputs.items()
    }
    note = f"{_rows(what.rows)} not answered{why}: {what.words}"
    rows = tuple(what.rows.tolist())
    return Answered(outputs, answered.release, answered.arm, (*answered.notes, note), rows, answered.fell_back)


def filled(answered: Answered, what: Distrusted, fallback: Loaded, said: Outputs) -> Answered:
    """The rows' answers from the fallback; what the first one's guards say of them stays, since it is why."""
    outputs = dict(answered.outputs)
    for name in ANSWERS:
        if name in outputs:
            outputs[name] = _with(outputs[name], what.rows, as_served(name, said[name], fallback.rules))
    note = f"{_rows(what.rows)} answered by the fallback {fallback.release}: {what.words}"
    rows = tuple(what.rows.tolist())
    return Answered(outputs, answered.release, answered.arm, (*answered.notes, note), answered.refused, rows)


def _without(values: npt.NDArray[Any], rows: Rows) -> npt.NDArray[Any]:
    empty: Any = "" if values.dtype == object else False if values.dtype.kind == "b" else np.nan
    changed = values.copy()
    changed[rows] = empty
    return changed


def _with(values: npt.NDArray[Any], rows: Rows, others: npt.NDArray[Any]) -> npt.NDArray[Any]:
    changed = values.copy()
    changed[rows] = others
    return changed


def _rows(rows: Rows) -> str:
    shown = ", ".join(str(row) for row in rows[:5]) + (f" and {len(rows) - 5} more" if len(rows) > 5 else "")
    return f"record{'s' * (len(rows) > 1)} {shown}"
