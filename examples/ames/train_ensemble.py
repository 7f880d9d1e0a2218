"""Three different chains to the price of a house in Ames: a line, trees, and the most similar houses."""

from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

NUMBERS, TEXTS = make_column_selector(dtype_include="number"), make_column_selector(dtype_exclude="number")
# What the most similar houses are found by: with all columns every house is far from every other.
ALIKE = ["Gr_Liv_Area", "Year_Built", "Total_Bsmt_SF", "Longitude", "Latitude", "Lot_Area"]


def line(features, target):
    encoded = ColumnTransformer(
        [
            ("numbers", StandardScaler(), NUMBERS),
            ("texts", OneHotEncoder(handle_unknown="ignore", min_frequency=5), TEXTS),
        ]
    )
    return make_pipeline(encoded, Ridge(alpha=10)).fit(features, target)


def trees(features, target):
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encoded = ColumnTransformer([("texts", encoder, TEXTS)], remainder="passthrough")
    model = GradientBoostingRegressor(n_estimators=150, max_depth=4, subsample=0.7, random_state=0)
    return make_pipeline(encoded, model).fit(features, target)


def neighbours(features, target):
    chosen = ColumnTransformer([("alike", StandardScaler(), ALIKE)])
    return make_pipeline(chosen, KNeighborsRegressor(8, weights="distance")).fit(features, target)
