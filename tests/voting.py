"""Ensembles for the tests, and the tables that they are made of."""

import pandas as pd
from guarded import cars, encoded
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, VotingClassifier, VotingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier


def priced(n=900, seed=1):
    return cars(n, seed)


def graded(n=900, seed=1):
    """Three classes, by price."""
    frame = cars(n, seed)
    return frame.assign(price=pd.qcut(frame["price"], 3, labels=["cheap", "fair", "dear"]).astype(str))


def regressors():
    return [
        ("line", encoded(Ridge())),
        ("trees", encoded(GradientBoostingRegressor(n_estimators=15, random_state=0))),
        ("near", encoded(KNeighborsRegressor(5))),
    ]


def classifiers():
    return [
        ("line", encoded(LogisticRegression())),
        ("trees", encoded(GradientBoostingClassifier(n_estimators=3, random_state=0))),
        ("near", encoded(KNeighborsClassifier(5))),
        ("tree", encoded(DecisionTreeClassifier(max_depth=4, random_state=0))),
    ]


VOTES = {
    "mean": (lambda: VotingRegressor(regressors()), priced),
    "soft": (lambda: VotingClassifier(classifiers(), voting="soft"), graded),
    "majority": (lambda: VotingClassifier(classifiers()), graded),
}
