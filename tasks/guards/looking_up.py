"""Frozen tables as nodes, and beside them inputs for what a live source says."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto

from expectations.errors import CannotAsk
from expectations.live import FRESH, NOT_ASKED, STALE, UNANSWERED, UNKNOWN
from tasks.guards.layers import label_encoder, split_columns
from tasks.guards.plan import Lookup
from tasks.guards.writer import GuardWriter


def live_inputs(tables: Sequence[Lookup]) -> dict[str, str]:
    """The inputs for live values and their kinds."""
    return {name: kind for table in tables for name, kind in table.live_inputs().items()}


def live_of(name: str, tables: Sequence[Lookup]) -> dict[str, str]:
    """`{"live": source}` of an input for live values: who has none need not send it."""
    source = next((table.source for table in tables if name in table.live_inputs()), None)
    return {"live": source} if source else {}


def told_live(tables: Sequence[Lookup]) -> list[dict[str, Any]]:
    """What a gateway needs to ask the live sources; of the URLs no secret is known here."""
    return [
        {
            "source": table.source,
            "key": table.on,
            "kind": table.kind,
            "columns": list(table.columns),
            "live": table.live.model_dump(),
        }
        for table in tables
        if table.live
    ]


def write_lookups(
    w: GuardWriter, tables: Sequence[Lookup], names: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Each looked-up column's tensor (n, 1), and for each table its flags in the order of `Lookup.flags`."""
    found: dict[str, str] = {}
    flags: list[str] = []
    for table in tables:
        place = {key: at for at, key in enumerate(table.keys)}
        index = label_encoder(w, names[table.on], place, len(place))
        cells = np.vstack([table.values, table.default])
        rows = w.add("Gather", w.constant(cells), w.add("Squeeze", index, w.constant(np.array([1]))), axis=0)
        unknown = w.add("Equal", index, w.constant(np.array([[len(place)]])))
        if table.live:
            rows, said = _write_live(w, table, names, rows, unknown)
            flags += said
        else:
            flags.append(unknown)
        for column in table.columns:
            found[column] = f"{w.prefix}looked_up/{column}"
        split_columns(w, rows, [found[column] for column in table.columns])
    return found, flags


# For each state of a live value, without and with a key that the frozen table does not hold: unknown, stale,
# unanswered; and whether the source said something of the key, so that what it left out is missing.
JUDGED = {
    NOT_ASKED: ((0, 0, 0, 0), (1, 0, 0, 0)),
    FRESH: ((0, 0, 0, 1), (0, 0, 0, 1)),
    STALE: ((0, 1, 0, 1), (0, 1, 0, 1)),
    UNANSWERED: ((0, 0, 1, 0), (1, 0, 1, 0)),
    UNKNOWN: ((1, 0, 0, 0), (1, 0, 0, 0)),
}


def _write_live(
    w: GuardWriter, table: Lookup, names: Mapping[str, str], frozen: str, unknown: str
) -> tuple[str, list[str]]:
    """(n, columns) the live values, the frozen ones where there are none; its flags."""
    *columns, state = [names[name] for name in table.live_inputs()]
    live = w.add("Concat", *columns, axis=1) if len(columns) > 1 else columns[0]
    none = w.add("IsNaN", live)
    values = w.add("Where", none, frozen, live)
    # A state that is none becomes -1, and with that the last rows: unknown.
    known = w.add("Clip", state, w.constant(np.array(-1)), w.constant(np.array(UNKNOWN)))
    code = w.add("Add", w.add("Mul", known, w.constant(np.array([[2]]))), w.add("Cast", unknown, to=TensorProto.INT64))
    judged = w.constant(np.array([row for pair in JUDGED.values() for row in pair], dtype=bool))
    told = w.add("Gather", judged, w.add("Squeeze", code, w.constant(np.array([1]))), axis=0)
    late, said = f"{w.prefix}late/{table.source}", f"{w.prefix}said/{table.source}"
    w.split(told, [late, said], [3, 1])
    # A value that the frozen table has and the source has not; of one that both lack, the column's own guard judges.
    lost = w.add("And", w.add("And", none, w.add("Equal", frozen, frozen)), said)
    return values, [late, lost]


def check_inputs(sent: Mapping[str, str], tables: Sequence[Lookup]) -> None:
    """Raises CannotAsk where a column is called like an input for live values."""
    if clash := sorted(set(sent) & set(live_inputs(tables))):
        raise CannotAsk(f"{', '.join(clash)}: the package's own input has this name; rename the column.")
