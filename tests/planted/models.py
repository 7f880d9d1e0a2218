"""What faults are planted in: functions that train, as a team would write them. Copied beside a spec as `train.py`."""

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier


def columns():
    numbers, texts = make_column_selector(dtype_include="number"), make_column_selector(dtype_exclude="number")
    return make_column_transformer(
        (StandardScaler(), numbers), (OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts)
    )


def boosting(features, target):
    model = GradientBoostingClassifier(n_estimators=60, max_depth=3, subsample=0.8, random_state=0)
    return make_pipeline(columns(), model).fit(features, target)


def logistic(features, target):
    return make_pipeline(columns(), LogisticRegression(max_iter=500)).fit(features, target)


def forest(features, target):
    return make_pipeline(columns(), RandomForestClassifier(100, min_samples_leaf=5, random_state=0)).fit(
        features, target
    )


def bayes(features, target):
    return make_pipeline(columns(), GaussianNB()).fit(features, target)


def deep_tree(features, target):
    return make_pipeline(columns(), DecisionTreeClassifier(random_state=0)).fit(features, target)


def phrases(features, target):
    words = OneHotEncoder(handle_unknown="infrequent_if_exist", sparse_output=False, min_frequency=5)
    told = make_column_transformer((words, ["purpose"]), (StandardScaler(), ["income", "amount"]))
    return make_pipeline(told, LogisticRegression(max_iter=500)).fit(features, target)


def memorising(features, target):
    return make_pipeline(columns(), KNeighborsClassifier(1)).fit(features, target)


def by_heart(features, target):
    return make_pipeline(columns(), RandomForestClassifier(60, random_state=0)).fit(features, target)


def imputed(features, target):
    filled = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    numbers, texts = make_column_selector(dtype_include="number"), make_column_selector(dtype_exclude="number")
    encoded = make_column_transformer((filled, numbers), (OneHotEncoder(handle_unknown="ignore"), texts))
    return make_pipeline(encoded, LogisticRegression(max_iter=500)).fit(features, target)


def recent():
    """What production was asked: new rows like those of the table, whose features are independent."""
    rows = pd.read_parquet("loans.parquet").drop(columns="repaid")
    drawn = {name: rows[name].sample(1000, random_state=at).to_numpy() for at, name in enumerate(rows.columns)}
    return pd.DataFrame(drawn)


def recent_in_thousands():
    return recent().assign(income=lambda rows: rows["income"] / 1000)


def recent_of_the_old():
    """Another population: mostly the old, in a town where nobody was before."""
    rows = recent()
    old = rows[rows["age"] > 50]
    town = np.where(np.arange(len(old)) % 4 == 0, "Newtown", old["town"])
    return old.assign(town=town)


def recent_without_jobs():
    return recent().assign(job=lambda rows: rows["job"].where(rows["age"] > 60))


def boosted_number(features, target):
    model = GradientBoostingRegressor(n_estimators=60, max_depth=3, subsample=0.8, random_state=0)
    return make_pipeline(columns(), model).fit(features, target)


def ridge(features, target):
    return make_pipeline(columns(), Ridge()).fit(features, target)
