"""Which columns of a release are written down, and how: in clear, hashed, or not at all."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from expectations.hiding import HIDDEN_ROLES
from expectations.serving_spec import PredictionLog

TYPES: Mapping[str, pa.DataType] = {
    "string": pa.utf8(),
    "int64": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
}


@dataclass(frozen=True)
class Input:
    """One input: as people call it, as the graph does, and its type there. `way` is clear or hash."""

    column: str
    name: str
    kind: str
    way: str


@dataclass(frozen=True)
class Columns:
    """What is written of a release's predictions. Of one that nobody told of, no input is: it may be sensitive."""

    inputs: tuple[Input, ...] = ()
    left_out_outputs: frozenset[str] = frozenset({"looked_up"})
    # What each bit of the output `reasons` means.
    reasons: tuple[str, ...] = ()


def columns_of(signature: Mapping[str, Any], data: Mapping[str, Any], log: PredictionLog) -> Columns:
    """Of a package's signature, and the part `data` of its spec as JSON."""
    roles = {name: HIDDEN_ROLES & set(given) for name, given in (data.get("roles") or {}).items()}
    found = [(item, _way(item["column"], roles, log)) for item in signature["inputs"] if "live" not in item]
    looked_up = {name for lookup in data.get("lookups") or () for name in lookup["columns"]}
    # They are one output, and no column of it is worth another's secret.
    hidden = any(_way(name, roles, log) != "clear" for name in looked_up)
    return Columns(
        tuple(Input(item["column"], item["input"], item["type"], way) for item, way in found if way != "leave out"),
        frozenset({"looked_up"} if hidden else ()),
        tuple((signature.get("reasons") or {}).get("bits", ())),
    )


def _way(column: str, roles: Mapping[str, frozenset[str]], log: PredictionLog) -> str:
    if not log.inputs or column in log.leave_out:
        return "leave out"
    ways = {log.protected if role == "protected" else log.sensitive for role in roles.get(column, ())}
    return "leave out" if "leave out" in ways else "hash" if ways else "clear"


@dataclass(frozen=True)
class Hashing:
    """Keyed hashes (BLAKE2b, 128 bits): without the secret nobody finds a value by trying all that there can be.

    Equal values of one column have equal hashes; those of two columns cannot be compared.
    """

    secret: bytes = field(repr=False)

    def texts(self, column: str, values: Any) -> pa.Array:
        """Of (n,) values, as hexadecimal text; null where the value is missing (NaN, "" or None)."""
        key = hashlib.blake2b(column.encode("utf-8", "surrogatepass"), key=self.secret).digest()
        plain = values.tolist() if isinstance(values, np.ndarray) else values
        known = {value: _hash(value, key) for value in set(plain)}
        return pa.array([known[value] for value in plain], pa.utf8())


def _hash(value: Any, key: bytes) -> str | None:
    if value is None or value == "" or value != value:
        return None
    # 7, 7.0 and numpy's own are one value.
    text = value if isinstance(value, str) else repr(float(value))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=key, digest_size=16).hexdigest()
