"""Which labels contradict what all other records say?

Of classes: confident learning (Northcutt, Jiang, Chuang 2021) over out-of-fold probabilities of a stand-in. Of
numbers: out-of-fold residuals in robust standard deviations (Iglewicz and Hoaglin 1993). Beside both, the nearest
neighbours.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.qualification.areas import interval
from tasks.qualification.matrix import Encoding, Flags, Floats
from tasks.qualification.stand_in import Codes, Goal, out_of_fold, random_folds

# The share of records that the stand-in is surest of: there a wrong label shows, and no hard case looks like one.
SUREST = 0.1
NEIGHBOURS, MOST_REFERENCES = 10, 5_000
OUTLYING, BINS, LEAST_IN_BIN = 3.5, 10, 50
TO_DEVIATION = 1.4826
Row = tuple[str, float, float, float, int, int]


@dataclass(frozen=True)
class Suspicion:
    """(n,) of each training row. `suspect`: its label contradicts the others'; `contradicted` less `expected`: how much
    more often than the stand-in itself expects; `surest`: rows whose labels ought to hold; `ranks`: how suspect."""

    suspect: Flags
    contradicted: Floats
    expected: Floats
    surest: Flags
    ranks: Floats
    shown: pd.DataFrame


def suspicion_of(
    encoding: Encoding, features: pd.DataFrame, goal: Goal, labels: tuple[str, ...], seed: int
) -> Suspicion:
    """The suspicion of each row, by folds at random."""
    folds = random_folds(len(features), seed)
    told = out_of_fold(encoding.trees(features), goal, encoding.categorical, folds)
    near = neighbours(encoding.near(features), seed)
    return of_labels(told, goal, near, labels) if goal.classes else of_numbers(told[:, 0], goal, near)


def of_labels(told: Floats, goal: Goal, near: Codes, labels: tuple[str, ...]) -> Suspicion:
    """From out-of-fold probabilities (n, classes) and neighbours (n, 10)."""
    given, n = goal.values, len(goal.values)
    likely, chance = told.argmax(axis=1), told[np.arange(n), given]
    confident = confident_labels(told, given)
    disagree = (given[near] != given[:, None]).mean(axis=1) if near.shape[1] else np.zeros(n)
    best = told.max(axis=1)
    shown = {"given": _named(labels, given), "likely": _named(labels, likely), "chance_of_given": chance}
    shown |= {"chance_of_likely": best, "neighbours_otherwise": disagree}
    surest = best >= np.quantile(best, 1 - SUREST) if n else np.zeros(0, dtype=bool)
    return Suspicion(
        # Where the given label is the likeliest all the same, nothing speaks against it.
        suspect=(confident >= 0) & (confident != given) & (likely != given),
        contradicted=(likely != given).astype(float),
        expected=1 - best,
        surest=surest,
        ranks=(best - chance + disagree) / 2,
        shown=pd.DataFrame(shown),
    )


def confident_labels(told: Floats, given: Codes) -> Codes:
    """(n,) the class that each row surely belongs to, or -1: the likeliest of those whose probability is at least what
    the rows of that label have on average."""
    classes = told.shape[1]
    means = [told[given == label, label].mean() if (given == label).any() else np.inf for label in range(classes)]
    over = np.where(told >= np.array(means), told, -1.0)
    return np.where(over.max(axis=1) >= 0, over.argmax(axis=1), -1)


def of_numbers(told: Floats, goal: Goal, near: Codes) -> Suspicion:
    """From out-of-fold predictions (n,): residuals in the robust deviations of rows with predictions alike."""
    residual = goal.values - told
    far = residual / local_deviation(told, residual)
    by_neighbours = np.zeros(len(told))
    if near.shape[1]:
        apart = goal.values - np.median(goal.values[near], axis=1)
        by_neighbours = apart / local_deviation(told, apart)
    suspect = np.abs(far) > OUTLYING
    shown = {
        "given": goal.values,
        "likely": told,
        "robust_deviations": far,
        "deviations_from_neighbours": by_neighbours,
    }
    ranks = np.minimum(np.abs(far), 100) + np.minimum(np.abs(by_neighbours), 100)
    n = len(told)
    everywhere, nothing = np.ones(n, dtype=bool), np.zeros(n)
    return Suspicion(suspect, suspect.astype(float), nothing, everywhere, ranks, pd.DataFrame(shown))


def local_deviation(told: Floats, residual: Floats) -> Floats:
    """(n,) the median absolute residual as a standard deviation, in bins of like predictions; of no spread, tiny."""
    bins = int(np.clip(len(told) // LEAST_IN_BIN, 1, BINS))
    place = (np.argsort(np.argsort(told, kind="stable"), kind="stable") * bins) // max(len(told), 1)
    spreads = np.array([TO_DEVIATION * np.median(np.abs(residual[place == at])) for at in range(bins)])
    least = 1e-9 * (float(np.abs(residual).max(initial=0.0)) or 1.0)
    return np.maximum(spreads, least)[place] if len(told) else np.zeros(0)


def neighbours(points: Floats, seed: int) -> Codes:
    """(n, 10 or fewer) the rows nearest to each, itself not among them; of many rows, among 5,000 drawn by chance."""
    from sklearn.neighbors import NearestNeighbors

    n = len(points)
    drawn = np.random.default_rng(seed).choice(n, min(n, MOST_REFERENCES), replace=False)
    k = min(NEIGHBOURS, len(drawn) - 1)
    if k < 1:
        return np.zeros((n, 0), dtype=np.int64)
    small = np.ascontiguousarray(points, dtype=np.float32)
    tree = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(small[drawn])
    found = drawn[tree.kneighbors(small, return_distance=False)]
    # Of several rows at the same place the row itself may not be the first.
    itself = found == np.arange(n)[:, None]
    itself[~itself.any(axis=1), -1] = True
    return np.asarray(found[~itself].reshape(n, k), dtype=np.int64)


def noise_rows(told: Suspicion, goal: Goal, labels: tuple[str, ...]) -> list[Row]:
    """The share of suspects, of contradicted labels among the surest, and of each class how noisy its label is."""
    surest, n = told.surest, len(told.suspect)
    rows: list[Row] = [("suspects", *interval(int(told.suspect.sum()), n), n, 0)]
    hits = int(told.contradicted[surest].sum())
    rows.append(("contradicted_where_surest", *interval(hits, int(surest.sum())), int(surest.sum()), 0))
    for at, label in enumerate(labels):
        mine = goal.values == at
        rows.append((f"noise:{label}", *interval(int(told.suspect[mine].sum()), int(mine.sum())), int(mine.sum()), 0))
    return rows


def _named(labels: tuple[str, ...], places: Codes) -> list[str]:
    return [labels[place] for place in places]
