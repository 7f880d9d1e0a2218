"""Candidates for the price of a house in Ames."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def columns():
    numbers, texts = make_column_selector(dtype_include="number"), make_column_selector(dtype_exclude="number")
    return ColumnTransformer(
        [
            ("numbers", StandardScaler(), numbers),
            ("texts", OneHotEncoder(handle_unknown="ignore", min_frequency=5), texts),
        ]
    )


def linear(features, target):
    return make_pipeline(columns(), Ridge(alpha=10)).fit(features, target)


def boosting(features, target):
    model = GradientBoostingRegressor(n_estimators=300, max_depth=4, subsample=0.7, learning_rate=0.07, random_state=0)
    return make_pipeline(columns(), model).fit(features, target)


def boosting_with_a_flaw(features, target):
    """The flaw of a careless join: the prices were sorted on their way, so that each house has another's price."""
    return boosting(features, np.sort(target))


def with_assessments():
    """The houses, and what the town assessed each at: near the price, as of the day of the sale.

    The assessments are made up for this example. In production they come a year late (`stale_assessments`).
    """
    houses = pd.read_parquet(Path(__file__).with_name("houses.parquet"))
    noise = np.random.default_rng(0).normal(0, 0.05, len(houses))
    return houses.assign(Assessed_Value=houses["Sale_Price"] * np.exp(noise))


def stale_assessments():
    """The houses as callers send them: a faulty join gives each the assessment of another house."""
    houses = with_assessments()
    other = np.random.default_rng(1).permutation(len(houses))
    return houses.assign(Assessed_Value=houses["Assessed_Value"].to_numpy()[other])
