from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.split import hash_rows

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
    texts = pa.table({"c": [None, *[f"t{i}" for i in range(2000)]]})
    some = pa.table({"c": [None, "t0", "t0"]})
    assert hash_rows(texts)[:2].tolist() == hash_rows(some)[:2].tolist() == by_pandas_texts(texts)[:2].tolist()


def by_pandas_texts(table):
    return pd.util.hash_pandas_object(table.to_pandas(), index=False, categorize=False).to_numpy()
