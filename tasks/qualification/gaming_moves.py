"""What does somebody get by changing one column, or two, to any value that training saw?"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import numpy.typing as npt

from infra.runtime import Predictions
from tasks.qualification.case import Case, Flags, Floats
from tasks.qualification.codes import Codes, asked, asked_and_trusted
from tasks.qualification.dependence import grid
from tasks.qualification.goals import Goal

MOST_ASKED = 300_000
# Values of each column when two are moved together.
PAIR_POINTS = 6
TRUSTED = 2
Columns = tuple[int, ...]
Ranks = npt.NDArray[np.int64]


@dataclass
class Best:
    """Of each record the best move of some columns: its `rank`, its `score` and its `cells` (n, k).

    Rank 2: it reaches the goal and callers are told to trust the answer; 1: it reaches it all the same; 0: it does not.
    """

    rank: Ranks
    score: Floats
    cells: Floats

    @property
    def crosses(self) -> Flags:
        """Reaches the goal, and is trusted."""
        return np.asarray(self.rank == TRUSTED)

    @property
    def reaches(self) -> Flags:
        """Reaches the goal, trusted or not."""
        return np.asarray(self.rank > 0)

    def improved_by(self, rank: Ranks, score: Floats, cells: Floats) -> None:
        """Takes the higher rank, and the higher score of two alike."""
        better = (rank > self.rank) | ((rank == self.rank) & (score > self.score))
        self.rank, self.score = np.where(better, rank, self.rank), np.where(better, score, self.score)
        self.cells = np.where(better[:, None], cells, self.cells)


@dataclass(frozen=True)
class Moves:
    """For every goal and every column or pair that was moved: the best move of each record."""

    before: Predictions
    cells: Floats
    best: dict[str, dict[Columns, Best]]
    questions: int
    pairs_left_out: int

    def taken(self, goal: Goal) -> Best:
        """What each person would do: the best move of one column where that is as good as any, else the best of all."""
        tried = self.best[goal.name]
        best = self._best(goal, tried.values())
        alone = self._best(goal, [one for columns, one in tried.items() if len(columns) == 1])
        enough = (alone.rank == best.rank) & best.reaches
        cells = np.where(enough[:, None], alone.cells, best.cells)
        return Best(best.rank, np.where(enough, alone.score, best.score), cells)

    def _best(self, goal: Goal, moves: Iterable[Best]) -> Best:
        best = _nothing_moved(self.before, self.cells, goal)
        for one in moves:
            best.improved_by(one.rank, one.score, one.cells)
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
    return Best(np.zeros(len(cells), dtype=np.int64), goal.score(before), cells.copy())


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
        after, trust = asked_and_trusted(case, codes, moved)
        for goal in goals:
            reached = goal.wanting(before) & goal.reached(before, after)
            best[goal.name][columns].improved_by(np.where(trust, TRUSTED, 1) * reached, goal.score(after), moved)
