from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.spec import Split
from tasks.split import TEST, assign_split, hash_rows

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(),
        st.none() | TEXT,
        st.none() | st.booleans(),
        st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
    ),
    max_size=20,
)
KINDS = {"a": pa.int64(), "b": pa.float64(), "c": pa.string(), "d": pa.bool_(), "e": pa.timestamp("us")}


def table_of(rows):
    columns = list(zip(*rows, strict=True)) or [[]] * len(KINDS)
    return pa.table({n: pa.array(v, k, from_pandas=False) for (n, k), v in zip(KINDS.items(), columns, strict=True)})


def by_pandas(table):
    """As first written: a row that was split by it stays on its side."""
    frame = {}
    for name, kind in KINDS.items():
        column = table.column(name)
        if kind != pa.string():
            whole = column if kind in (pa.int64(), pa.float64()) else column.cast(pa.int64())
            values = whole.cast(pa.float64(), safe=False).to_numpy()
            frame[name] = np.where(np.isnan(values), np.nan, values + 0.0)
        else:
            frame[name] = column.to_pandas()
    return pd.util.hash_pandas_object(pd.DataFrame(frame), index=False, categorize=False).to_numpy()


@settings(deadline=None)
@given(ROWS)
def test_rows_are_hashed_as_pandas_hashes_them(rows):
    assert hash_rows(table_of(rows)).tolist() == by_pandas(table_of(rows)).tolist()


@settings(deadline=None)
@given(ROWS, st.integers(1, 5))
def test_a_row_has_its_hash_whatever_its_batch(rows, size):
    table = table_of(rows)
    parts = [hash_rows(table.slice(start, size)) for start in range(0, len(rows) + 1, size)]
    assert np.concatenate(parts).tolist() == hash_rows(table).tolist()


def test_many_different_texts_are_hashed_as_few_are():
    texts = pa.table({"c": [None, *[f"tä€😀{i}\0" for i in range(2000)], "", None]})
    some = pa.table({"c": [None, "tä€😀0\0", "tä€😀0\0"]})
    assert hash_rows(texts)[:2].tolist() == hash_rows(some)[:2].tolist()
    assert hash_rows(texts).tolist() == by_pandas_texts(texts).tolist()


def by_pandas_texts(table):
    return pd.util.hash_pandas_object(table.to_pandas(), index=False, categorize=False).to_numpy()


def test_the_three_parts_have_their_shares_and_the_test_part_does_not_depend_on_the_calibration_part():
    keys = np.random.default_rng(0).integers(0, 2**64, 100_000, dtype=np.uint64)
    found = assign_split(keys, Split(test=0.25, calibration=0.15))
    assert np.bincount(found) / len(keys) == pytest.approx([0.6, 0.25, 0.15], abs=0.01)
    assert ((found == TEST) == (assign_split(keys, Split(test=0.25, calibration=0.5)) == TEST)).all()


def test_a_split_that_leaves_nothing_to_train_on_is_no_spec():
    with pytest.raises(ValueError, match="leave no rows to train on: together 1 of 1"):
        Split(test=0.5, calibration=0.5)
