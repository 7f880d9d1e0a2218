"""What did each column add to one answer? Shapley values of the package, by sampling.

A record is reached from a training row by exchanging one column after the other, in an order drawn by chance and in
the same order backwards; what the answer changes by at a column's turn is its share. Permutation sampling: Castro,
Gómez, Tejada 2009; Štrumbelj, Kononenko 2014; the order backwards (antithetic): Mitchell et al. 2022. Law (efficiency):
the values of a record sum to its answer minus the mean answer of the background, whatever was drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from infra.runtime import Predictions
from tasks.qualification.case import Case, Floats, chance_of
from tasks.qualification.codes import Codes, asked

Value = Callable[[Predictions], Floats]
# Predictions for all values together, and rows of a matrix at a time.
MOST_ASKED, BLOCK = 40_000, 20_000
FEWEST, MOST = 8, 64


@dataclass(frozen=True)
class Contributions:
    """`values` (n, k) and their standard `errors` from sampling; `answers` (n,); `base` (n,) the background's mean."""

    values: Floats
    errors: Floats
    answers: Floats
    base: Floats
    background: int

    @property
    def gap(self) -> float:
        """By how much the sum of a record's values misses its answer minus the base, at most."""
        return float(np.abs(self.values.sum(axis=1) - (self.answers - self.base)).max())


def value_of(said: Predictions, labels: npt.NDArray[np.object_] | None) -> Floats:
    """(n,) the number that is explained: the prediction, or the probability of each row's label (1 or 0 without)."""
    if not said.classes:
        return np.asarray(said.values, dtype=np.float64)
    assert labels is not None
    return chance_of(said, labels) if said.probabilities is not None else (said.values == labels).astype(np.float64)


def explained_labels(case: Case, said: Predictions) -> npt.NDArray[np.object_] | None:
    """(n,) which label's probability is explained: the positive one, or what was said; None of numbers."""
    if not said.classes:
        return None
    return np.full(len(said.values), case.positive, dtype=object) if case.positive else said.values.astype(object)


def background_size(records: int, columns: int) -> int:
    """As many rows as the budget allows."""
    return int(np.clip(MOST_ASKED // max(records * 2 * columns, 1), FEWEST, MOST))


def contributions(case: Case, codes: Codes, cells: Floats, background: Floats) -> Contributions:
    """Of the records `cells` (n, k), held against the rows `background` (m, k)."""
    n, k = cells.shape
    rng = np.random.default_rng(case.seed)
    said = asked(case, codes, cells)
    labels = explained_labels(case, said)
    orders = np.argsort(rng.random((n, len(background), k)), axis=2)
    found = np.zeros((n, len(background), k))
    base = np.zeros(n)
    block = max(1, BLOCK // (len(background) * 2 * (k + 1)))
    for at in range(0, n, block):
        part = slice(at, at + block)
        kept = None if labels is None else labels[part]
        found[part], base[part] = _walked(case, codes, cells[part], background, orders[part], kept)
    errors = found.std(axis=1) / np.sqrt(len(background))
    return Contributions(found.mean(axis=1), errors, value_of(said, labels), base, len(background))


def _walked(
    case: Case,
    codes: Codes,
    cells: Floats,
    background: Floats,
    orders: npt.NDArray[np.int64],
    labels: npt.NDArray[np.object_] | None,
) -> tuple[Floats, Floats]:
    """((n, m, k) what each column added on the way there and on the way back, halved; (n,) the mean at the start)."""
    n, m, k = orders.shape
    both = np.stack([orders, orders[:, :, ::-1]], axis=2)
    # turn[..., j]: when column j is exchanged; after t exchanges the columns with turn < t are the record's.
    turn = np.argsort(both, axis=3)
    taken = turn[:, :, :, None, :] < np.arange(k + 1)[:, None]
    path = np.where(taken, cells[:, None, None, None, :], background[None, :, None, None, :]).reshape(-1, k)
    wanted = None if labels is None else np.repeat(labels, m * 2 * (k + 1))
    values = value_of(asked(case, codes, path), wanted).reshape(n, m, 2, k + 1)
    added = np.take_along_axis(np.diff(values, axis=3), turn, axis=3)
    return added.mean(axis=2), values[:, :, 0, 0].mean(axis=1)
