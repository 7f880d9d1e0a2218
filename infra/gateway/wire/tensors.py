"""Tensors on the wire: JSON values or little-endian bytes on one side, numpy arrays on the other."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from infra.gateway.contract import DATATYPES, Turned

TEXT = "BYTES"
LENGTH_BYTES = 4
MAYBE_NESTED = b"[ \t\r\n"
# Beyond this a float64, which is what a missing number needs, does not hold every whole number.
EXACT = 1 << 53


@dataclass(frozen=True)
class Datatype:
    """One datatype of the protocol: its array, and what its JSON values may be."""

    name: str
    dtype: np.dtype[Any]
    flat: "msgspec.json.Decoder[list[Any]]"
    nested: "msgspec.json.Decoder[list[list[Any]]]"


def _datatype(name: str, dtype: Any, value: Any) -> Datatype:
    flat = list[value | None]
    return Datatype(name, np.dtype(dtype), msgspec.json.Decoder(flat), msgspec.json.Decoder(list[flat]))


def _whole(name: str, kind: str, size: int) -> Datatype:
    low = -(1 << 8 * size - 1) if kind == "i" else 0
    # msgspec compares with int64; numpy refuses what is beyond uint64.
    high = (1 << 8 * size - (kind == "i")) - 1 if (kind, size) != ("u", 8) else None
    return _datatype(name, f"<{kind}{size}", Annotated[int, msgspec.Meta(ge=low, le=high)])


KNOWN = {
    item.name: item
    for item in (
        _datatype("BOOL", np.bool_, bool),
        *(_whole(f"INT{8 * size}", "i", size) for size in (1, 2, 4, 8)),
        *(_whole(f"UINT{8 * size}", "u", size) for size in (1, 2, 4, 8)),
        *(_datatype(f"FP{8 * size}", f"<f{size}", float) for size in (2, 4, 8)),
        _datatype(TEXT, object, str),
    )
}


def datatype_of(name: str, datatype: str) -> Datatype:
    """The datatype that an input names. Raises Turned (400)."""
    found = KNOWN.get(datatype)
    if found is None:
        raise Turned(400, f"{name}: expected a datatype of {', '.join(KNOWN)}; found {datatype[:40]!r}.")
    return found


def count_of(name: str, shape: Sequence[int]) -> int:
    """How many values a shape holds: every input is one column, `[rows]` or `[rows, 1]`. Raises Turned (400)."""
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] != 1):
        raise Turned(400, f"{name}: expected shape [rows] or [rows, 1], found {list(shape[:8])}.")
    return shape[0]


def from_json(name: str, datatype: str, shape: Sequence[int], data: bytes) -> npt.NDArray[Any]:
    """(rows,) values of a JSON array, flat or nested; null is NaN, or "" in texts. Raises Turned (400)."""
    kind, count = datatype_of(name, datatype), count_of(name, shape)
    try:
        values = _values(kind, data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Turned(400, f"{name}: {told(error)}") from None
    if len(values) != count:
        raise Turned(400, f"{name}: shape {list(shape)} holds {count} values, found {len(values)}.")
    return _array(name, kind, values)


def _values(kind: Datatype, data: bytes) -> list[Any]:
    if data[1:2] not in MAYBE_NESTED or not re.match(rb"\[\s*\[", data):
        return kind.flat.decode(data)
    rows = kind.nested.decode(data)
    if any(len(row) != 1 for row in rows):
        raise msgspec.ValidationError("Expected one value in each row")
    return [row[0] for row in rows]


def _array(name: str, kind: Datatype, values: list[Any]) -> npt.NDArray[Any]:
    if kind.name == TEXT:
        found = np.array(values, dtype=object)
        if None in values:
            found[found == None] = ""  # noqa: E711  Elementwise.
        return found
    if kind.dtype.kind == "f":
        return np.array(values, kind.dtype) if kind.dtype.itemsize == 8 else _short_floats(name, kind, values)
    if None in values:
        return _with_gaps(name, values)
    try:
        return np.array(values, dtype=kind.dtype)
    except OverflowError:
        raise Turned(400, f"{name}: a number is beyond {kind.name}.") from None


def _short_floats(name: str, kind: Datatype, values: list[Any]) -> npt.NDArray[Any]:
    with np.errstate(over="ignore"):
        found = np.array(values, dtype=kind.dtype)
    # JSON has no infinity, so one that is here was too large for the datatype.
    if np.isinf(found).any():
        raise Turned(400, f"{name}: a number is beyond {kind.name}.")
    return found


def _with_gaps(name: str, values: list[Any]) -> npt.NDArray[Any]:
    if any(value is not None and abs(value) > EXACT for value in values):
        raise Turned(400, f"{name}: whole numbers beyond 2^53 cannot be sent along with missing ones.")
    return np.array(values, dtype=np.float64)


def from_binary(name: str, datatype: str, shape: Sequence[int], data: bytes) -> npt.NDArray[Any]:
    """(rows,) values of the binary extension. Raises Turned (400) with the name."""
    kind, count = datatype_of(name, datatype), count_of(name, shape)
    if kind.name == TEXT:
        found = np.empty(count if count * LENGTH_BYTES <= len(data) else 0, dtype=object)
        found[:] = _texts(name, data, count)
        return found
    expected = count * kind.dtype.itemsize
    if len(data) != expected:
        raise Turned(400, f"{name}: shape {list(shape)} of {kind.name} takes {expected} bytes, found {len(data)}.")
    # A copy, aligned, that does not keep the whole body alive. Any byte but 0 is true; numpy itself knows only 1.
    return np.frombuffer(data, np.uint8) != 0 if kind.name == "BOOL" else np.frombuffer(data, kind.dtype).copy()


def _texts(name: str, data: bytes, count: int) -> list[str]:
    """Each text after its length, a little-endian uint32."""
    found, at, end = [], 0, len(data)
    try:
        while at < end:
            start = at + LENGTH_BYTES
            at = start + int.from_bytes(data[at:start], "little")
            found.append(data[start:at].decode())
    except UnicodeDecodeError:
        raise Turned(400, f"{name}: text {len(found)} is not UTF-8.") from None
    if at != end or len(found) != count:
        raise Turned(400, f"{name}: expected {count} texts, each after its length in 4 bytes; the bytes do not fit.")
    return found


def datatype_name(values: npt.NDArray[Any]) -> str:
    """What the protocol calls an output's type."""
    return DATATYPES.get(values.dtype) or TEXT


def to_json(values: npt.NDArray[Any]) -> list[Any]:
    """Flat JSON values, row by row. What is not finite is written as null by whoever encodes this."""
    flat: list[Any] = values.ravel().tolist()
    return flat


def to_binary(values: npt.NDArray[Any]) -> bytes:
    """The values as bytes of the binary extension."""
    if values.dtype != object and values.dtype.kind != "U":
        return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    texts = [str(text).encode() for text in values.ravel().tolist()]
    return b"".join(part for text in texts for part in (len(text).to_bytes(LENGTH_BYTES, "little"), text))


def finite(value: Any) -> Any:
    """A number as JSON can tell it."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


_PLACE = re.compile(r" - at `\$\[(\d+)\](?:\[0\])?`$")


def told(error: Exception) -> str:
    """What was wrong with JSON, in words that name the place."""
    if isinstance(error, RecursionError):
        return "nested too deeply."
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8."
    words = _PLACE.sub(r" at value \1", str(error).replace("`", ""))
    if "invalid character" in words:
        words += ". NaN and Infinity are no JSON: send null for what is missing"
    return f"{words[:300]}."
