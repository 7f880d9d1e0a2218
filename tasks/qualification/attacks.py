"""How near is a plausible record with another answer? A search that sees nothing but answers.

It starts at the nearest training rows that get another answer, as attacks by decision do (Brendel, Rauber, Bethge
2018; Chen, Jordan, Wainwright 2020), puts back one column after the other where the answer stays another one, as
sparse counterfactuals do (Wachter, Mittelstadt, Russell 2018; Laugel et al. 2018), and halves what is left of each
number. Every cell stays between two observed ones, whole numbers stay whole, levels are known levels. What is found is
an upper bound: a nearer change may exist.
"""

import numpy as np

from tasks.qualification.case import Flags, Floats
from tasks.qualification.codes import asked
from tasks.qualification.decisions import Decisions, Found, Rows, found

POOL, NEAREST, FALLBACK, STARTS, HALVINGS = 2000, 4, 12, 2, 6


def questions_per_record(columns: int, numbers: int) -> int:
    """About how many answers the searches of this check ask for one record."""
    return 4 * numbers + NEAREST + STARTS * columns + STARTS * HALVINGS * 4


def attacks(decisions: Decisions, movable: Flags, pool: Floats) -> Found:
    """The nearest found change of each record that turns its decision; records without any are not among them.

    `pool` (p, k): training rows to start from. `movable` (n, k): cells that may change.
    """
    starts = _starts(decisions, movable, pool)
    sparse = _put_back(decisions, starts)
    return _halved(decisions, sparse).nearest()


def _starts(decisions: Decisions, movable: Flags, pool: Floats) -> Found:
    """Each record's movable cells exchanged for those of near rows that get another answer."""
    said = asked(decisions.case, decisions.codes, pool)
    decisions.asked += len(pool)
    near = np.zeros((len(decisions.cells), len(pool)))
    for at in range(len(decisions.codes.columns)):
        near += np.where(movable[:, at : at + 1], _gaps(decisions, pool, at), 0.0)
    for row in range(len(near)):
        same = ~decisions.differ(np.full(len(pool), row), said)
        near[row, same] = np.inf
    order = np.argsort(near, axis=1)[:, : NEAREST + FALLBACK]
    first = _exchanged(decisions, movable, pool, near, order[:, :NEAREST])
    missed = np.setdiff1d(np.arange(len(near)), first.rows)
    second = _exchanged(decisions, movable, pool, near, order[:, NEAREST:], missed)
    return _few(found(decisions, np.r_[first.rows, second.rows], np.r_[first.cells, second.cells]))


def _gaps(decisions: Decisions, pool: Floats, at: int) -> Floats:
    """(n, p) how far the column's cells are apart; 0 where either is missing, since gaps are kept as they are."""
    gaps = decisions.codes.gaps(decisions.cells[:, at : at + 1], pool[None, :, at], at)
    return np.where(np.isnan(pool[None, :, at]), 0.0, gaps)


def _exchanged(
    decisions: Decisions, movable: Flags, pool: Floats, near: Floats, order: Rows, rows: Rows | None = None
) -> Found:
    rows = np.arange(len(near)) if rows is None else rows
    owner, other = np.repeat(rows, order.shape[1]), order[rows].reshape(-1)
    fits = np.isfinite(near[owner, other])
    owner, other = owner[fits], other[fits]
    moved = movable[owner] & ~np.isnan(pool[other])
    cells = np.where(moved, pool[other], decisions.cells[owner])
    kept = decisions.turned(owner, cells)
    return found(decisions, owner[kept], cells[kept])


def _few(starts: Found) -> Found:
    """The nearest STARTS of each record."""
    order = np.lexsort((starts.distance, starts.rows))
    rows = starts.rows[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    kept = order[rank < STARTS]
    return Found(starts.rows[kept], starts.cells[kept], starts.distance[kept])


def _put_back(decisions: Decisions, starts: Found) -> Found:
    """One column after the other, the furthest first, as it was, wherever the decision stays turned."""
    cells, home = starts.cells.copy(), decisions.cells[starts.rows]
    order = np.argsort(-decisions.codes.distances(home, cells), axis=1, kind="stable")
    for rank in range(cells.shape[1]):
        column = order[:, rank]
        every = np.arange(len(cells))
        changed = every[_differ(cells[every, column], home[every, column])]
        tried = cells[changed].copy()
        tried[np.arange(len(changed)), column[changed]] = home[changed, column[changed]]
        kept = decisions.turned(starts.rows[changed], tried)
        cells[changed[kept]] = tried[kept]
    return found(decisions, starts.rows, cells)


def _differ(one: Floats, other: Floats) -> Flags:
    return np.asarray((one != other) & ~(np.isnan(one) & np.isnan(other)))


def _halved(decisions: Decisions, starts: Found) -> Found:
    """The way back of each changed number cut in half, and again, as long as the decision stays turned."""
    cells, home = starts.cells.copy(), decisions.cells[starts.rows]
    far = decisions.codes.distances(home, cells)
    numbers = np.array([decisions.codes.is_number(at) for at in range(cells.shape[1])], dtype=bool)
    order = np.argsort(-np.where(numbers, far, -1.0), axis=1, kind="stable")
    every = np.arange(len(cells))
    for rank in range(cells.shape[1]):
        column = order[:, rank]
        changed = every[numbers[column] & _differ(cells[every, column], home[every, column])]
        if not len(changed):
            break
        _halve(decisions, starts.rows, cells, home, changed, column[changed])
    return found(decisions, starts.rows, cells)


def _halve(decisions: Decisions, owner: Rows, cells: Floats, home: Floats, rows: Rows, column: Rows) -> None:
    """Binary search from `home`, which is not turned, to `cells`, which is; the nearest turned one stays in `cells`."""
    whole = np.array([one.whole for one in decisions.codes.columns], dtype=bool)[column]
    near, far = home[rows, column].copy(), cells[rows, column].copy()
    for _ in range(HALVINGS):
        middle = (near + far) / 2
        middle = np.where(whole, np.where(far > near, np.ceil(middle), np.floor(middle)), middle)
        tried = cells[rows].copy()
        tried[np.arange(len(rows)), column] = middle
        turned = decisions.turned(owner[rows], tried)
        far, near = np.where(turned, middle, far), np.where(turned, near, middle)
    cells[rows, column] = far
