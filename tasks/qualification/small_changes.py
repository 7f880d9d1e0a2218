"""Does a decision turn when one number moves a little?"""

import numpy as np

from tasks.qualification.case import Flags, Floats
from tasks.qualification.columns import Column
from tasks.qualification.decisions import Decisions, Found, Rows, found

# Of the small change: all of it, up and down. Half of it too turned 0.3 % more decisions, at twice the cost.
STEPS = (1.0, -1.0)
ROUNDING = 1e-9


def small_changes(decisions: Decisions, movable: Flags, budget: float) -> Found:
    """The nearest of the small changes that turn each record's decision; one number moves at a time.

    `movable` (n, k): which cells may move. A number stays within what training saw of it, a whole one stays whole.
    """
    parts = [
        _of_column(decisions, movable[:, at], at, budget)
        for at, column in enumerate(decisions.codes.columns)
        if decisions.codes.is_number(at) and moves(column, budget)
    ]
    empty = found(decisions, np.zeros(0, dtype=np.int64), decisions.cells[:0])
    rows = np.concatenate([empty.rows, *(part.rows for part in parts)])
    return found(decisions, rows, np.concatenate([empty.cells, *(part.cells for part in parts)])).nearest()


def moves(column: Column, budget: float) -> list[float]:
    """What is added to a number; nothing where the smallest whole step is not small."""
    reach = budget * column.spread
    if not column.whole:
        return [step * reach for step in STEPS] if reach > 0 else []
    most = int(np.floor(reach + ROUNDING))
    return [float(step) for step in sorted({-most, -1, 1, most})] if most else []


def _of_column(decisions: Decisions, movable: Flags, at: int, budget: float) -> Found:
    column, before = decisions.codes.columns[at], decisions.cells[:, at]
    rows, values = _moved(column, before, np.flatnonzero(movable), budget)
    cells = decisions.cells[rows].copy()
    cells[:, at] = values
    kept = decisions.turned(rows, cells)
    return found(decisions, rows[kept], cells[kept])


def _moved(column: Column, before: Floats, rows: Rows, budget: float) -> tuple[Rows, Floats]:
    """Each record's number moved up and down, but only where it stays in range and surely near."""
    steps = moves(column, budget)
    after = np.clip(before[rows][None] + np.array(steps)[:, None], column.lower, column.upper)
    far = np.abs(after - before[rows])
    fits = (far > 0) & (far <= budget * column.spread * (1 + ROUNDING))
    return np.tile(rows, (len(steps), 1))[fits], after[fits]
