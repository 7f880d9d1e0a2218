"""When has a decision turned? What every search for a changed answer asks."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from infra.runtime import Predictions
from tasks.qualification.case import Case, Flags, Floats
from tasks.qualification.codes import Codes, asked

Rows = npt.NDArray[np.int64]


@dataclass
class Decisions:
    """The answers to the records `cells` (n, k), and how many questions were asked since.

    A decision has turned where the label is another one, or the number has moved by more than `amount`.
    """

    case: Case
    codes: Codes
    cells: Floats
    amount: float
    asked: int = 0
    said: Predictions = field(init=False)

    def __post_init__(self) -> None:
        self.said = asked(self.case, self.codes, self.cells)

    def turned(self, rows: Rows, matrix: Floats) -> Flags:
        """(m,) is the answer to each row of `matrix` (m, k) another one than that to the record `rows` (m,)?"""
        if not len(matrix):
            return np.zeros(0, dtype=bool)
        self.asked += len(matrix)
        return self.differ(rows, asked(self.case, self.codes, matrix))

    def differ(self, rows: Rows, said: Predictions) -> Flags:
        """(m,) the same of answers at hand."""
        if said.classes:
            return np.asarray(said.values != self.said.values[rows])
        return np.asarray(np.abs(said.values - self.said.values[rows]) > self.amount)

    @property
    def confident(self) -> Flags | None:
        """(n,) more than half of the way from an even chance to certainty; None where there are no probabilities."""
        if self.said.probabilities is None:
            return None
        even = 1 / len(self.said.classes)
        return np.asarray(self.said.probabilities.max(axis=1) >= (1 + even) / 2)


@dataclass(frozen=True)
class Found:
    """Changed records that turn the decision: `rows` (m,) whose they are, `cells` (m, k), `distance` (m,)."""

    rows: Rows
    cells: Floats
    distance: Floats

    def nearest(self) -> "Found":
        """The nearest of each record."""
        order = np.lexsort((self.distance, self.rows))
        _, first = np.unique(self.rows[order], return_index=True)
        kept = order[first]
        return Found(self.rows[kept], self.cells[kept], self.distance[kept])

    def with_others(self, other: "Found") -> "Found":
        """Both, the nearest of each record."""
        return Found(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.cells, other.cells]),
            np.concatenate([self.distance, other.distance]),
        ).nearest()


def found(decisions: Decisions, rows: Rows, cells: Floats) -> Found:
    """With their distances: numbers in spreads, another level 1, summed over the columns."""
    return Found(rows, cells, decisions.codes.distances(decisions.cells[rows], cells).sum(axis=1))
