"""Which rows does training never see? A row keeps its side as data grows, wherever its batch began."""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from expectations.errors import CannotAsk
from expectations.spec import Data, Split

Hashes = npt.NDArray[np.uint64]
Split8 = npt.NDArray[np.int8]
TRAIN, TEST, CALIBRATION = 0, 1, 2
PARTS = {"train": TRAIN, "test": TEST, "calibration": CALIBRATION}
MIXING = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))


class Sides:
    """Fed with batches. By hash a row has its side at once, in one byte; by time only once all rows are known."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._parts: list[Any] = []

    def update(self, table: pa.Table) -> None:
        """Takes the next rows. Raises CannotAsk where there is no column of the group's name."""
        keys = split_keys(table, self._data)
        self._parts.append(keys if self._data.split.by == "time" else assign_split(keys, self._data.split))

    def all(self) -> Split8:
        """(n,) int8 of all rows so far: 0 train, 1 test, 2 calibration."""
        parts = np.concatenate(self._parts)
        return assign_split(parts, self._data.split) if self._data.split.by == "time" else parts


def split_keys(table: pa.Table, data: Data) -> Hashes:
    """(n,) uint64 by which rows are split: a hash of the whole row or of its group, or the time itself.

    Raises CannotAsk where there is no column of the group's name.
    """
    if data.split.by == "time":
        times = table.column(str(data.rows.event_time)).cast(pa.int64()).to_numpy()
        # Shifted, so that a time before 1970 is smaller as an unsigned number too.
        return np.asarray(times.astype(np.int64).view(np.uint64) ^ np.uint64(2**63))
    columns = [data.split.group] if data.split.group else sorted(table.column_names)
    if lost := set(columns) - set(table.column_names):
        raise CannotAsk(f"data.split.group: no column {lost.pop()}; there are {', '.join(table.column_names)}.")
    seed = np.uint64(int.from_bytes(hashlib.sha256(str(data.split.seed).encode()).digest()[:8], "big"))
    # Mixed once more with the seed: pandas' own key counts for texts only.
    return _mixed(hash_rows(table.select(columns)) ^ seed)


def assign_split(keys: Hashes, split: Split) -> Split8:
    """(n,) int8: 0 train, 1 test, 2 calibration. By hash a row keeps its side as data grows; by time the latest share
    is the test part and the share before it the calibration part, ties on one side."""
    if not len(keys):
        return np.zeros(0, dtype=np.int8)
    if split.by == "time":
        test, calibrate = _later(keys, split.test), _later(keys, split.test + split.calibration)
    else:
        test, calibrate = (keys < np.uint64(share * 2.0**64) for share in (split.test, split.test + split.calibration))
    return np.where(test, TEST, np.where(calibrate, CALIBRATION, TRAIN)).astype(np.int8)


def _later(times: Hashes, share: float) -> npt.NDArray[np.bool_]:
    """Which rows are the latest `share`; by rank and not by interpolation: no float can hold such large numbers."""
    last_before = int((1 - share) * (len(times) - 1))
    return np.asarray(times > np.partition(times, last_before)[last_before])


def hash_rows(table: pa.Table) -> Hashes:
    """(n,) uint64, equal to pandas.util.hash_pandas_object(index=False) of the same values, at a third of the time.

    Numbers, times and truth values are hashed as float64 with one zero and one NaN, missing ones as NaN.
    """
    hashes, multiplier = np.full(table.num_rows, 0x345678, dtype=np.uint64), 1_000_003
    for at, column in enumerate(table.columns):
        hashes ^= _text_hashes(column) if pa.types.is_string(column.type) else _mixed(_bits(column))
        hashes *= np.uint64(multiplier)
        multiplier += 82_520 + 2 * (table.num_columns - at)
    return hashes + np.uint64(97_531)


def _text_hashes(column: pa.ChunkedArray) -> Hashes:
    if len(column.slice(0, 1000).unique()) > 500:
        # As bytes: pandas hashes a text's UTF-8, and to make texts of Arrow's bytes and bytes again takes as long anew.
        hashes = pd.util.hash_array(column.cast(pa.binary()).to_numpy(), categorize=False)
        # pandas hashes None unlike the missing value of its own texts.
        missing = column.is_null().to_numpy() if column.null_count else False
        return np.where(missing, pd.util.hash_array(pd.array([None], dtype="str"), categorize=False), hashes)
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    hashes = pd.util.hash_array(encoded.dictionary.to_pandas().array, categorize=False)
    return np.asarray(hashes.take(encoded.indices.to_numpy()), dtype=np.uint64)


def _bits(column: pa.ChunkedArray) -> Hashes:
    """Equal values get equal bits whatever else is in the batch: pandas would hash 5 unlike the 5.0 beside a null."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    values: Any = column.cast(pa.float64(), safe=False).to_numpy() + 0.0
    strange = np.isnan(values)
    if strange.any():
        values[strange] = np.nan
    return np.asarray(values.view(np.uint64))


def _mixed(hashes: Hashes) -> Hashes:
    """The finalizer of splitmix64 (Steele, Lea, Flood 2014), in place."""
    spare = np.empty_like(hashes)
    for shift, factor in MIXING:
        hashes ^= np.right_shift(hashes, shift, out=spare)
        hashes *= factor
    hashes ^= np.right_shift(hashes, np.uint64(31), out=spare)
    return hashes
