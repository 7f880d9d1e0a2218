"""Records as numbers, so that checks can exchange and move single cells of many records at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from infra.runtime import Predictions, joined_predictions
from tasks.qualification.case import BATCH, Case, Flags, Floats
from tasks.qualification.columns import Column

LONGEST_TEXT = 40
# A number further out than any column that training saw.
APART = 1e9


@dataclass(frozen=True)
class Codes:
    """How frames become matrices and back: a number is itself, a category or text its place in `levels`, a gap NaN.

    `kinds` are the types that the package takes. Law: `decode(encode(frame))` gets the same answer as `frame`.
    """

    columns: tuple[Column, ...]
    kinds: Mapping[str, str]
    levels: Mapping[str, npt.NDArray[Any]]

    def is_number(self, at: int) -> bool:
        """Does this column hold numbers, not places in a list of levels?"""
        return self.columns[at].name not in self.levels

    def encode(self, frame: pd.DataFrame) -> Floats:
        """(n, k) float64 of a frame. Raises KeyError for a level that none of the case's rows has."""
        parts = [self._encoded(frame[column.name]) for column in self.columns]
        return np.column_stack(parts) if parts else np.zeros((len(frame), 0))

    def _encoded(self, values: "pd.Series[Any]") -> Floats:
        levels = self.levels.get(str(values.name))
        if levels is None:
            return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
        place = {level: float(at) for at, level in enumerate(levels)}
        return np.array([np.nan if pd.isna(value) else place[value] for value in values], dtype=np.float64)

    def decode(self, matrix: Floats) -> pd.DataFrame:
        """The frame of a matrix (n, k), in the types that the package takes."""
        return pd.DataFrame({column.name: self._decoded(at, matrix[:, at]) for at, column in enumerate(self.columns)})

    def _decoded(self, at: int, values: Floats) -> npt.NDArray[Any]:
        levels = self.levels.get(self.columns[at].name)
        if levels is None:
            return values.astype(np.int64) if self.kinds[self.columns[at].name] == "int64" else values
        held = np.where(np.isnan(values), len(levels), values).astype(np.int64)
        padded = np.empty(len(levels) + 1, dtype=object)
        padded[:-1], padded[-1] = levels, None
        return np.asarray(padded[held], dtype=object)

    def word(self, at: int, value: float) -> str:
        """One cell, for a person."""
        if np.isnan(value):
            return "missing"
        levels = self.levels.get(self.columns[at].name)
        if levels is None:
            return f"{value:,.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.6g}"
        text = str(levels[int(value)])
        return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"

    def gaps(self, one: Floats, other: Floats, at: int) -> Floats:
        """How far two cells of a column are apart (they broadcast): numbers in spreads, another level or a gap 1."""
        differ = (one != other) & ~(np.isnan(one) & np.isnan(other))
        if not self.is_number(at):
            return np.asarray(differ, dtype=np.float64)
        spread = self.columns[at].spread
        far = np.abs(one - other) / spread if spread > 0 else np.where(differ, APART, 0.0)
        return np.asarray(np.where(np.isnan(far), differ.astype(np.float64), far))

    def distances(self, one: Floats, other: Floats) -> Floats:
        """(n, k) of two matrices (n, k): `gaps` of each cell."""
        parts = [self.gaps(one[:, at], other[:, at], at) for at in range(len(self.columns))]
        return np.column_stack(parts) if parts else np.zeros((len(one), 0))


def codes_of(case: Case) -> Codes:
    """The codes of a case: the levels are those of its training and test rows."""
    levels = {
        column.name: _levels(case, column.name)
        for column in case.columns
        if column.kind != "number" or case.scorer.sent[column.name] == "string"
    }
    return Codes(tuple(case.columns), dict(case.scorer.sent), levels)


def _levels(case: Case, name: str) -> npt.NDArray[Any]:
    both = pd.concat([case.train[name].astype(object), case.test[name].astype(object)]).dropna().unique()
    levels = np.empty(len(both), dtype=object)
    levels[:] = list(both)
    return levels


def asked(case: Case, codes: Codes, matrix: Floats) -> Predictions:
    """What the package says of the rows of a matrix (n, k), decoded in batches, so that memory stays small."""
    starts = range(0, max(len(matrix), 1), BATCH)
    return joined_predictions([case.ask(codes.decode(matrix[at : at + BATCH])) for at in starts])


def trusted(case: Case, codes: Codes, matrix: Floats) -> Flags:
    """(n,) would a caller be told to trust the answer?"""
    return asked_and_trusted(case, codes, matrix)[1] if len(matrix) else np.zeros(0, dtype=bool)


def asked_and_trusted(case: Case, codes: Codes, matrix: Floats) -> tuple[Predictions, Flags]:
    """What the package says of the rows of a matrix (n, k), and (n,) what it tells callers to trust; asked once."""
    said, trust = [], []
    for at in range(0, max(len(matrix), 1), BATCH):
        frame = codes.decode(matrix[at : at + BATCH])
        answer = case.scorer.answers(frame)
        said.append(case.scorer.predictions(answer))
        # A package without guards says nothing of trust, and callers take every answer.
        trust.append(answer["trusted"][:, 0].astype(bool) if "trusted" in answer else np.ones(len(frame), dtype=bool))
    return joined_predictions(said), np.concatenate(trust)


def hidden(codes: Codes) -> frozenset[str]:
    """Columns whose values of single records nobody is shown."""
    from expectations.hiding import HIDDEN_ROLES

    return frozenset(column.name for column in codes.columns if HIDDEN_ROLES & set(column.roles))
