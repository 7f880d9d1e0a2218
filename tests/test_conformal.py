"""Quantiles, sets and intervals beside MAPIE's on the same data."""

import numpy as np
import pandas as pd
import pytest
from guarded import guarded, labelled, three, truth
from mapie.classification import SplitConformalClassifier
from mapie.regression import SplitConformalRegressor
from scipy.stats import binomtest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from expectations.spec import Guards
from tasks.guards.conformal import clopper_pearson, conformal_quantile, group_quantiles, low_quantile


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_intervals_are_mapies(level):
    parts = three(load_diabetes(as_frame=True).frame.astype(float))
    package, _, _ = guarded(Ridge(alpha=0.1), parts, "target", Guards(coverage=level, interval="absolute"))
    x, y = zip(*((part.drop(columns="target"), part["target"]) for part in parts), strict=True)
    reference = SplitConformalRegressor(Ridge(alpha=0.1).fit(x[0], y[0]), confidence_level=level, prefit=True)
    ends = reference.conformalize(x[1], y[1]).predict_interval(x[2])[1][:, :, 0]
    answer = package.answers(parts[2])
    assert np.hstack([answer["lower"], answer["upper"]]) == pytest.approx(ends, rel=1e-9)


@pytest.mark.parametrize("level", [0.9, 0.99])
def test_sets_are_mapies(level):
    parts = three(labelled(load_digits))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.001))
    package, _, _ = guarded(model, parts, "class", Guards(coverage=level))
    x = [part.drop(columns="class") for part in parts]
    fitted = make_pipeline(StandardScaler(), LogisticRegression(C=0.001)).fit(x[0], truth(parts[0]["class"]))
    reference = SplitConformalClassifier(fitted, confidence_level=level, conformity_score="lac", prefit=True)
    sets = reference.conformalize(x[1], truth(parts[1]["class"])).predict_set(x[2])[1][:, :, 0]
    ours = package.answers(parts[2])["conformal_set"]
    assert (ours == sets).all()
    assert 0.9 < ours.sum(axis=1).mean() < 9


def test_the_quantile_is_the_next_higher_rank_and_infinite_where_too_few_promise_nothing():
    assert conformal_quantile(np.arange(1.0, 10.0), 0.9) == 9.0
    assert conformal_quantile(np.arange(1.0, 9.0), 0.9) == np.inf
    assert conformal_quantile(np.arange(1.0, 20.0), 0.9) == 18.0


def test_at_most_the_budget_lies_below_the_low_quantile():
    assert low_quantile(np.arange(1.0, 20.0), 0.05) == 1.0
    assert low_quantile(np.arange(1.0, 19.0), 0.05) == -np.inf


def test_a_small_group_shares_the_quantile_of_the_rest():
    scores, groups = np.arange(40.0), np.array(["large"] * 20 + ["small"] * 5 + ["tiny"] * 5 + [""] * 10, dtype=object)
    rest, own = group_quantiles(scores, groups, 0.9)
    assert own == {"large": 18.0}
    assert rest == conformal_quantile(scores[20:], 0.9)


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (20, 20), (3, 50)])
def test_binomial_intervals_are_scipys(hits, n):
    exact = binomtest(hits, n).proportion_ci(0.95, "exact")
    assert clopper_pearson(hits, n) == pytest.approx((exact.low, exact.high))


def test_of_nothing_nothing_is_known():
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    assert pd.isna(low_quantile(np.array([]), 0.05)) or low_quantile(np.array([]), 0.05) == -np.inf
