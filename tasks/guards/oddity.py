"""Is each feature inside its interval, and the combination not?

Unsupervised learning as supervised (Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 14.2.4): trees
learn to tell real rows from rows in which values were exchanged with other rows, so that every value is one that was
seen and only the combination is not. Beside the features they are given each feature's residual given all others, in
the Gaussian model with shrunk covariance (Ledoit, Wolf 2004), which they would need many rows to find by themselves.
"""

from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from tasks.conversion.hist_boosting import histogram_trees
from tasks.conversion.tree_ensemble import Tree, constant_tree
from tasks.guards.plan import Floats, Oddity

MOST_ROWS = 5000
# How many values of a row are exchanged, one round each; None: half of them, all with one other row.
ROUNDS = (1, 2, 5, None)


def learn_oddity(z: Floats, seed: int = 0) -> Oddity | None:
    """From made-safe training rows (n, features). None where there are no combinations, or too few rows to learn."""
    if z.shape[1] < 2 or len(z) < 30:
        return None
    center, weights, model = fit_oddity(z, seed)
    return Oddity(center, weights, boosted_trees(model))


def fit_oddity(z: Floats, seed: int = 0) -> tuple[Floats, Floats, Any]:
    """(center, weights, classifier of real and exchanged rows): what the trees and residuals of `Oddity` come from."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(seed)
    real = z[rng.choice(len(z), MOST_ROWS, replace=False)] if len(z) > MOST_ROWS else z
    odd = [exchanged(real, real, count, rng) for count in ROUNDS]
    # Few trees in larger steps: on five tables they refuse as much as 40 of half the step, within 3 points of a
    # hundred, and cost a batch half.
    model = HistGradientBoostingClassifier(
        max_iter=20,
        learning_rate=0.2,
        max_leaf_nodes=15,
        min_samples_leaf=10,
        l2_regularization=1,
        early_stopping=False,
        random_state=0,
    )
    center, weights = _residuals(real)
    rows = np.vstack([real, *odd])
    given = np.hstack([rows, np.abs((rows - center) @ weights)])
    is_odd = np.repeat([0, 1], [len(real), len(rows) - len(real)])
    with threadpool_limits(1):
        model.fit(given, is_odd, sample_weight=np.where(is_odd == 0, float(len(odd)), 1.0))
    return center, weights, model


def exchanged(rows: Floats, pool: Floats, count: int | None, rng: np.random.Generator) -> Floats:
    """Rows in which `count` values each come from other rows of `pool`; None: half of the values, from one row."""
    n, width = rows.shape
    if count is None:
        chosen = rng.random((n, width)) < 0.5
        return np.where(chosen, pool[rng.integers(0, len(pool), n)], rows)
    chosen = rng.random((n, width)).argsort(axis=1) < min(count, width - 1)
    strange = pool[rng.integers(0, len(pool), (n, width)), np.arange(width)]
    return np.where(chosen, strange, rows)


def _residuals(rows: Floats) -> tuple[Floats, Floats]:
    """(center, weights): `(z - center) @ weights` is each feature's residual given the others, in its own units of
    conditional deviation: the precision matrix over the root of its diagonal."""
    from sklearn.covariance import LedoitWolf

    center, spread = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    precision = LedoitWolf().fit((rows - center) / scale).precision_
    return center, precision / np.sqrt(np.diag(precision)) / scale[:, None]


def boosted_trees(model: Any) -> tuple[Tree, ...]:
    """The trees of a fitted histogram gradient boosting with one score, its constant first."""
    return (constant_tree(np.asarray(model._baseline_prediction).reshape(-1)), *histogram_trees(model))
