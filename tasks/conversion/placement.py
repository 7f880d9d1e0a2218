"""Where must a column of the caller's stand, so that a feature inside the model lies exactly on a threshold?

Preprocessing stands between the two, and is not inverted: the last double before the feature crosses is found by
bisection over the doubles themselves, so the answer is exact to one unit in the last place whatever the map is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.conversion.voting import ensemble_of

Floats = npt.NDArray[np.float64]
Ordinals = npt.NDArray[np.int64]
SIGN = np.int64(0x7FFF_FFFF_FFFF_FFFF)


@dataclass(frozen=True)
class Block:
    """A part of the preprocessing that stands by itself: what it makes of `columns` are features from `start` on."""

    columns: list[str]
    start: int
    transform: Callable[[Any], Any]
    frame: pd.DataFrame


@dataclass(frozen=True)
class Channel:
    """Output `at` of a block is a function of one column of the caller's alone."""

    column: str
    block: Block
    at: int


def unwrapped(estimator: Any) -> tuple[list[Any], Any]:
    """The fitted transformers of a pipeline, nested ones in their place, and its last estimator."""
    from sklearn.pipeline import Pipeline

    if not isinstance(estimator, Pipeline):
        return [], estimator
    before: list[Any] = []
    for _, step in estimator.steps[:-1]:
        before += [] if step is None or step == "passthrough" else [step]
    inner, last = unwrapped(estimator.steps[-1][1])
    return [*before, *inner], last


def parts(estimator: Any) -> list[tuple[list[Any], Any]]:
    """The candidate, unwrapped; of an ensemble each of its members, behind the steps before it and its own."""
    before, last = unwrapped(estimator)
    voting = ensemble_of(last)
    # A search is looked into as a whole.
    members = [last] if voting is None or voting is not last else voting.estimators_
    return [([*before, *inner], model) for inner, model in map(unwrapped, members)]


def channels(transformers: list[Any], frame: pd.DataFrame) -> dict[int, Channel]:
    """The features of the model that depend on exactly one numeric column, by position.

    Which they are is measured: each column is moved by itself, and what moves is looked at.
    """
    found: dict[int, Channel] = {}
    for block in _blocks(transformers, frame):
        moved_by: dict[int, list[str]] = {}
        for name in block.columns:
            if pd.api.types.is_numeric_dtype(frame[name]):
                for at in _moved(block, name):
                    moved_by.setdefault(at, []).append(name)
        for at, names in moved_by.items():
            if len(names) == 1:
                found[block.start + at] = Channel(names[0], block, at)
    return found


def _blocks(transformers: list[Any], frame: pd.DataFrame) -> list[Block]:
    if len(transformers) != 1 or not hasattr(transformers[0], "output_indices_"):
        return [Block(list(frame.columns), 0, lambda rows: through(transformers, rows), frame)]
    blocks: list[Block] = []
    for name, part, columns in transformers[0].transformers_:
        where, named = transformers[0].output_indices_[name], _named(columns, frame)
        if part != "drop" and where.stop > where.start:
            transform = _same if part == "passthrough" else part.transform
            blocks.append(Block(named, where.start, transform, frame[named]))
    return blocks


def _same(rows: Any) -> Any:
    return rows


def _named(columns: Any, frame: pd.DataFrame) -> list[str]:
    if isinstance(columns, str):
        return [columns]
    chosen = frame.columns[columns] if isinstance(columns, slice) else columns
    names = np.asarray(chosen)
    if names.dtype == bool:
        return list(frame.columns[names])
    return [str(frame.columns[int(one)] if isinstance(one, int | np.integer) else one) for one in names]


def through(transformers: list[Any], rows: pd.DataFrame) -> Any:
    """What fitted transformers, one after the other, make of rows."""
    values: Any = rows
    for transformer in transformers:
        values = transformer.transform(values)
    return values


def dense(values: Any) -> npt.NDArray[Any]:
    """The same numbers as a plain array, whatever a transformer hands out."""
    if hasattr(values, "toarray"):
        values = values.toarray()
    return np.asarray(values)


def _moved(block: Block, column: str) -> list[int]:
    """Positions of the outputs that are another number when `column` alone is."""
    rows = _repeated(block.frame, 4)
    rows[column] = np.quantile(block.frame[column].dropna().astype(np.float64), [0.0, 0.3, 0.7, 1.0])
    out = dense(block.transform(rows)).astype(np.float64)
    # A NaN that stays one did not move.
    same = (out == out[:1]) | (np.isnan(out) & np.isnan(out[:1]))
    return [int(at) for at in np.flatnonzero(~same.all(axis=0))]


def features(ways: Sequence[Channel]) -> Callable[[Floats], Floats]:
    """A function from (m,) values of the columns of `ways`, all of one block, to their (m,) features.

    One call of the preprocessing for all of them: what makes placing thousands of thresholds a matter of seconds.
    """
    block = ways[0].block
    rows = _repeated(block.frame, len(ways))
    names, at = np.array([way.column for way in ways], dtype=object), np.array([way.at for way in ways])
    usual = {name: rows[name].to_numpy(dtype=np.float64) for name in dict.fromkeys(names)}

    def of(values: Floats) -> Floats:
        for name, column in usual.items():
            rows[name] = np.where(names == name, values, column)
        return np.asarray(dense(block.transform(rows))[np.arange(len(at)), at], dtype=np.float64)

    return of


def _repeated(frame: pd.DataFrame, n: int) -> pd.DataFrame:
    return frame.iloc[np.zeros(n, dtype=int)].reset_index(drop=True)


def crossings(feature: Callable[[Floats], Floats], low: Floats, high: Floats, thresholds: Floats) -> Floats:
    """(m, 4) doubles: the neighbours on both sides of where `feature` < t turns, and of where `feature` ≤ t does.

    `feature` is monotone between `low` and `high`, (m,) each. NaN where a threshold is not crossed there.
    """
    strictly = _turn(lambda x: feature(x) < thresholds, low, high)
    at_most = _turn(lambda x: feature(x) <= thresholds, low, high)
    return np.hstack([strictly, at_most])


def _turn(holds: Callable[[Floats], Any], low: Floats, high: Floats) -> Floats:
    """(m, 2) adjacent doubles between which a statement turns; bisection over the order of all doubles."""
    left, right = _ordinal(low), _ordinal(high)
    at_left = holds(_double(left))
    turns = at_left != holds(_double(right))
    # Unsigned: the doubles from −1 to 1 alone are more than a signed difference holds.
    while ((right - left).view(np.uint64)[turns] > 1).any():
        middle = (left >> 1) + (right >> 1) + (left & right & 1)
        like_left = holds(_double(middle)) == at_left
        left, right = np.where(like_left, middle, left), np.where(like_left, right, middle)
    pair = np.column_stack([_double(left), _double(right)])
    pair[~turns] = np.nan
    return pair


def _ordinal(values: Floats) -> Ordinals:
    """Integers in the order of the doubles: neighbours are one apart."""
    bits = np.ascontiguousarray(values, dtype=np.float64).view(np.int64)
    return np.where(bits < 0, bits ^ SIGN, bits)


def _double(ordinals: Ordinals) -> Floats:
    return np.where(ordinals < 0, ordinals ^ SIGN, ordinals).view(np.float64)
