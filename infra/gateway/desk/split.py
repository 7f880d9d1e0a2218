"""Who gets the challenger: groups first, then a point on a line by the key, the same for all requests with it."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import xxhash

from expectations.state import Group, Stage
from infra.gateway.contract import Asked, Tensors

# Points are of 64 bits.
LINE = float(1 << 64)


def seed_of(salt: str) -> int:
    """The seed of a rollout: with another one keys lie elsewhere, so that not the same people try every release."""
    return xxhash.xxh64_intdigest(salt.encode())


def point(key: str, seed: int) -> float:
    """Where a key lies, from 0 up to 1. Whoever lies below a share lies below every greater one."""
    return xxhash.xxh64_intdigest(key.encode("utf-8", "surrogatepass"), seed) / LINE


def goes_to_challenger(stage: Stage, seed: int, key: str | None, asked: Asked) -> bool:
    """Whether the challenger answers. All records of one request get one answerer: by group only if all are in one."""
    if stage.shadow:
        return False
    if stage.groups and in_groups(stage.groups, asked.tensors):
        return True
    if key is None:
        return int.from_bytes(os.urandom(8), "little") / LINE < stage.share
    return point(key, seed) < stage.share


def in_groups(groups: Sequence[Group], tensors: Tensors) -> bool:
    """Whether each record is in at least one of the groups."""
    found: Any = False
    for group in groups:
        if (values := tensors.get(group.column)) is not None:
            found = found | np.array([text(value) in group.values for value in values.reshape(-1).tolist()])
    return bool(np.all(found))


def key_of(asked: Asked, column: str | None) -> str | None:
    """The request's own key, else the column's value in its first record; None where there is neither."""
    if asked.key:
        return asked.key
    values = asked.tensors.get(column) if column else None
    if values is None or not values.size:
        return None
    said = text(values.reshape(-1)[0])
    return None if said in ("", "nan") else said


def text(value: Any) -> str:
    """A value as a person writes it: 7 and 7.0 are one customer."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
