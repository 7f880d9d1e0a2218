import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.records import digest_of
from tasks.content_digest import CHUNK_ROWS, ContentDigest

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(),
        st.none() | TEXT,
        st.none() | st.booleans(),
    ),
    max_size=20,
)
TYPES = {"a": pa.int64(), "b": pa.float64(), "c": pa.string(), "d": pa.bool_()}


def table_of(rows):
    columns = list(zip(*rows, strict=True)) or [[]] * len(TYPES)
    return pa.table({n: pa.array(v, t, from_pandas=False) for (n, t), v in zip(TYPES.items(), columns, strict=True)})


def digest(*tables):
    content = ContentDigest()
    for table in tables:
        content.update(table)
    return content.hexdigest()


def floats(*values):
    return pa.table({"a": pa.array(values, pa.float64(), from_pandas=False)})


@settings(deadline=None)
@given(ROWS, st.integers(1, 7), st.permutations(list(TYPES)))
def test_batches_and_the_order_of_columns_do_not_count(rows, size, order):
    table = table_of(rows)
    batches = [table.select(order).slice(start, size) for start in range(0, max(len(rows), 1), size)]
    assert digest(*batches) == digest(table)


@settings(deadline=None, max_examples=30)
@given(ROWS, st.integers(1, 7), st.sampled_from(["none", "snappy", "zstd"]))
def test_codec_and_row_groups_do_not_count(rows, size, codec):
    table, file = table_of(rows), pa.BufferOutputStream()
    pq.write_table(table, file, compression=codec, row_group_size=size)
    assert digest(pq.read_table(pa.BufferReader(file.getvalue()))) == digest(table)


@settings(deadline=None)
@given(ROWS, ROWS)
def test_digests_are_equal_where_rows_are_and_nowhere_else(some, others):
    def canonical(rows):
        return [(a, b if b is None else repr(b + 0.0), c, d) for a, b, c, d in rows]

    assert (digest(table_of(some)) == digest(table_of(others))) == (canonical(some) == canonical(others))


def plainly(table):
    """The digest as first written, by way of Python texts: what is in a store stays findable."""
    parts = {}
    for name in table.column_names:
        parts[name] = hashlib.sha256()
        for start in range(0, table.num_rows, CHUNK_ROWS):
            column = table.column(name).slice(start, CHUNK_ROWS).combine_chunks()
            parts[name].update(np.packbits(pc.is_valid(column).to_numpy(zero_copy_only=False)).tobytes())
            if pa.types.is_string(column.type):
                filled = pc.fill_null(column, "")
                parts[name].update(pc.binary_length(filled).to_numpy(zero_copy_only=False).astype("<i4").tobytes())
                parts[name].update("".join(filled.to_pylist()).encode())
            else:
                zero = False if pa.types.is_boolean(column.type) else 0
                values = pc.fill_null(column, zero).to_numpy(zero_copy_only=False)
                if values.dtype.kind == "f":
                    values = np.where(np.isnan(values), np.nan, values + 0.0)
                parts[name].update(np.ascontiguousarray(values).tobytes())
    columns = {name: [str(table.schema.field(name).type), part.hexdigest()] for name, part in parts.items()}
    return digest_of({"rows": table.num_rows, "columns": columns})


@settings(deadline=None)
@given(ROWS, st.integers(0, 3), st.integers(0, 3))
def test_the_digest_is_what_it_always_was_also_of_slices(rows, start, end):
    table = table_of(rows)
    part = table.slice(start, max(table.num_rows - start - end, 0))
    assert digest(part) == plainly(part)
    assert digest(pa.concat_tables([part, table])) == plainly(pa.concat_tables([part, table]))


def test_the_digest_of_more_than_a_chunk_is_what_it_always_was():
    texts = [None if i % 7 == 0 else "é" * (i % 5) for i in range(CHUNK_ROWS + 999)]
    table = pa.table({"t": texts, "n": np.arange(CHUNK_ROWS + 999) / 3}).slice(500)
    assert digest(table) == plainly(table)
    assert digest(*[table.slice(start, 1000) for start in range(0, table.num_rows, 1000)]) == plainly(table)


@pytest.mark.parametrize("size", [CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 1, 1000])
def test_a_batch_may_end_anywhere_around_a_chunk(size):
    table = pa.table({"a": np.arange(2 * CHUNK_ROWS + 5), "b": [str(i) for i in range(2 * CHUNK_ROWS + 5)]})
    batches = [table.slice(start, size) for start in range(0, table.num_rows, size)]
    assert digest(*batches) == digest(table)


def test_zero_has_one_sign_and_nan_one_form():
    other_nan = np.frombuffer(np.uint64(0xFFF8000000000001).tobytes(), np.float64)[0]
    assert digest(floats(0.0, np.nan)) == digest(pa.table({"a": pa.array(np.array([-0.0, other_nan]))}))


def test_missing_is_not_zero_nor_nan_nor_an_empty_text():
    assert len({digest(floats(None)), digest(floats(0.0)), digest(floats(np.nan))}) == 3
    assert digest(pa.table({"a": [""]})) != digest(pa.table({"a": pa.nulls(1, pa.string())}))


def test_what_stands_behind_a_missing_value_does_not_count():
    hidden = pa.Array.from_buffers(pa.int64(), 1, [pa.py_buffer(b"\0"), pa.py_buffer(np.int64(7).tobytes())])
    assert digest(pa.table({"a": hidden})) == digest(pa.table({"a": pa.nulls(1, pa.int64())}))


def test_texts_do_not_run_into_each_other():
    assert digest(pa.table({"a": ["ab", "c"]})) != digest(pa.table({"a": ["a", "bc"]}))


def test_types_names_and_the_number_of_rows_count():
    tables = [{"a": pa.array([], pa.int64())}, {"a": pa.array([], pa.string())}, {"b": pa.array([], pa.int64())}]
    assert (
        len({digest(pa.table(t)) for t in tables} | {digest(pa.table({"a": [0]})), digest(pa.table({"a": [0, 0]}))})
        == 5
    )


def test_asking_midway_changes_nothing():
    content = ContentDigest()
    content.update(floats(1.0))
    content.hexdigest()
    content.update(floats(2.0))
    assert content.hexdigest() == digest(floats(1.0, 2.0))


def test_other_columns_are_refused():
    with pytest.raises((KeyError, pa.ArrowInvalid)):
        digest(floats(1.0), pa.table({"b": [1.0]}))
