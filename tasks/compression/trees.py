"""Tree reduction: fewer trees, pruned trees, larger leaves."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from tasks.compression.case import Case, Recipe, final_model

SHARES = (0.5, 0.25, 0.1)
# Lists of a boosted or bagged model with one entry a tree, or a stage of trees.
PER_TREE = ("estimators_", "_predictors", "estimator_weights_", "estimator_errors_", "estimators_features_")
COUNTS = ("n_estimators", "max_iter", "n_estimators_")
# A refit forest has no more trees than this: what is sought is small.
MOST_REFIT = 50
PRUNED_TO = 0.8


def recipes(case: Case) -> list[Recipe]:
    """Fewer of the candidate's own trees, without a refit; one row that says why where it has no trees."""
    model, _ = final_model(case.candidate)
    found = [_first_trees(count) for count in _counts(model)]
    none = Recipe("tree reduction", "fewer trees", why_not=f"{type(model).__name__} has no trees")
    return found or ([] if refits(case) else [none])


def refits(case: Case) -> list[Recipe]:
    """The candidate's own kind of model, fitted again with larger leaves or pruned: as slow as its training."""
    model, _ = final_model(case.candidate)
    parameters = model.get_params(deep=False) if hasattr(model, "get_params") else {}
    found = []
    if "min_samples_leaf" in parameters:
        leaf = max(10, min(200, len(case.features) // 100))
        found.append(_refitted(f"leaves of at least {leaf}", "larger leaves", lambda m, c: {"min_samples_leaf": leaf}))
    # Trees of boosting fit what is left over, and are small by their own settings.
    if "ccp_alpha" in parameters and not hasattr(model, "init_"):
        found.append(_refitted("pruned by cost-complexity", "pruned trees", _ccp))
    return found


def _counts(model: Any) -> list[tuple[int, int]]:
    """(kept, all): how many trees, or stages of boosting, to keep."""
    trees = getattr(model, "_predictors", getattr(model, "estimators_", None))
    if trees is None or not any(hasattr(model, name) for name in COUNTS):
        return []
    kept = dict.fromkeys(max(1, round(share * len(trees))) for share in SHARES)
    return [(count, len(trees)) for count in kept if count < len(trees)]


def _first_trees(count: tuple[int, int]) -> Recipe:
    kept, all_trees = count

    def make(case: Case) -> Any:
        model, rebuild = final_model(case.candidate)
        return rebuild(first_trees(model, kept))

    note = "no refit: a sub-forest, or boosting that stopped earlier"
    return Recipe(f"{kept} of {all_trees} trees", "fewer trees", make, note=note)


def first_trees(model: Any, kept: int) -> Any:
    """The fitted model with its first trees only, or the first stages of its boosting; the trees are shared."""
    smaller = copy.copy(model)
    for name in PER_TREE:
        if hasattr(model, name):
            setattr(smaller, name, getattr(model, name)[:kept])
    for name in COUNTS:
        if hasattr(model, name):
            setattr(smaller, name, kept)
    return smaller


def _refitted(name: str, idea: str, change: Callable[[Any, Case], dict[str, Any]]) -> Recipe:
    def make(case: Case) -> Any:
        from sklearn.base import clone

        model, _ = final_model(case.candidate)
        smaller = clone(model).set_params(**change(model, case))
        if _is_forest(model):
            smaller.set_params(n_estimators=min(model.n_estimators, MOST_REFIT))
        return case.fit(smaller)

    return Recipe(name, idea, make, note=f"refit; a forest with at most {MOST_REFIT} trees")


def _is_forest(model: Any) -> bool:
    from sklearn.ensemble._forest import BaseForest

    return isinstance(model, BaseForest)


def _ccp(model: Any, case: Case) -> dict[str, Any]:
    """Breiman and others (1984): the penalty that leaves about a fifth of one tree's leaves."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeClassifier if case.classifies else DecisionTreeRegressor
    tree = kind(max_depth=model.max_depth, min_samples_leaf=model.min_samples_leaf, random_state=case.seed)
    path = tree.cost_complexity_pruning_path(case.numbers, case.target)
    return {"ccp_alpha": max(0.0, float(np.quantile(path.ccp_alphas, PRUNED_TO)))}
