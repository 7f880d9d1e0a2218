"""Two models: one estimates what a house is worth, the other takes the estimate and says who is to sell it."""

from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def columns():
    numbers, texts = make_column_selector(dtype_include="number"), make_column_selector(dtype_exclude="number")
    known = OneHotEncoder(handle_unknown="ignore", min_frequency=5)
    return ColumnTransformer([("numbers", StandardScaler(), numbers), ("texts", known, texts)])


def value(features, target):
    model = GradientBoostingRegressor(n_estimators=60, max_depth=3, random_state=0)
    return make_pipeline(columns(), model).fit(features, target)


def longer(features, target):
    model = GradientBoostingRegressor(n_estimators=200, max_depth=3, random_state=0)
    return make_pipeline(columns(), model).fit(features, target)


def desk(features, target):
    return make_pipeline(columns(), LogisticRegression()).fit(features, target)
