"""What was asked and answered, as Arrow: one page holds rows of one release, in the columns that it has."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from infra.gateway.contract import Answered, Asked
from infra.gateway.diary.cells import Rows, joined
from infra.gateway.diary.columns import TYPES, Columns, Hashing, Input

TIME = pa.timestamp("us", tz="UTC")
# Enough to see what it was; an error's words can hold a whole record.
LONGEST_ERROR = 300
# Of a request that nobody answered.
NOBODY = Answered({}, "", "")


class Notes(NamedTuple):
    """Columns of what was noted, one item a request; see `Diary.record`. `time` in Unix seconds."""

    time: Sequence[float]
    seconds: Sequence[float]
    asked: Sequence[Asked]
    answered: Sequence[Answered | None]
    arm: Sequence[str]
    release: Sequence[str]
    stage: Sequence[int]
    error: Sequence[str | None]
    shadow: Sequence[bool]
    key: Sequence[str | None]


def page(noted: Sequence[tuple[Any, ...]], columns: Columns, hashing: Hashing) -> pa.RecordBatch:
    """One row for each record of each request, in order."""
    notes = Notes(*zip(*noted, strict=True))
    rows = Rows([asked.rows for asked in notes.asked])
    told = _told(notes, rows, hashing) | _inputs(notes, rows, columns, hashing)
    return pa.RecordBatch.from_pydict(told | _outputs(notes, rows, columns.left_out_outputs))


def _told(notes: Notes, rows: Rows, hashing: Hashing) -> dict[str, pa.Array]:
    """The columns that every row has."""
    answered = [answer or NOBODY for answer in notes.answered]
    refused = rows.marked([answer.refused for answer in answered])
    fell_back = pa.array(rows.marked([answer.fell_back for answer in answered]))
    arms = rows.spread(texts([answer.arm or None for answer in answered]))
    return {
        "time": rows.spread(pa.array((np.array(notes.time) * 1e6).astype(np.int64), TIME)),
        "request_id": rows.spread(texts([asked.request_id for asked in notes.asked])),
        "row": pa.array(rows.numbers(), pa.int32()),
        "model": rows.spread(texts([asked.model for asked in notes.asked])),
        "arm": rows.spread(texts(notes.arm)),
        "release": rows.spread(texts(notes.release)),
        "stage": rows.spread(pa.array(notes.stage, pa.int16())),
        "answered_by": pc.if_else(fell_back, "fallback", arms),
        "answered_release": rows.spread(texts([answer.release or None for answer in answered])),
        "refused": pa.array(refused),
        "shadow": rows.spread(pa.array(notes.shadow, pa.bool_())),
        "error": rows.spread(texts([error and error[:LONGEST_ERROR] for error in notes.error])),
        "caller": rows.spread(texts([asked.caller for asked in notes.asked])),
        "key_hash": rows.spread(hashing.texts("key", notes.key)),
        "latency_ms": rows.spread(pa.array(np.array(notes.seconds) * 1e3)),
    }


def _inputs(notes: Notes, rows: Rows, columns: Columns, hashing: Hashing) -> dict[str, pa.Array]:
    tensors, told = [asked.tensors for asked in notes.asked], {}
    for one in columns.inputs:
        pieces = [sent.get(one.column) for sent in tensors]
        if None in {type(piece) for piece in pieces} or one.column != one.name:
            pieces = [
                sent.get(one.name) if piece is None else piece for sent, piece in zip(tensors, pieces, strict=True)
            ]
        prefix = "input" if one.way == "clear" else "hashed"
        told[f"{prefix}.{one.column}"] = joined(pieces, rows, partial(_input, one, hashing))
    return told


def _input(one: Input, hashing: Hashing, values: Any, width: int) -> pa.Array:
    if width != 1:
        raise ValueError("an input has one value a row")
    if one.way == "hash":
        return hashing.texts(one.column, values)
    kind = TYPES[one.kind]
    if kind == pa.utf8():
        return texts(values)
    with np.errstate(over="ignore"):
        return pa.array(np.asarray(values).astype(kind.to_pandas_dtype(), copy=False), kind)


def _outputs(notes: Notes, rows: Rows, left_out: frozenset[str]) -> dict[str, pa.Array]:
    said = [answer.outputs if answer else {} for answer in notes.answered]
    names = {name: None for name in {name: None for outputs in said for name in outputs} if name not in left_out}
    return {f"output.{name}": joined([outputs.get(name) for outputs in said], rows, _output) for name in names}


def _output(values: Any, width: int) -> pa.Array:
    """(n, 1) as plain values, (n, k) as lists."""
    flat = texts(values) if isinstance(values, list) else pa.array(values)
    if width == 1:
        return flat
    ends = np.arange(len(flat) // width + 1, dtype=np.int32) * width
    return pa.ListArray.from_arrays(ends, flat)


def texts(values: Sequence[str | None]) -> pa.Array:
    """Texts, whatever is in them: half of a surrogate pair, which UTF-8 lacks, becomes a question mark."""
    try:
        return pa.array(values, pa.utf8())
    except UnicodeEncodeError:
        return pa.array([one and one.encode("utf-8", "replace").decode() for one in values], pa.utf8())
