"""Does training hold what it is tested on, and does a row know its own future?

Rows here are as the table holds them, ignored columns too: a key or a time need be no feature to leak.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from expectations.tiers import SURELY
from tasks.qualification.areas import interval, sure_share
from tasks.qualification.matrix import Encoding, Flags, Floats

MOST_NEAR = 5_000
# Two rows are nearly the same that are this much nearer than neighbours usually are.
NEARLY = 0.01
# So many rows of one key on average, and so many keys, and it may be an id.
LEAST_KEYS, LEAST_ROWS, MOST_ROWS = 50, 1.2, 50.0
# Rows of one key must be alike in so many more of their other columns than any two rows.
ALIKE, PAIRS = 0.2, 2_000
# Collisions of coarse values: the columns are not independent, so chance makes more than their product says.
CHANCE_FACTOR = 10.0
# Texts that are read as times must be so nearly always; a whole number may be a year or seconds since 1970.
NEARLY_ALL, YEARS, EPOCH = 0.95, (1900, 2150), (5e8, 4e9)
Row = tuple[str, float, float, float, int, int]


@dataclass(frozen=True)
class Tables:
    """`train` (m, c) and `test` (n, c) as the snapshot holds them; which columns are features, and what the others are.

    `random`: rows were split by chance, each for itself.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    features: Sequence[str]
    target: str
    event_time: str | None = None
    random: bool = True
    known_ahead: Sequence[str] = field(default=())


def duplicate_rows(tables: Tables, encoding: Encoding, seed: int) -> tuple[list[Row], Flags]:
    """The share of test rows that training holds too: with their answer, with any answer, and nearly; and which."""
    names = list(tables.features)
    ours, theirs = _keys(tables.test[names]), _keys(tables.train[names])
    any_answer = np.isin(ours, theirs)
    with_answer = np.isin(_keys(tables.test[[*names, tables.target]]), _keys(tables.train[[*names, tables.target]]))
    n = len(ours)
    nearly = _nearly(tables, encoding, any_answer, seed)
    expected = min(1.0, CHANCE_FACTOR * _by_chance(tables.train[names]))
    sure = max(0.0, sure_share(int(with_answer.sum()), n, SURELY / 2) - expected)
    sure_nearly = sure_share(int(nearly.sum()), len(nearly), SURELY / 2)
    return [
        ("duplicates", *interval(int(with_answer.sum()), n), n, 0),
        ("duplicates_with_any_answer", *interval(int(any_answer.sum()), n), n, 0),
        ("near_duplicates", *interval(int(nearly.sum()), len(nearly)), len(nearly), 0),
        ("surely_duplicates", sure, np.nan, np.nan, n, 0),
        ("surely_near_duplicates", sure_nearly, np.nan, np.nan, len(nearly), 0),
    ], with_answer


def _keys(frame: pd.DataFrame) -> Any:
    """(n,) uint64 of each row's values; whole numbers and the same as floats are equal."""
    held = frame.apply(lambda c: c.astype(np.float64) if pd.api.types.is_numeric_dtype(c.dtype) else c.astype(object))
    return pd.util.hash_pandas_object(held, index=False).to_numpy()


def _by_chance(train: pd.DataFrame) -> float:
    """The share of rows that would have a twin in training if columns were independent."""
    same = 1.0
    for name in train.columns:
        shares = train[name].value_counts(normalize=True, dropna=False).to_numpy(dtype=np.float64)
        same *= float((shares**2).sum())
    return len(train) * same


def _nearly(tables: Tables, encoding: Encoding, exact: Flags, seed: int) -> Flags:
    """(n',) which test rows that are no duplicates have a training row far nearer than training rows are to each other.

    Where most training rows have a twin at no distance at all, nothing is near: 0.
    """
    from sklearn.neighbors import NearestNeighbors

    rng = np.random.default_rng(seed)
    names = list(tables.features)
    train = tables.train[names].iloc[rng.permutation(len(tables.train))[:MOST_NEAR]]
    test = tables.test[names][~exact].head(MOST_NEAR)
    if len(train) < 3 or not len(test):
        return np.zeros(len(test), dtype=bool)
    points, asked = (_single(encoding.near(frame)) for frame in (train, test))
    tree = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(points)
    usual = float(np.median(tree.kneighbors(points[:1000])[0][:, 1]))
    # The fast way of finding neighbours subtracts large squares; the few that look near are measured again.
    nearest = tree.kneighbors(asked, n_neighbors=1, return_distance=False)[:, 0]
    distance = np.sqrt(((asked - points[nearest]).astype(np.float64) ** 2).sum(axis=1))
    return np.asarray(distance <= NEARLY * usual) if usual > 0 else np.zeros(len(test), dtype=bool)


def _single(points: Floats) -> Any:
    return np.ascontiguousarray(points, dtype=np.float32)


def key_rows(tables: Tables, seed: int) -> list[Row]:
    """`key_on_both_sides:<column>`: the share of test rows whose id training knows, of each column that is one.

    An id is text or a whole number, no quantity that is a feature, has many values and several rows for each; and
    either it is called one, or its rows are alike.
    """
    if not tables.random:
        return []
    both = pd.concat([tables.train, tables.test], ignore_index=True)
    rows: list[Row] = []
    for name in both.columns:
        if name in (tables.target, tables.event_time) or not _may_be_id(both[name], name, tables.features):
            continue
        if not (_called_id(name) or _alike(both, name, seed) > ALIKE):
            continue
        known = tables.test[name].dropna().isin(tables.train[name].dropna().unique())
        n, hits = len(known), int(known.sum())
        rows += [
            (f"key_on_both_sides:{name}", *interval(hits, n), n, 0),
            (f"surely_key_on_both_sides:{name}", sure_share(hits, n, SURELY), np.nan, np.nan, n, 0),
        ]
    return rows


def _may_be_id(values: "pd.Series[Any]", name: str, features: Sequence[str]) -> bool:
    held = values.dropna()
    kind = values.dtype
    if pd.api.types.is_bool_dtype(kind) or pd.api.types.is_datetime64_any_dtype(kind) or not len(held):
        return False
    if pd.api.types.is_numeric_dtype(kind):
        number = held.to_numpy(dtype=np.float64)
        if (name in features and not _called_id(name)) or not (number == np.round(number)).all():
            return False
    distinct = held.nunique()
    return distinct >= LEAST_KEYS and LEAST_ROWS <= len(held) / distinct <= MOST_ROWS


def _called_id(name: str) -> bool:
    plain = str(name).lower()
    return plain in ("id", "key", "uuid") or plain.endswith(("_id", " id", "-id", "_key", "_uuid", "_number", "_no"))


def _alike(both: pd.DataFrame, name: str, seed: int) -> float:
    """In how many more of their other columns two rows of one value are equal than any two rows, as a share."""
    held = both[both[name].notna()]
    shuffled = held.sample(frac=1, random_state=seed)
    # Each row beside the next one of its value.
    paired = shuffled.sort_values(name, kind="stable")
    same = (paired[name].to_numpy()[1:] == paired[name].to_numpy()[:-1]).nonzero()[0][:PAIRS]
    if not len(same):
        return 0.0
    others = [column for column in held.columns if column != name]
    return _equal(paired[others], same) - _equal(shuffled[others], np.arange(min(PAIRS, len(held) - 1)))


def _equal(rows: pd.DataFrame, at: Any) -> float:
    """The share of equal cells of rows `at` and the rows after them; two gaps say nothing."""
    if not len(at) or not len(rows.columns):
        return 0.0
    shares = []
    for name in rows.columns:
        values = rows[name].astype(object).to_numpy()
        shares.append(np.mean([values[i] == values[i + 1] for i in at]))
    return float(np.mean(shares))


def future_rows(tables: Tables) -> list[Row]:
    """`later_than_event:<feature>`: the share of rows whose value is a moment after the row's own event time.

    Joined columns are taken as of the event by the snapshot; what the first source itself holds may know the future.
    """
    if tables.event_time is None or tables.event_time not in tables.train.columns:
        return []
    both = pd.concat([tables.train, tables.test], ignore_index=True)
    event = pd.to_datetime(both[tables.event_time], errors="coerce", utc=True)
    rows: list[Row] = []
    for name in tables.features:
        if name in tables.known_ahead or (later := _later(both[name], event)) is None:
            continue
        n, hits = len(later), int(later.sum())
        rows += [
            (f"later_than_event:{name}", *interval(hits, n), n, 0),
            (f"surely_later_than_event:{name}", sure_share(hits, n, SURELY), np.nan, np.nan, n, 0),
        ]
    return rows


def _later(values: "pd.Series[Any]", event: "pd.Series[Any]") -> Flags | None:
    """(rows with both,) is the value after the event? None where the column holds no times. A day or a year counts as
    its beginning."""
    held = values.notna() & event.notna()
    some, when = values[held], event[held]
    if not len(some) or pd.api.types.is_bool_dtype(values.dtype):
        return None
    if pd.api.types.is_numeric_dtype(values.dtype):
        return _later_number(some.to_numpy(dtype=np.float64), when)
    if not pd.api.types.is_datetime64_any_dtype(values.dtype) and not _look_like_times(some):
        return None
    moments = pd.to_datetime(some, errors="coerce", utc=True, format="mixed")
    return np.asarray(moments > when)


def _look_like_times(texts: "pd.Series[Any]") -> bool:
    """ISO dates, nearly all; a bare number is no date."""
    head = texts.head(200).astype(str)
    return bool(head.str.match(r"^\d{4}-\d{2}-\d{2}").mean() >= NEARLY_ALL)


def _later_number(numbers: Floats, when: "pd.Series[Any]") -> Flags | None:
    if not (numbers == np.round(numbers)).all() or len(np.unique(numbers)) < 2:
        return None
    if ((numbers >= YEARS[0]) & (numbers <= YEARS[1])).mean() >= NEARLY_ALL:
        return np.asarray(numbers > when.dt.year.to_numpy())
    seconds = numbers / 1000 if np.median(numbers) > EPOCH[1] else numbers
    if ((seconds >= EPOCH[0]) & (seconds <= EPOCH[1])).mean() < NEARLY_ALL:
        return None
    return np.asarray(seconds > (when - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy())
