"""Columns cut into a few levels: bands of numbers, frequent categories, and what is missing as a level of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.errors import CannotAsk
from tasks.qualification.case import Case, Flags
from tasks.qualification.columns import is_number

Codes = npt.NDArray[np.int64]
Edges = Sequence[float]
Merged = Mapping[str, Sequence[str]]
MISSING, RARER, NOT_SHOWN = "missing", "(others)", "value {} (not shown)"


@dataclass(frozen=True)
class Cut:
    """How one column falls into levels, as training knew it. `words` name each code; the last one is "missing".

    Numbers lie in bands by `edges`, each from its lower edge (with it) to its upper one (without); or they are the
    distinct `values`. Categories have a code by `place`; what is in none of these has the code of the last but one.
    """

    column: str
    words: tuple[str, ...]
    edges: tuple[float, ...] | None = None
    place: Mapping[str, int] | None = None

    def codes(self, values: "pd.Series[Any]") -> Codes:
        """(n,) the level of each row."""
        if self.place is not None:
            return _placed(values, self.place, len(self.words))
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        found = np.searchsorted(np.asarray(self.edges), numbers, side="right")
        return np.where(np.isnan(numbers), len(self.words) - 1, found).astype(np.int64)

    @property
    def bands(self) -> int:
        """How many levels, from the first on, are neighbours on a line; 0 of categories."""
        return len(self.words) - 1 if self.edges is not None else 0

    def word(self, first: int, last: int) -> str:
        """Several neighbouring levels, in words."""
        if first == last or self.edges is None:
            return self.words[first]
        if self.words[0] == NOT_SHOWN.format(1):
            return f"{self.words[first]} to {self.words[last]}"
        return f"under {_number(self.edges[last])}" if first == 0 else f"{_number(self.edges[first - 1])} or more"

    def not_shown(self) -> "Cut":
        """The same with its values kept back: "value 2 (not shown)"."""
        return Cut(
            self.column, tuple(NOT_SHOWN.format(at + 1) for at in range(len(self.words))), self.edges, self.place
        )


def _placed(values: "pd.Series[Any]", place: Mapping[str, int], count: int) -> Codes:
    codes, texts = pd.factorize(text_of(values), use_na_sentinel=True)
    known = np.array([place.get(str(text), count - 2) for text in texts] + [count - 1], dtype=np.int64)
    return known[codes]


def text_of(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Each value as a person reads it, whole numbers without a decimal point; a gap stays one."""
    if is_number(values) and not pd.api.types.is_bool_dtype(values.dtype):
        numbers = pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan), index=values.index)
        return numbers.map(_number, na_action="ignore").astype(object)
    held: pd.Series[Any] = values.astype(object).where(values.notna(), None)
    return held.map(str, na_action="ignore")


def cut_of(column: str, train: "pd.Series[Any]", bands: int, most: int, rare: float = 0.0, distinct: int = 0) -> Cut:
    """The cut that training suggests: quantile bands of numbers, a level for each value where there are no more than
    `bands` or `distinct`; the `most` frequent categories that hold more than the share `rare`."""
    if not is_number(train) or pd.api.types.is_bool_dtype(train.dtype) or train.nunique() <= max(bands, distinct):
        texts = text_of(train)
        shares = texts.value_counts(normalize=True)
        return merged_cut(column, {str(text): (str(text),) for text in _sorted(shares[shares > rare].index[:most])})
    numbers = train.to_numpy(dtype=np.float64, na_value=np.nan)
    return banded_cut(column, np.quantile(numbers[np.isfinite(numbers)], np.arange(1, bands) / bands, method="lower"))


def banded_cut(column: str, edges: Edges | npt.NDArray[np.float64]) -> Cut:
    """Bands between the edges, and beyond the first and the last."""
    ends = tuple(float(edge) for edge in np.unique(np.asarray(edges, dtype=np.float64)))
    texts = [_number(edge) for edge in ends]
    between = [f"{low} to under {high}" for low, high in pairwise(texts)]
    words = [f"under {texts[0]}", *between, f"{texts[-1]} or more"] if texts else ["any"]
    return Cut(column, (*words, MISSING), edges=ends)


def merged_cut(column: str, groups: Merged) -> Cut:
    """One level for each group of values; what no group names is "(others)"."""
    place = {str(value): at for at, values in enumerate(groups.values()) for value in values}
    return Cut(column, (*groups, RARER, MISSING), place=place)


def _sorted(texts: Any) -> list[str]:
    """Numbers by their size, texts by the alphabet."""
    names = [str(text) for text in texts]
    try:
        return sorted(names, key=float)
    except ValueError:
        return sorted(names)


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.6g}"


def column_of(case: Case, name: str, asked_by: str) -> tuple["pd.Series[Any]", "pd.Series[Any]"]:
    """(training's, the test's) values of a column, whether the model is given it or not. Raises CannotAsk."""
    for train, test in ((case.train, case.test), (case.train_beside, case.test_beside)):
        if name in test.columns:
            return train[name], test[name]
    there = [*case.test.columns, *case.test_beside.columns]
    import difflib

    near = difflib.get_close_matches(name, there, n=1)
    hint = f" The nearest is {near[0]}." if near else ""
    raise CannotAsk(f"{asked_by}: expected a column of the data, found {name!r}.{hint} There are {', '.join(there)}.")


def rows_where(values: "pd.Series[Any]", condition: Any) -> Flags:
    """(n,) the rows that a declared condition means: a value, null for what is missing, a list of values, or of a
    number column [from, to] with both ends (null: open)."""
    if condition is None:
        return values.isna().to_numpy(dtype=bool)
    if not isinstance(condition, list | tuple):
        condition = (condition,)
    elif is_number(values) and len(condition) == 2 and not pd.api.types.is_bool_dtype(values.dtype):
        low, high = (end if end is not None else sign * np.inf for end, sign in zip(condition, (-1, 1), strict=True))
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.asarray((numbers >= float(low)) & (numbers <= float(high)))
    wanted = {str(text) for text in text_of(pd.Series(list(condition), dtype=object)).dropna()}
    wanted |= {_number(float(one)) for one in condition if isinstance(one, int | float) and not isinstance(one, bool)}
    return text_of(values).isin(wanted).to_numpy(dtype=bool)
