"""Finds the slices of a table where losses are larger than expected, by conditions on up to three columns.

After SliceLine (Sagadeeva, Boehm, SIGMOD 2021): a score that weighs how much worse against how large, a least size, and
levels of conditions as matrix products, each pruned by the most that any of its children could score. Losses here are
what is left after the expected ones, and may be negative; so the bounds use the sum of the positive ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.qualification.levels import Codes

Floats = npt.NDArray[np.floating[Any]]
# A condition: the column, and the first and the last of its levels that hold.
Condition = tuple[int, int, int]
Conditions = tuple[Condition, ...]
# Below the best so many, a slice and what lies within it are not looked at any more.
BEST = 60
# Parents of three conditions, best first, that are tried at most; and how many at once.
MOST_PARENTS, CHUNK = 3000, 250
# Two slices that share more than this part of their records (Jaccard) are told as one, the better.
SAME = 0.5
# Each further condition must be worth it: with many to choose from, some fit chance.
SIMPLER = 0.8


@dataclass(frozen=True)
class Weighing:
    """A slice of `m` of `n` records whose losses exceed the expected ones by `total` (in mean losses) scores
    (1 - w) total / m - w (n / m - 1)."""

    n: int
    support: int
    size_weight: float

    def score(self, total: Floats, size: Floats) -> Floats:
        size = np.maximum(size, 1)
        gain = (1 - self.size_weight) * total / size
        return np.asarray(gain - self.size_weight * (self.n / size - 1), dtype=np.float32)

    def most(self, positive: Floats, size: Floats, top: Floats) -> Floats:
        """The most that a part of the slice could score: its excess is at most the sum of the positive ones, and at
        most the greatest one times its size."""
        turn = np.clip(positive / np.maximum(top, 1e-12), self.support, np.maximum(size, self.support))
        sizes: list[Floats] = [np.full_like(size, self.support), turn, np.maximum(size, self.support)]
        return np.asarray(np.max([self.score(np.minimum(positive, m * top), m) for m in sizes], axis=0))


@dataclass(frozen=True)
class Measures:
    """Of many slices: how many records, their summed excess, the positive part of it, and the greatest one."""

    size: Floats
    total: Floats
    positive: Floats
    top: Floats


@dataclass
class Board:
    """The best slices so far."""

    weighing: Weighing
    found: list[tuple[float, tuple[int, ...]]]
    tried: int = 0
    left_out: int = 0

    @property
    def least(self) -> float:
        """What a slice must exceed to get on it."""
        return max(0.0, self.found[-1][0]) if len(self.found) >= BEST else 0.0

    def add(self, scores: Floats, members: Sequence[tuple[int, ...]]) -> None:
        """Takes those that are good enough."""
        self.tried += len(members)
        better = [(float(s), m) for s, m in zip(scores, members, strict=True) if s > self.least]
        self.found = sorted([*self.found, *better], key=lambda one: (-one[0], len(one[1]), one[1]))[:BEST]


@dataclass(frozen=True)
class Found:
    """The slices that were found, best first, each as its conditions; how many were tried, how many parents were
    left out since there were too many."""

    slices: tuple[Conditions, ...]
    tried: int
    left_out: int


@dataclass(frozen=True)
class Sought:
    """What is looked for: at most `most` slices of at most `deep` conditions, with `support` records inside and outside
    at least; `size_weight` is what size counts beside loss."""

    support: int
    deep: int
    size_weight: float
    most: int


def search(codes: Codes, bands: Sequence[int], excess: npt.NDArray[np.float64], base: float, sought: Sought) -> Found:
    """The best slices that are not nearly the same.

    `codes` (n, k) each column's level; `bands` (k) how many of them, from the first on, are neighbours on a line, so
    that "from here on" and "up to here" are conditions too; `excess` (n,) losses minus the expected ones; `base` the
    mean loss, which it is measured in.
    """
    predicates = _predicates(codes, bands, sought.support)
    if sought.deep < 1 or base <= 0 or not predicates:
        return Found((), 0, 0)
    held = np.stack([holds(codes, one) for one in predicates], axis=1).astype(np.float32)
    lost = (excess / base).astype(np.float32)
    board = Board(Weighing(len(codes), sought.support, sought.size_weight), [])
    columns = np.array([column for column, _, _ in predicates])
    alone = _measures(held, lost, np.where(held > 0, lost[:, None], -np.inf).max(axis=0))
    board.add(board.weighing.score(alone.total, alone.size), [(at,) for at in range(len(predicates))])
    pairs = _pairs(board, held, lost, columns, alone) if sought.deep > 1 else []
    if sought.deep > 2:
        _triples(board, held, lost, columns, pairs)
    chosen = _different(board, held, sought.most)
    return Found(tuple(tuple(predicates[at] for at in one) for one in chosen), board.tried, board.left_out)


def holds(codes: Codes, one: Condition) -> npt.NDArray[np.bool_]:
    """(n,) the records of which a condition is true."""
    column, first, last = one
    return np.asarray((codes[:, column] >= first) & (codes[:, column] <= last))


def _predicates(codes: Codes, bands: Sequence[int], support: int) -> list[Condition]:
    """The conditions that enough records keep, and enough do not."""
    found: list[Condition] = []
    for column, count in enumerate(bands):
        alone = [(at, at) for at in range(int(codes[:, column].max(initial=0)) + 1)]
        up_to, from_on = [(0, at) for at in range(1, count - 1)], [(at, count - 1) for at in range(1, count - 1)]
        found += [(column, first, last) for first, last in [*alone, *up_to, *from_on]]
    sizes = [int(holds(codes, one).sum()) for one in found]
    return [one for one, size in zip(found, sizes, strict=True) if support <= size <= len(codes) - support]


def _measures(held: Floats, lost: Floats, top: Floats) -> Measures:
    return Measures(held.sum(axis=0), lost @ held, np.maximum(lost, 0) @ held, np.maximum(top, 0))


def _pairs(board: Board, held: Floats, lost: Floats, columns: Codes, alone: Measures) -> list[tuple[float, int, int]]:
    """Tries all pairs; (the most that a part could score, first, second) of those that may still have good parts."""
    fit = _hopeful(board, alone)
    first, second = np.triu_indices(len(columns), 1)
    good = (columns[first] != columns[second]) & fit[first] & fit[second]
    first, second = first[good], second[good]
    size, total, positive = (
        (held.T @ (held * weight[:, None]))[first, second] for weight in (np.ones_like(lost), lost, np.maximum(lost, 0))
    )
    pairs = Measures(size, total, positive, np.minimum(alone.top[first], alone.top[second]))
    large = pairs.size >= board.weighing.support
    scores = board.weighing.score(pairs.total, pairs.size)
    board.add(scores[large], list(zip(first[large].tolist(), second[large].tolist(), strict=True)))
    hope = board.weighing.most(pairs.positive, pairs.size, pairs.top)
    open_ones = np.flatnonzero(large & (hope > board.least))
    order = open_ones[np.argsort(-hope[open_ones], kind="stable")]
    board.left_out = max(0, len(order) - MOST_PARENTS)
    return [(float(hope[at]), int(first[at]), int(second[at])) for at in order[:MOST_PARENTS]]


def _hopeful(board: Board, of: Measures) -> npt.NDArray[np.bool_]:
    return np.asarray(board.weighing.most(of.positive, of.size, of.top) > board.least)


def _triples(board: Board, held: Floats, lost: Floats, columns: Codes, pairs: list[tuple[float, int, int]]) -> None:
    """Tries each open pair with every later predicate, the most promising pairs first."""
    weighted = held * lost[:, None]
    for start in range(0, len(pairs), CHUNK):
        part = [(i, j) for hope, i, j in pairs[start : start + CHUNK] if hope > board.least]
        if not part:
            return
        first, second = (np.array(side) for side in zip(*part, strict=True))
        both = held[:, first] * held[:, second]
        size, total = both.T @ held, both.T @ weighted
        later = np.arange(len(columns))[None, :] > second[:, None]
        other = (columns[None, :] != columns[first][:, None]) & (columns[None, :] != columns[second][:, None])
        row, third = np.nonzero(later & other & (size >= board.weighing.support))
        scores = board.weighing.score(total[row, third], size[row, third])
        better = scores > board.least
        members = [(*part[r], int(t)) for r, t in zip(row[better], third[better], strict=True)]
        board.tried += int((~better).sum())
        board.add(scores[better], members)


def _different(board: Board, held: Floats, most: int) -> list[tuple[int, ...]]:
    """The best, without those that are nearly the same as a better one; of these the simpler one, if it is as good."""
    chosen: list[tuple[int, ...]] = []
    masks: list[npt.NDArray[np.bool_]] = []
    for _, members in sorted(board.found, key=lambda one: -one[0] * SIMPLER ** (len(one[1]) - 1)):
        mask = np.asarray(held[:, list(members)].all(axis=1))
        if all((mask & one).sum() <= SAME * (mask | one).sum() for one in masks):
            chosen.append(members)
            masks.append(mask)
        if len(chosen) == most:
            break
    return chosen
