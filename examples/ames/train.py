"""Three candidates for the price of a house in Ames."""

import numpy as np
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
