"""Baselines: what a model costs that anybody would try first."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tasks.compression.case import Case, Recipe

LEAF, LEAVES = 20, 32
Learner = Callable[..., Any]  # (case, target=None, weight=None) -> a fitted pipeline


def recipes(_: Case) -> list[Recipe]:
    """Guessing, a linear model, one small tree, and small gradient boosting."""
    learners: dict[str, Learner] = {
        "guessing": guessing,
        "linear": linear,
        "one small tree": small_tree,
        "small boosting": small_boosting,
    }
    return [Recipe(name, "baseline", learner, needs_candidate=False) for name, learner in learners.items()]


def guessing(case: Case, target: Any = None, weight: Any = None) -> Any:
    """The mean, or the shares of the classes."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    return case.fit(DummyClassifier(strategy="prior") if case.classifies else DummyRegressor(), target, weight)


def linear(case: Case, target: Any = None, weight: Any = None) -> Any:
    """Ridge or logistic regression, gaps filled; fitted on scaled numbers, and its coefficients scaled back."""
    from scipy.sparse import issparse
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    steps = [("imputer", SimpleImputer(strategy="median"))] if has_gaps(case.numbers) else []
    numbers = steps[0][1].fit_transform(case.numbers) if steps else case.numbers
    scaler = StandardScaler(with_mean=not issparse(numbers))
    scaled = scaler.fit_transform(numbers)
    model = LogisticRegression(max_iter=200) if case.classifies else Ridge(alpha=10.0)
    model.fit(scaled, case.target if target is None else target, sample_weight=weight)
    # No scaler in the graph: the same numbers with fewer nodes.
    model.coef_ = model.coef_ / scaler.scale_
    if scaler.with_mean:
        model.intercept_ = model.intercept_ - model.coef_ @ scaler.mean_
    return case.with_model(Pipeline([*steps, ("model", model)]))


def small_tree(case: Case, target: Any = None, weight: Any = None) -> Any:
    """At most `LEAVES` leaves of at least `LEAF` records."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeClassifier if case.classifies else DecisionTreeRegressor
    return case.fit(kind(max_leaf_nodes=LEAVES, min_samples_leaf=LEAF, random_state=case.seed), target, weight)


def small_boosting(case: Case, target: Any = None, weight: Any = None) -> Any:
    """60 trees of depth 3, each split looking at a third of the columns."""
    from sklearn.ensemble import (
        GradientBoostingClassifier,
        GradientBoostingRegressor,
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
    )

    if has_gaps(case.numbers):
        # Only the histogram kind takes gaps.
        hist = HistGradientBoostingClassifier if case.classifies else HistGradientBoostingRegressor
        model = hist(max_iter=60, max_depth=3, min_samples_leaf=LEAF, early_stopping=False, random_state=case.seed)
        return case.fit(model, target, weight)
    kind = GradientBoostingClassifier if case.classifies else GradientBoostingRegressor
    settings = {"n_estimators": 60, "max_depth": 3, "min_samples_leaf": 5, "max_features": 0.33}
    return case.fit(kind(**settings, random_state=case.seed), target, weight)


def has_gaps(numbers: Any) -> bool:
    """Is anything in a dense or sparse matrix or frame missing?"""
    values = np.asarray(numbers.data if hasattr(numbers, "tocsr") else numbers)
    return values.dtype.kind == "f" and bool(np.isnan(values).any())
