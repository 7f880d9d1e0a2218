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

POOL, NEAREST, FALLBACK, STARTS, HALVINGS = 2000, 4, 12, 3, 6


def attacks(decisions: Decisions, movable: Flags, pool: Floats, rows: Rows) -> Found:
    """The nearest found change of each of `rows` that turns its decision; records without any are not among them.

    `pool` (p, k): training rows to start from. `movable` (n, k): cells that may change.
    """
    starts = _starts(decisions, movable, pool, rows)
    sparse = _put_back(decisions, starts)
    return _halved(decisions, sparse).nearest()


def _starts(decisions: Decisions, movable: Flags, pool: Floats, rows: Rows) -> Found:
    """Each record's movable cells exchanged for those of near rows that get another answer; farther ones if need be."""
    near = _nearness(decisions, movable, pool, rows)
    order = np.argsort(near, axis=1)[:, : NEAREST + FALLBACK]
    near = np.take_along_axis(near, order, axis=1)
    first = _exchanged(decisions, movable, pool, near[:, :NEAREST], order[:, :NEAREST], rows)
    missed = np.flatnonzero(~np.isin(rows, first.rows))
    second = _exchanged(decisions, movable, pool, near[missed, NEAREST:], order[missed, NEAREST:], rows[missed])
    return _few(found(decisions, np.r_[first.rows, second.rows], np.r_[first.cells, second.cells]))


def _nearness(decisions: Decisions, movable: Flags, pool: Floats, rows: Rows) -> Floats:
    """(r, p) how far each record lies from each row of the pool; infinite where both get the same answer."""
    said = asked(decisions.case, decisions.codes, pool)
    decisions.asked += len(pool)
    near = np.zeros((len(rows), len(pool)))
    for at in range(len(decisions.codes.columns)):
        gaps = decisions.codes.gaps(decisions.cells[rows, at][:, None], pool[None, :, at], at)
        # Gaps are kept as they are, so they are no distance.
        near += np.where(movable[rows, at][:, None] & ~np.isnan(pool[None, :, at]), gaps, 0.0)
    for place, row in enumerate(rows):
        near[place, ~decisions.differ(np.full(len(pool), row), said)] = np.inf
    return near


def _exchanged(decisions: Decisions, movable: Flags, pool: Floats, near: Floats, order: Rows, rows: Rows) -> Found:
    """Each record (r,) with the movable cells of its rows in the pool `order` (r, s), where the answer has turned."""
    fits = np.isfinite(near)
    owner, other = np.broadcast_to(rows[:, None], order.shape)[fits], order[fits]
    cells = np.where(movable[owner] & ~np.isnan(pool[other]), pool[other], decisions.cells[owner])
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
