"""How good a copy do N queries buy?

Model extraction by queries (Tramèr et al. 2016): a surrogate is trained on rows like those of training, with the
answers that callers get in place of the truth.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from expectations.serving_spec import Serving
from expectations.tiers import SURELY
from infra.runtime import Predictions
from tasks.qualification.answers_seen import log_odds, seen_by_callers
from tasks.qualification.areas import interval, sure_share
from tasks.qualification.case import Case
from tasks.qualification.matrix import Encoding, Flags, Floats
from tasks.qualification.stand_in import Goal, stand_in

QUERIES = (100, 1_000, 10_000)
# Of a regression two answers agree that are within this many standard deviations of the target.
WITHIN = 0.1
MOST_TEST, MOST_BOOSTED_CLASSES, MOST_LEVELS = 5_000, 5, 1_000
Row = tuple[str, float, float, float, int, int]
Copy = Callable[[Floats, Floats], npt.NDArray[np.object_] | Floats]


def copy_rows(case: Case, encoding: Encoding, serving: Serving) -> list[Row]:
    """For each number of queries: how often a copy agrees with the package on test rows, beside a copy that learned
    from as many true answers, and how often it surely agrees at least."""
    drawn = np.random.default_rng(case.seed).permutation(len(case.train))[: QUERIES[-1]]
    test = case.test.head(MOST_TEST)
    asked = case.train.iloc[drawn]
    got = seen_by_callers(case.ask(asked), serving)
    truth = Predictions(case.truth(case.known.iloc[drawn]), None, got.classes)
    matrices = (encoding.trees(asked), encoding.near(asked), encoding.trees(test), encoding.near(test))
    said = case.ask(test)
    rows: list[Row] = []
    for n in sorted({min(n, len(asked)) for n in QUERIES}):
        agreed = _agreed(case, said, _copied(got, n, matrices, encoding.categorical))
        taught = _agreed(case, said, _copied(truth, n, matrices, encoding.categorical))
        hits = int(agreed.sum())
        rows += [
            (f"copy:{n}", *interval(hits, len(test)), len(test), 0),
            (f"copy_from_truth:{n}", *interval(int(taught.sum()), len(test)), len(test), 0),
            (f"surely_copied:{n}", sure_share(hits, len(test), SURELY / len(QUERIES)), np.nan, np.nan, len(test), 0),
        ]
    return rows


def _agreed(case: Case, said: Predictions, copied: npt.NDArray[np.object_] | Floats) -> Flags:
    if said.classes:
        return np.asarray(said.values.astype(str) == copied.astype(str))
    return np.asarray(np.abs(said.values - copied.astype(np.float64)) <= WITHIN * case.scale)


def _copied(
    got: Predictions, n: int, matrices: tuple[Floats, Floats, Floats, Floats], categorical: Flags
) -> npt.NDArray[np.object_] | Floats:
    """What the better of a boosted and a linear copy says of the test rows; a fifth of the queries tells which."""
    trees, near, test_trees, test_near = matrices
    head = slice(0, max(1, n * 4 // 5)), slice(max(1, n * 4 // 5), n)
    boosted, linear = _boosted(categorical), _linear
    ways = ((boosted, trees, test_trees), (linear, near, test_near))
    held = [_like(got, head[1], way(_part(got, head[0]), matrix[head[0]])(matrix[head[1]])) for way, matrix, _ in ways]
    way, matrix, test = ways[int(np.argmax(held))]
    return way(_part(got, slice(0, n)), matrix[:n])(test)


def _part(got: Predictions, rows: slice) -> Predictions:
    chances = None if got.probabilities is None else got.probabilities[rows]
    return Predictions(got.values[rows], chances, got.classes)


def _like(got: Predictions, rows: slice, copied: npt.NDArray[np.object_] | Floats) -> float:
    held = got.values[rows]
    if not len(held):
        return 0.0
    if got.classes:
        return float((held.astype(str) == copied.astype(str)).mean())
    return -float(((held - copied.astype(np.float64)) ** 2).mean())


Learn = Callable[[Predictions, Floats], Callable[[Floats], "npt.NDArray[np.object_] | Floats"]]


def _boosted(categorical: Flags) -> Learn:
    def learn(got: Predictions, matrix: Floats) -> Callable[[Floats], npt.NDArray[np.object_] | Floats]:
        if not got.classes:
            model = stand_in(matrix, Goal(got.values.astype(np.float64)), categorical)
            return lambda test: model.says(test)[:, 0]
        names = np.array(got.classes, dtype=object)
        if got.probabilities is not None and len(names) <= MOST_BOOSTED_CLASSES:
            logs = log_odds(got)
            # Of two classes one says all.
            told = [
                stand_in(matrix, Goal(logs[:, at]), categorical) for at in range(1 if len(names) == 2 else len(names))
            ]
            if len(names) == 2:
                return lambda test: names[(told[0].says(test)[:, 0] < 0).astype(np.int64)]
            return lambda test: names[np.column_stack([one.says(test)[:, 0] for one in told]).argmax(axis=1)]
        place = {name: at for at, name in enumerate(names)}
        labels = np.array([place.get(value, 0) for value in got.values], dtype=np.int64)
        model = stand_in(matrix, Goal(labels, len(names)), categorical)
        return lambda test: names[model.says(test).argmax(axis=1)]

    return learn


def _linear(got: Predictions, matrix: Floats) -> Callable[[Floats], npt.NDArray[np.object_] | Floats]:
    """Ridge regression of the numbers or log odds, or logistic regression of labels alone."""
    from sklearn.linear_model import LogisticRegression, Ridge

    with threadpool_limits(1):
        if not got.classes:
            numbers = Ridge(alpha=0.01).fit(matrix, got.values.astype(np.float64))
            return lambda test: np.asarray(numbers.predict(test))
        names = np.array(got.classes, dtype=object)
        if got.probabilities is not None:
            odds = Ridge(alpha=0.01).fit(matrix, log_odds(got))
            return lambda test: names[np.asarray(odds.predict(test)).argmax(axis=1)]
        if len(set(got.values)) < 2:
            only = got.values[0]
            return lambda test: np.full(len(test), only, dtype=object)
        labels = LogisticRegression(max_iter=200).fit(matrix, got.values.astype(str))
        return lambda test: np.asarray(labels.predict(test), dtype=object)
