"""Many small arrays, one a request, as one Arrow array. This is most of what writing down costs."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Array = npt.NDArray[Any]
Piece = Array | None
# Flat values, and how many there are a row; as Arrow.
Write = Callable[[Any, int], pa.Array]
UNWRITABLE = (pa.ArrowException, TypeError, ValueError, OverflowError)


class Rows:
    """How many records each request has."""

    def __init__(self, each: list[int]) -> None:
        self.each, self.total = each, sum(each)
        self.alone = self.total == len(each)

    @cached_property
    def requests(self) -> Array:
        """The number of the request of each row."""
        return np.repeat(np.arange(len(self.each)), self.each)

    def spread(self, values: pa.Array) -> pa.Array:
        """One value a request, as one a row."""
        return values if self.alone else values.take(pa.array(self.requests))

    def numbers(self) -> Array:
        """The number of each row in its request."""
        starts = np.cumsum([0, *self.each[:-1]])
        found: Array = np.arange(self.total) - starts[self.requests]
        return found

    def marked(self, places: Sequence[Sequence[int]]) -> Array:
        """True for the rows whose numbers are among their request's `places`."""
        mask = np.zeros(self.total, dtype=bool)
        if not any(places):
            return mask
        starts = np.cumsum([0, *self.each[:-1]])
        mask[[int(start) + at for start, marks in zip(starts, places, strict=True) for at in marks]] = True
        return mask


def joined(pieces: Sequence[Piece], rows: Rows, write: Write) -> pa.Array:
    """The pieces, each (n,) or (n, k), one after another; null where one is missing or cannot be written."""
    try:
        sizes = [piece.size for piece in pieces]  # type: ignore[union-attr]
        width = sizes[0] // rows.each[0]
        if sizes == [n * width for n in rows.each]:
            return write(_flat(pieces), width)  # type: ignore[arg-type]
    except (AttributeError, *UNWRITABLE):
        pass
    return _one_by_one(pieces, rows, write)


def _flat(pieces: Sequence[Array]) -> Any:
    """All values: numbers as an array, anything else as a list."""
    kinds = {piece.dtype for piece in pieces}
    if len(kinds) > 1:
        return np.concatenate(pieces, axis=None)
    kind = kinds.pop()
    if kind.hasobject:
        return [value for piece in pieces for value in piece.reshape(-1).tolist()]
    try:
        # A tenth of what numpy's own concatenate takes for arrays of one number.
        return np.frombuffer(b"".join(pieces), kind)  # type: ignore[arg-type]
    except (BufferError, ValueError):
        # Not contiguous, such as a column of a table.
        return np.concatenate([piece.reshape(-1) for piece in pieces])


def _one_by_one(pieces: Sequence[Piece], rows: Rows, write: Write) -> pa.Array:
    told = [_one(piece, n, write) for piece, n in zip(pieces, rows.each, strict=True)]
    kind = next((one.type for one in told if one is not None), write([], 1).type)
    same = [
        one if one is not None and one.type == kind else pa.nulls(n, kind)
        for one, n in zip(told, rows.each, strict=True)
    ]
    return pa.concat_arrays(same)


def _one(piece: Piece, n: int, write: Write) -> pa.Array | None:
    if piece is None or piece.size % n:
        return None
    try:
        return write(_flat([piece]), piece.size // n)
    except UNWRITABLE:
        return None
