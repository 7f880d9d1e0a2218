"""A digest of a table's content, whatever its batches, row groups, codec and order of columns."""

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from expectations.records import digest_of

CHUNK_ROWS = 65_536


class ContentDigest:
    """Fed with batches of one schema; equal content gives an equal digest.

    Rows are cut anew into chunks of 65,536, so that where a batch ended does not count. Of each column's chunk go in:
    the validity, the lengths of texts, and the values, with missing ones zeroed and one form of zero and of NaN.
    """

    def __init__(self) -> None:
        self._hashes: dict[str, hashlib._Hash] = {}
        self._types: dict[str, str] = {}
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._rows = 0

    def update(self, table: pa.Table) -> None:
        """Takes the next rows. Raises pa.ArrowInvalid where their columns or types are not those of the first."""
        for field in table.schema:
            self._hashes.setdefault(field.name, hashlib.sha256())
            self._types.setdefault(field.name, str(field.type))
        self._rows += table.num_rows
        self._waiting_rows += table.num_rows
        self._waiting.append(table.select(list(self._hashes)))
        if self._waiting_rows >= CHUNK_ROWS:
            self._flush()

    def hexdigest(self) -> str:
        """`sha256:<hex>` of all rows so far. Asking changes nothing: more may follow."""
        hashes = {name: part.copy() for name, part in self._hashes.items()}
        if self._waiting_rows:
            _take(hashes, pa.concat_tables(self._waiting))
        columns = {name: [self._types[name], part.hexdigest()] for name, part in hashes.items()}
        return digest_of({"rows": self._rows, "columns": columns})

    def _flush(self) -> None:
        table = pa.concat_tables(self._waiting)
        end = table.num_rows - table.num_rows % CHUNK_ROWS
        for start in range(0, end, CHUNK_ROWS):
            _take(self._hashes, table.slice(start, CHUNK_ROWS))
        self._waiting, self._waiting_rows = [table.slice(end)], table.num_rows - end


def _take(hashes: dict[str, "hashlib._Hash"], chunk: pa.Table) -> None:
    for name in chunk.column_names:
        for part in _canonical(chunk.column(name).combine_chunks()):
            hashes[name].update(part)


def _canonical(column: pa.Array) -> list[bytes | memoryview]:
    holes = column.null_count > 0
    valid = pc.is_valid(column).to_numpy(zero_copy_only=False) if holes else np.ones(len(column), dtype=bool)
    validity = np.packbits(valid).tobytes()
    if pa.types.is_string(column.type):
        return [validity, *_texts(pc.fill_null(column, "") if holes else column)]
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if holes:
        column = pc.fill_null(column, False if pa.types.is_boolean(column.type) else 0)
    values = column.to_numpy(zero_copy_only=False)
    return [validity, _one_zero_one_nan(values) if values.dtype.kind == "f" else np.ascontiguousarray(values).data]


def _texts(column: pa.Array) -> list[bytes | memoryview]:
    """Lengths in bytes (int32, little-endian), and all texts in one, as they lie in Arrow's own buffers."""
    if not len(column):
        return [b"", b""]
    _, ends, text = column.buffers()
    # A slice shares its buffers with the whole column: its texts lie between its own first and last end.
    ends = np.frombuffer(ends, dtype="<i4", count=len(column) + 1, offset=4 * column.offset)
    return [np.diff(ends).data, memoryview(text)[ends[0] : ends[-1]] if text else b""]


def _one_zero_one_nan(values: npt.NDArray[np.float64]) -> memoryview:
    values = values + 0.0
    strange = np.isnan(values)
    if strange.any():
        values[strange] = np.nan
    return values.data
