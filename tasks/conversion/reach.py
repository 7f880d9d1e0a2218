"""Which rows stand where in the trees of a model: only a row that reaches a node can try its threshold."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.conversion.hist_boosting import histogram_trees
from tasks.conversion.lightgbm_trees import lightgbm_trees
from tasks.conversion.placement import dense, through
from tasks.conversion.sparse_gaps import gaps_are_missing
from tasks.conversion.tree_ensemble import LESS, LESS_OR_EQUAL, Tree
from tasks.conversion.trees import sklearn_tree
from tasks.conversion.xgboost_trees import xgboost_trees

Integers = npt.NDArray[np.int64]
# LightGBM writes an infinite threshold, present against missing, as 1e300.
INFINITE = 1e300


@dataclass(frozen=True)
class Nodes:
    """(m,) arrays over the nodes that some row reaches: the feature asked, the threshold, one row that comes by.

    `single`: whether the feature is rounded to float32 before it is asked. `unreached` counts the other nodes.
    """

    feature: Integers
    threshold: npt.NDArray[np.float64]
    row: Integers
    single: npt.NDArray[np.bool_]
    unreached: int


def split_nodes(transformers: list[Any], model: Any, rows: pd.DataFrame) -> Nodes | None:
    """The nodes with a threshold, of all trees within `model`; None where it has none.

    Trees behind a preprocessing of their own, inside a stacking model, are left out.
    """
    trees = list(trees_within(model))
    if not trees:
        return None
    values = dense(through(transformers, rows)).astype(np.float64)
    if gaps_are_missing([*transformers, model]):
        values = np.where(values == 0, np.nan, values)
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32).astype(np.float64)
    found: list[Nodes] = []
    for tree, single in trees:
        first = first_rows(tree, rounded if single else values)
        asks = has_threshold(tree)
        kept = asks & (first >= 0)
        asked = tree.feature[kept], tree.threshold[kept], first[kept], np.full(kept.sum(), single)
        found.append(Nodes(*asked, unreached=int(asks.sum() - kept.sum())))
    return _together(found)


def _together(parts: list[Nodes]) -> Nodes:
    return Nodes(
        np.concatenate([part.feature for part in parts]),
        np.concatenate([part.threshold for part in parts]),
        np.concatenate([part.row for part in parts]),
        np.concatenate([part.single for part in parts]),
        sum(part.unreached for part in parts),
    )


def has_threshold(tree: Tree) -> npt.NDArray[np.bool_]:
    """(nodes,) where a number is held against a finite threshold; categories are told apart one by one."""
    numbers = np.isin(tree.mode, (LESS, LESS_OR_EQUAL)) & (np.abs(tree.threshold) < INFINITE)
    return np.asarray((tree.feature >= 0) & numbers)


def trees_within(model: Any) -> Iterator[tuple[Tree, bool]]:
    """Every tree of an estimator and of those inside it that see the same features, and whether it asks float32."""
    library = type(model).__module__.partition(".")[0]
    if library in ("lightgbm", "xgboost"):
        yield from ((tree, library == "xgboost") for tree in _booster_trees(model, library))
        return
    if hasattr(model, "tree_"):
        yield sklearn_tree(model.tree_, np.zeros((model.tree_.node_count, 1))), True
        return
    if hasattr(model, "_predictors"):
        yield from ((tree, False) for tree in histogram_trees(model))
        return
    for member, columns in _members(model):
        for tree, single in trees_within(member):
            feature = tree.feature if columns is None else np.where(tree.feature < 0, -1, columns[tree.feature])
            yield replace(tree, feature=feature), single


def _booster_trees(model: Any, library: str) -> list[Tree]:
    try:
        return lightgbm_trees(model) if library == "lightgbm" else xgboost_trees(model)
    except NotImplementedError:
        return []  # No sum of trees; its converter tells why.


def _members(estimator: Any) -> Iterator[tuple[Any, npt.NDArray[np.int64] | None]]:
    """Fitted members that see the same matrix, or the columns of it that are given."""
    columns = getattr(estimator, "estimators_features_", None)
    if getattr(estimator, "_max_features", 0) == getattr(estimator, "n_features_in_", -1) and hasattr(
        estimator, "offset_"
    ):
        columns = None  # An IsolationForest of all features does not look them up.
    members = np.ravel(np.array(getattr(estimator, "estimators_", []), dtype=object))
    for position, member in enumerate(members):
        yield member, None if columns is None else np.asarray(columns[position], dtype=np.int64)
    for one in getattr(estimator, "calibrated_classifiers_", []):
        yield one.estimator, None
    for name in ("estimator_", "regressor_", "best_estimator_", "init_"):
        if hasattr(getattr(estimator, name, None), "predict") and not len(members):
            yield getattr(estimator, name), None


def first_rows(tree: Tree, values: npt.NDArray[np.float64]) -> Integers:
    """(nodes,) the first row of `values` (n, features) that comes by each node, −1 where none does."""
    first = np.full(len(tree.feature), -1)
    rows, at = np.arange(len(values)), np.zeros(len(values), dtype=np.int64)
    while len(rows):
        # Backwards, so that of all rows at a node the first is written last.
        first[at[::-1]] = rows[::-1]
        inner = tree.feature[at] >= 0
        rows, at = rows[inner], at[inner]
        at = np.where(_goes_true(tree, at, values[rows, tree.feature[at]]), tree.true[at], tree.false[at])
    return first


def _goes_true(tree: Tree, at: Integers, asked: npt.NDArray[np.float64]) -> Any:
    mode = tree.mode[at]
    goes = np.where(mode == LESS, asked < tree.threshold[at], asked <= tree.threshold[at])
    for node in np.unique(at[~np.isin(mode, (LESS, LESS_OR_EQUAL))]):
        here = at == node
        goes[here] = np.isin(asked[here], tree.members.get(int(node), (tree.threshold[node],)))
    return np.where(np.isnan(asked), tree.missing_true[at], goes)
