"""A digest of a table's content, whatever its batches, row groups, codec and order of columns."""

import hashlib

import numpy as np
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
        self._rows = 0

    def update(self, table: pa.Table) -> None:
        """Takes the next rows."""
        for field in table.schema:
            self._hashes.setdefault(field.name, hashlib.sha256())
            self._types[field.name] = str(field.type)
        self._rows += table.num_rows
        self._waiting.append(table)
        if sum(part.num_rows for part in self._waiting) >= CHUNK_ROWS:
            self._flush(whole_chunks_only=True)

    def hexdigest(self) -> str:
        """`sha256:<hex>` of all rows so far."""
        self._flush(whole_chunks_only=False)
        columns = {name: [self._types[name], self._hashes[name].hexdigest()] for name in self._hashes}
        return digest_of({"rows": self._rows, "columns": columns})

    def _flush(self, whole_chunks_only: bool) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        end = table.num_rows - table.num_rows % CHUNK_ROWS if whole_chunks_only else table.num_rows
        for start in range(0, end, CHUNK_ROWS):
            self._take(table.slice(start, min(CHUNK_ROWS, end - start)))
        self._waiting = [table.slice(end)] if end < table.num_rows else []

    def _take(self, chunk: pa.Table) -> None:
        for name in chunk.column_names:
            for part in _canonical(chunk.column(name).combine_chunks()):
                self._hashes[name].update(part)


def _canonical(column: pa.Array) -> list[bytes]:
    valid = np.packbits(pc.is_valid(column).to_numpy(zero_copy_only=False)).tobytes()
    if pa.types.is_string(column.type):
        filled = pc.fill_null(column, "")
        lengths = pc.binary_length(filled).to_numpy(zero_copy_only=False).astype("<i4").tobytes()
        return [valid, lengths, "".join(filled.to_pylist()).encode()]
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    zero = False if pa.types.is_boolean(column.type) else 0
    values = pc.fill_null(column, zero).to_numpy(zero_copy_only=False)
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.nan, values + 0.0)
    return [valid, np.ascontiguousarray(values).tobytes()]
