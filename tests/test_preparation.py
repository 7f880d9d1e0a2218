import numpy as np
import pandas as pd
import pytest
from parity import values_on
from sklearn import impute, linear_model, preprocessing, tree
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.pipeline import make_pipeline

from infra.runtime import Scorer
from tasks.conversion.encoders import category_tables
from tasks.convert import CannotConvert, convert

rng = np.random.default_rng(3)


def table(rows, rare=("Ogden",)):
    known = ["Ames", "Boone", "Nevada", None, *rare]
    towns = rng.choice(known, rows, p=[0.5, 0.2, 0.1, 0.15, *[0.05 / len(rare)] * len(rare)])
    frame = pd.DataFrame({"town": towns, "street": rng.choice(["paved", "gravel"], rows)})
    frame["size"] = rng.normal(90, 20, rows)
    frame["town"] = frame["town"].astype("str")
    frame["size"] = frame["size"].mask(rng.random(rows) < 0.2)
    return frame.assign(rooms=rng.integers(1, 6, rows))


FRAME, HELD_OUT = table(300), table(150, rare=("Perry", "Ogden"))
PRICE = FRAME["size"].fillna(70) * 2 + (FRAME["town"] == "Ames") * 30 + FRAME["town"].isna() * 55 + FRAME["rooms"] * 5
PRICE = (PRICE + rng.normal(0, 3, 300)).to_numpy()


def assert_the_same(model, columns, held_out=HELD_OUT):
    """In double, and on rows with categories that were not seen: numbers differ by less than 1e-9."""
    graph, evidence = convert(model, FRAME[columns], "m", 1e-9)
    assert evidence.facts["attempt"] == "double", evidence.facts["refused"]
    told = values_on(model, graph, held_out[columns])
    assert told["max_difference"] < 1e-9


ENCODERS = [
    preprocessing.OneHotEncoder(handle_unknown="ignore"),
    preprocessing.OneHotEncoder(handle_unknown="ignore", drop="first", sparse_output=False),
    preprocessing.OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=40),
    preprocessing.OneHotEncoder(handle_unknown="ignore", max_categories=3, drop="if_binary"),
    preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
    preprocessing.TargetEncoder(random_state=0),
    preprocessing.TargetEncoder(random_state=0, smooth=20.0),
]


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
def test_missing_text_is_a_category_and_unknown_text_is_what_the_encoder_says(encoder):
    columns = make_column_transformer((encoder, ["town", "street"]), (preprocessing.StandardScaler(), ["rooms"]))
    model = make_pipeline(columns, tree.DecisionTreeRegressor(max_depth=6, random_state=0)).fit(FRAME, PRICE)
    assert_the_same(model, list(FRAME))


@pytest.mark.parametrize("encoder", [ENCODERS[0], ENCODERS[4], ENCODERS[6]], ids=str)
def test_numbers_are_categories_too_and_may_be_missing(encoder):
    def rounded(frame):
        return frame.assign(size=frame["size"].round(-1))[["size", "rooms"]]

    model = make_pipeline(encoder, tree.DecisionTreeRegressor(random_state=0)).fit(rounded(FRAME), PRICE)
    graph, _ = convert(model, rounded(FRAME), "m", 1e-9)
    told = values_on(model, graph, rounded(HELD_OUT))
    assert told["max_difference"] < 1e-9


def test_an_encoder_that_refuses_unknown_text_fails_no_batch_in_the_graph():
    columns = make_column_transformer((preprocessing.OneHotEncoder(), ["street"]))
    model = make_pipeline(columns, linear_model.Ridge()).fit(FRAME[["street"]], PRICE)
    graph, _ = convert(model, FRAME[["street"]], "m", 1e-9)
    rows = pd.DataFrame({"street": ["paved", "ice"]})
    assert np.isfinite(Scorer(graph).score(rows).values).all()


def test_empty_text_beside_missing_text_is_refused():
    frame = pd.DataFrame({"town": ["", None, "Ames"] * 20}).astype("str")
    model = make_pipeline(preprocessing.OneHotEncoder(), linear_model.Ridge()).fit(frame, np.arange(60))
    with pytest.raises(CannotConvert, match="empty text and missing are two categories"):
        convert(model, frame, "m", 1e-9)


def test_the_table_of_an_encoder_has_a_row_for_each_category_and_one_for_unknown():
    encoder = preprocessing.OneHotEncoder(handle_unknown="ignore").fit(FRAME[["town", "street"]])
    table = category_tables(encoder)[1]
    assert table.tolist() == [[1, 0], [0, 1], [0, 0]]


IMPUTERS = [
    impute.SimpleImputer(strategy="most_frequent"),
    impute.SimpleImputer(strategy="constant", fill_value="nowhere"),
    impute.SimpleImputer(missing_values="Ogden", strategy="constant", fill_value="Ames"),
]


@pytest.mark.parametrize("imputer", IMPUTERS, ids=str)
def test_missing_text_is_filled(imputer):
    one_hot = preprocessing.OneHotEncoder(handle_unknown="ignore")
    frames = [
        frame.fillna({"town": "Boone"}) if imputer.missing_values == "Ogden" else frame for frame in (FRAME, HELD_OUT)
    ]
    columns = make_column_transformer((make_pipeline(imputer, one_hot), ["town", "street"]))
    model = make_pipeline(columns, linear_model.Ridge()).fit(frames[0], PRICE)
    graph, _ = convert(model, frames[0], "m", 1e-9)
    told = values_on(model, graph, frames[1])
    assert told["max_difference"] < 1e-9


NUMBERS = ["size", "rooms"]
STEPS = [
    [impute.SimpleImputer(add_indicator=True)],
    [impute.SimpleImputer(), impute.SimpleImputer(missing_values=3)],
    [impute.KNNImputer(n_neighbors=300)],
    [impute.KNNImputer(n_neighbors=300, add_indicator=True)],
    [impute.IterativeImputer(random_state=0, add_indicator=True)],
    [impute.MissingIndicator(features="all")],
    [impute.SimpleImputer(), preprocessing.PowerTransformer()],
    [impute.SimpleImputer(), preprocessing.PowerTransformer(method="box-cox", standardize=False)],
    *([impute.SimpleImputer(), preprocessing.KBinsDiscretizer(4, encode=e)] for e in ("onehot-dense", "ordinal")),
    [impute.SimpleImputer(), preprocessing.SplineTransformer()],
    [impute.SimpleImputer(), preprocessing.SplineTransformer(2, degree=2, include_bias=False, knots="quantile")],
    [impute.SimpleImputer(), preprocessing.SplineTransformer(extrapolation="continue")],
    [impute.SimpleImputer(), preprocessing.PolynomialFeatures(3)],
    [impute.SimpleImputer(), preprocessing.PolynomialFeatures(2, interaction_only=True, include_bias=False)],
    *([impute.SimpleImputer(), preprocessing.FunctionTransformer(f)] for f in (np.log1p, np.sqrt, np.cbrt, None)),
]


@pytest.mark.parametrize("steps", STEPS, ids=lambda steps: steps[-1])
def test_a_step_on_numbers_is_the_same_in_double(steps):
    model = make_pipeline(*steps, preprocessing.StandardScaler(), linear_model.Ridge()).fit(FRAME[NUMBERS], PRICE)
    assert_the_same(model, NUMBERS)


def test_selected_columns_of_both_kinds_convert_as_people_write_them():
    text = make_pipeline(
        impute.SimpleImputer(strategy="most_frequent"), preprocessing.OneHotEncoder(handle_unknown="ignore")
    )
    numbers = make_pipeline(impute.SimpleImputer(strategy="median"), preprocessing.StandardScaler())
    columns = make_column_transformer(
        (text, make_column_selector(dtype_exclude="number")), (numbers, make_column_selector(dtype_include="number"))
    )
    model = make_pipeline(columns, linear_model.HuberRegressor()).fit(FRAME, PRICE)
    assert_the_same(model, list(FRAME))
