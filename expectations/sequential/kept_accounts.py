"""Accounts as JSON and back, bit for bit."""

import base64
import zlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from expectations.errors import CannotAsk
from expectations.sequential.accounts import Account, Asked, begin


def account_as_json(account: Account) -> dict[str, Any]:
    """`account_from_json` is the inverse. Arrays are base64 of their packed bytes, little-endian: exact, and short."""
    held = {item.name: getattr(account, item.name) for item in fields(account)}
    return {name: _packed(value) if isinstance(value, np.ndarray) else value for name, value in held.items()}


def account_from_json(asked: Asked, told: Mapping[str, Any]) -> Account:
    """The account that was kept. Raises CannotAsk where it was kept of other claims."""
    like = begin(asked)
    found: dict[str, Any] = {}
    for item in fields(Account):
        empty = getattr(like, item.name)
        found[item.name] = _unpacked(told[item.name], empty) if isinstance(empty, np.ndarray) else int(told[item.name])
    return Account(**found)


def _packed(values: NDArray[Any]) -> str:
    plain = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()
    return base64.b64encode(zlib.compress(plain, 1)).decode()


def _unpacked(text: str, like: NDArray[Any]) -> NDArray[Any]:
    found = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=like.dtype.newbyteorder("<"))
    if found.size != like.size:
        raise CannotAsk(
            f"an account of {like.size} numbers is expected, found {found.size}: it was kept of other yardsticks. "
            "Begin a new one."
        )
    return found.reshape(like.shape).astype(like.dtype)
