"""Records as plain numbers: for fast stand-ins of a model, and for distances between records."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.qualification.columns import Column, columns_of, is_number

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
# Rarer levels count as one: boosting takes at most 255, and a distance gains nothing from many.
MOST_LEVELS, MOST_NEAR = 200, 20
TEXT_WORDS, TEXT_PARTS = 2**12, 16
# A number this many spreads from the middle is as far as any further one.
FARTHEST = 10.0


@dataclass(frozen=True)
class Encoding:
    """What the features of some rows were like; `encoding_of` makes it.

    `middles` are medians of numbers; `texts` what turns a text column (n,) into `TEXT_PARTS` numbers.
    """

    columns: tuple[Column, ...]
    middles: Mapping[str, float]
    texts: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(column.name for column in self.columns)

    @property
    def owners(self) -> tuple[str, ...]:
        """(p,) which column each place of `trees` comes from."""
        return tuple(column.name for column in self.columns for _ in range(_places(column)))

    @property
    def categorical(self) -> Flags:
        """(p,) which places of `trees` hold the number of a level, not a quantity."""
        return np.array([column.kind == "category" for column in self.columns for _ in range(_places(column))], bool)

    def without(self, *names: str) -> "Encoding":
        """The same without some columns."""
        left = tuple(column for column in self.columns if column.name not in names)
        return Encoding(left, self.middles, self.texts)

    def only(self, name: str) -> "Encoding":
        """The same of one column alone."""
        return self.without(*(column.name for column in self.columns if column.name != name))

    def trees(self, frame: pd.DataFrame) -> Floats:
        """(n, p) numbers as they are, categories as the place of their level, gaps and unknown levels as NaN."""
        return _side_by_side([self._for_trees(column, frame[column.name]) for column in self.columns], len(frame))

    def near(self, frame: pd.DataFrame) -> Floats:
        """(n, q) in which two rows are as far apart as their numbers are in spreads, another level or a gap counts 1.

        Euclidean over all columns (a form of Gower's idea, 1971).
        """
        return _side_by_side([self._for_distance(column, frame[column.name]) for column in self.columns], len(frame))

    def _for_trees(self, column: Column, values: "pd.Series[Any]") -> Floats:
        if column.kind == "number":
            return _number(values).reshape(-1, 1)
        return self._text(column.name, values) if column.kind == "text" else _level(column, values).reshape(-1, 1)

    def _for_distance(self, column: Column, values: "pd.Series[Any]") -> Floats:
        if column.kind == "text":
            return self._text(column.name, values)
        if column.kind == "category":
            levels = _level(column, values)
            known = np.where(np.isnan(levels) | (levels >= MOST_NEAR), MOST_NEAR, levels).astype(np.int64)
            width = min(len(column.levels), MOST_NEAR)
            return np.asarray(np.eye(MOST_NEAR + 1)[known][:, [*range(width), MOST_NEAR]] / np.sqrt(2))
        number = _number(values)
        far = (number - self.middles[column.name]) / (column.spread or 1.0)
        gap = np.isnan(number)
        return np.column_stack([np.clip(np.where(gap, 0.0, far), -FARTHEST, FARTHEST), gap])

    def _text(self, name: str, values: "pd.Series[Any]") -> Floats:
        return np.asarray(self.texts[name].transform(values.fillna("").astype(str)), dtype=np.float64)


def encoding_of(features: pd.DataFrame) -> Encoding:
    """The encoding of all columns of features (n, k)."""
    columns = tuple(columns_of(features, features.columns, {}))
    numbers = {column.name: _number(features[column.name]) for column in columns if column.kind == "number"}
    middles = {name: float(np.nanmedian(held)) if np.isfinite(held).any() else 0.0 for name, held in numbers.items()}
    texts = {column.name: _words(features[column.name]) for column in columns if column.kind == "text"}
    return Encoding(columns, middles, texts)


def _words(values: "pd.Series[Any]") -> Any:
    """Latent semantic analysis (Deerwester et al. 1990) of hashed words."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.pipeline import make_pipeline

    words = HashingVectorizer(n_features=TEXT_WORDS, alternate_sign=False)
    return make_pipeline(words, TruncatedSVD(TEXT_PARTS, random_state=0)).fit(values.fillna("").astype(str))


def _places(column: Column) -> int:
    return TEXT_PARTS if column.kind == "text" else 1


def _side_by_side(parts: list[Floats], n: int) -> Floats:
    return np.column_stack(parts) if parts else np.zeros((n, 0))


def _number(values: "pd.Series[Any]") -> Floats:
    if not is_number(values):
        return np.asarray(pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))
    found = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(found), found, np.nan)


def _level(column: Column, values: "pd.Series[Any]") -> Floats:
    place = {level: float(at) for at, level in enumerate(column.levels[:MOST_LEVELS])}
    return np.asarray(values.astype(object).where(values.notna(), None).map(lambda v: place.get(str(v), np.nan)), float)
