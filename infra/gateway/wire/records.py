"""The convenience route: records as plain JSON objects, answered in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from infra.gateway.contract import Answered, Tensors, Turned
from infra.gateway.wire.limits import Limits
from infra.gateway.wire.tensors import TEXT
from infra.gateway.wire.v2 import Names, checked_id, checked_key, checked_rows, decoded, encode, refuse_misspelt

Value = str | int | float | bool | None
NOTHING = type(None)
UNGUARDED = "this release has no guards, so it cannot tell"


class Request(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The body: `{"records": [{column: value}], "id": ..., "key": ...}`."""

    records: list[dict[str, Value]]
    id: str | None = None
    key: str | int | None = None


@dataclass(frozen=True, slots=True)
class Records:
    """Records that were read, as tensors."""

    tensors: Tensors
    rows: int
    request_id: str | None
    key: str | None


@dataclass(frozen=True)
class Words:
    """What a release calls its classes, and each column of its output `flags`."""

    classes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


_request = msgspec.json.Decoder(Request)


def read_records(body: bytes, names: Names, limits: Limits) -> Records:
    """Records as tensors. Raises Turned (400, 413) naming columns that are unknown, or missing in some records."""
    request = decoded(_request, body)
    records = request.records
    rows = checked_rows(len(records), limits)
    columns = _columns(records)
    refuse_misspelt("columns", columns, names.inputs)
    try:
        known = {name: names.inputs[name] for name in columns if name in names.inputs}
        tensors = {name: column_of(name, kind, [one[name] for one in records]) for name, kind in known.items()}
    except KeyError as error:
        place = next(at for at, one in enumerate(records) if error.args[0] not in one)
        raise Turned(400, f"{error.args[0]}: record {place} lacks it; send null where a value is missing.") from None
    return Records(tensors, rows, checked_id(request.id), checked_key(request.key))


def _columns(records: Sequence[dict[str, Value]]) -> list[str]:
    width = len(records[0])
    if all(len(one) == width for one in records):
        # Another name in another record is a lack of this one's.
        return list(records[0])
    return list(dict.fromkeys(name for record in records for name in record))


def column_of(name: str, datatype: str, values: Sequence[Value]) -> npt.NDArray[Any]:
    """(rows,) texts with "" for what is missing, or numbers with NaN. Raises Turned (400)."""
    kinds = set(map(type, values))
    if datatype == TEXT:
        if not kinds <= {str, NOTHING}:
            raise Turned(400, f"{name}: expected texts, found numbers{_place(values, str)}.")
        return np.array(["" if value is None else value for value in values], dtype=object)
    if str in kinds:
        raise Turned(400, f"{name}: expected numbers, found texts{_place(values, int, float, bool)}.")
    try:
        # Whole numbers stay whole, however large: as floats some would be others.
        return np.array(values, dtype=np.int64 if datatype == "INT64" and kinds == {int} else np.float64)
    except OverflowError:
        raise Turned(400, f"{name}: a number is too large.") from None


def _place(values: Sequence[Value], *kinds: type) -> str:
    wrong = (at for at, value in enumerate(values) if value is not None and not isinstance(value, kinds))
    return f" in record {next(wrong, 0)}"


def write_records(model: str, request_id: str, answered: Answered, words: Words) -> bytes:
    """One answer for each record, in their order."""
    told = {"model": model, "release": answered.release, "id": request_id, "arm": answered.arm}
    return encode({**told, "notes": answered.notes, "answers": answers(answered, words)})


def answers(answered: Answered, words: Words) -> list[dict[str, Any]]:
    """`prediction`, `interval` or `probabilities` and `conformal_set`, `trusted` (None: cannot tell) and `reasons`."""
    outputs = answered.outputs
    said = outputs.get("prediction")
    if said is None:
        said = next(iter(outputs.values()))
    columns: dict[str, Iterable[Any]] = {"prediction": said.reshape(len(said), -1)[:, 0].tolist()}
    if "lower" in outputs and "upper" in outputs:
        columns["interval"] = np.hstack((outputs["lower"], outputs["upper"])).tolist()
    if "probabilities" in outputs:
        columns["probabilities"] = [_by_class(row, words.classes) for row in outputs["probabilities"].tolist()]
    if "conformal_set" in outputs:
        columns["conformal_set"] = _chosen(outputs["conformal_set"], words.classes, "class")
    columns |= _trust(outputs, words, len(said))
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _trust(outputs: Tensors, words: Words, rows: int) -> dict[str, Iterable[Any]]:
    if "trusted" not in outputs:
        return {"trusted": [None] * rows, "reasons": [[UNGUARDED]] * rows}
    flags = outputs.get("flags", np.zeros((rows, 0), dtype=bool))
    return {"trusted": outputs["trusted"][:, 0].tolist(), "reasons": _chosen(flags, words.flags, "reason")}


def _by_class(row: list[float], classes: tuple[str, ...]) -> dict[str, float]:
    return dict(zip(_named(classes, len(row), "class"), row, strict=True))


def _chosen(flags: npt.NDArray[Any], names: tuple[str, ...], kind: str) -> list[list[str]]:
    """The names of the columns that are true, row by row."""
    named = _named(names, flags.shape[1], kind)
    found: list[list[str]] = [[] for _ in range(len(flags))]
    for row, column in zip(*(axis.tolist() for axis in np.nonzero(flags)), strict=True):
        found[row].append(named[column])
    return found


def _named(names: tuple[str, ...], width: int, kind: str) -> Sequence[str]:
    """The names, or numbers where the release that answered does not tell its own."""
    return names if len(names) == width else [f"{kind} {at}" for at in range(width)]
