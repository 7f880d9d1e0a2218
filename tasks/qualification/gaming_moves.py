"""What does somebody get by changing one column, or two, to any value that training saw?"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from infra.runtime import Predictions
from tasks.qualification.case import Case, Flags, Floats
from tasks.qualification.codes import Codes, asked
from tasks.qualification.dependence import grid
from tasks.qualification.goals import Goal

MOST_ASKED = 300_000
# Values of each column when two are moved together.
PAIR_POINTS = 6
Columns = tuple[int, ...]


@dataclass
class Best:
    """Of each record the best move of some columns: whether it reaches the goal, its score and its cells (n, k)."""

    reached: Flags
    score: Floats
    cells: Floats

    def improved_by(self, reached: Flags, score: Floats, cells: Floats) -> None:
        """Takes what reaches the goal before what does not, and the higher score of two alike."""
        better = (reached & ~self.reached) | ((reached == self.reached) & (score > self.score))
        self.reached, self.score = np.where(better, reached, self.reached), np.where(better, score, self.score)
        self.cells = np.where(better[:, None], cells, self.cells)


@dataclass(frozen=True)
class Moves:
    """For every goal and every column or pair that was moved: the best move of each record."""

    before: Predictions
    cells: Floats
    best: dict[str, dict[Columns, Best]]
    questions: int
    pairs_left_out: int

    def overall(self, goal: Goal) -> Best:
        """The best of all moves."""
        return self._best(goal, self.best[goal.name].values())

    def simplest(self, goal: Goal) -> Best:
        """The best move of one column for whoever reaches the goal by one, and the best of all for the others."""
        tried = self.best[goal.name]
        alone = self._best(goal, [one for columns, one in tried.items() if len(columns) == 1])
        best = self.overall(goal)
        kept = alone.reached[:, None]
        return Best(
            best.reached, np.where(alone.reached, alone.score, best.score), np.where(kept, alone.cells, best.cells)
        )

    def _best(self, goal: Goal, moves: Iterable[Best]) -> Best:
        best = _nothing_moved(self.before, self.cells, goal)
        for one in moves:
            best.improved_by(one.reached, one.score, one.cells)
        return best


def best_moves(case: Case, codes: Codes, columns: list[int], goals: list[Goal], points: int) -> Moves:
    """Each of `columns` alone over its values or levels, then pairs, as many as the budget allows."""
    cells = codes.encode(case.test)
    before = asked(case, codes, cells)
    values = {at: values_of(case, codes, at, points) for at in columns}
    best: dict[str, dict[Columns, Best]] = {goal.name: {} for goal in goals}
    moved = [(at,) for at in columns]
    for one in moved:
        _try_all(case, codes, cells, before, one, [values[one[0]]], goals, best)
    spent = sum(len(held) for held in values.values())
    pairs = _promising(columns, best, before, goals)
    few = {at: values_of(case, codes, at, PAIR_POINTS) for at in columns}
    kept = pairs[: max(1, int((MOST_ASKED / max(len(cells), 1) - spent) / PAIR_POINTS**2))]
    for pair in kept:
        _try_all(case, codes, cells, before, pair, [few[at] for at in pair], goals, best)
        spent += len(few[pair[0]]) * len(few[pair[1]])
    return Moves(before, cells, best, spent, len(pairs) - len(kept))


def values_of(case: Case, codes: Codes, at: int, points: int) -> Floats:
    """What the column may be set to; leaving it out is a move too, where some training rows did."""
    held = grid(case, codes, at, points)
    return np.append(held, np.nan) if codes.columns[at].missing > 0 else held


def _promising(
    columns: list[int], best: dict[str, dict[Columns, Best]], before: Predictions, goals: list[Goal]
) -> list[Columns]:
    """All pairs, those first whose columns alone gain most."""
    gain = {at: sum(float((best[g.name][(at,)].score - g.score(before)).mean()) for g in goals) for at in columns}
    return sorted(combinations(columns, 2), key=lambda pair: -(gain[pair[0]] + gain[pair[1]]))


def _nothing_moved(before: Predictions, cells: Floats, goal: Goal) -> Best:
    return Best(np.zeros(len(cells), dtype=bool), goal.score(before), cells.copy())


def _try_all(
    case: Case,
    codes: Codes,
    cells: Floats,
    before: Predictions,
    columns: Columns,
    values: list[Floats],
    goals: list[Goal],
    best: dict[str, dict[Columns, Best]],
) -> None:
    """Every combination of the values, all else kept; what is best so far is in `best`."""
    for goal in goals:
        best[goal.name][columns] = _nothing_moved(before, cells, goal)
    for combination in product(*values):
        moved = cells.copy()
        moved[:, list(columns)] = combination
        after = asked(case, codes, moved)
        for goal in goals:
            reached = goal.wanting(before) & goal.reached(before, after)
            best[goal.name][columns].improved_by(reached, goal.score(after), moved)
