import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from test_trees import distance, table, target

from infra.candidates import open_skops
from infra.runtime import Scorer
from tasks.convert import convert

REGRESSION = ["squared_error", "absolute_error", "gamma", "poisson", "quantile"]


def categories(frame):
    """A text column and a number column of categories; some of each missing."""
    rng = np.random.default_rng(3)
    town = rng.choice(["Ames", "Boone", "Nevada", "Ogden"], len(frame)).astype(object)
    town[::11] = None
    code = rng.choice([1.5, -2.0, 7.0, 300.0], len(frame))
    code[::13] = np.nan
    return frame.assign(town=pd.Series(town, dtype="str"), code=code)[["a", "town", "b", "code", "c"]]


def answer(frame):
    score = target(frame) + frame["town"].map({"Ames": 2, "Ogden": -2}).fillna(0) + frame["code"].isin([7, 300]) * 2
    return score - score.min() + 0.1


@pytest.mark.parametrize("loss", REGRESSION)
def test_every_loss_of_the_regressor_converts_with_missing_numbers(loss):
    frame = table()
    settings = {"quantile": 0.8} if loss == "quantile" else {}
    model = HistGradientBoostingRegressor(loss=loss, max_iter=20, **settings)
    y = target(frame) - target(frame).min() + 0.1
    mismatches, difference = distance(model.fit(frame, y), frame)
    assert mismatches == 0
    assert difference < 1e-15


@pytest.mark.parametrize("classes", [2, 3])
def test_the_classifier_keeps_labels_and_probabilities_with_missing_numbers(classes):
    frame = table()
    mismatches, difference = distance(
        HistGradientBoostingClassifier(max_iter=20).fit(frame, target(frame, classes)), frame
    )
    assert mismatches == 0
    assert difference < 1e-15


@pytest.mark.parametrize("wrap", [lambda model: model, make_pipeline])
@pytest.mark.parametrize("by", [["town", "code"], [1, 3], "from_dtype"])
def test_categories_in_text_and_numbers_are_routed_as_in_the_estimator(by, wrap):
    frame = categories(table())
    trained = frame.astype({"town": "category"}) if by == "from_dtype" else frame
    model = wrap(HistGradientBoostingRegressor(max_iter=20, categorical_features=by)).fit(trained, answer(frame))
    unknown = frame.assign(town="Ghost", code=5.0)
    assert distance(model, pd.concat([frame, unknown, frame.assign(town=None)])) == (0, 0)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_classifier_with_categories_keeps_labels(classes):
    frame = categories(table())
    model = HistGradientBoostingClassifier(max_iter=20, categorical_features=["town", "code"])
    model.fit(frame, pd.qcut(answer(frame), classes, labels=[f"class {i}" for i in range(classes)]).astype(str))
    mismatches, difference = distance(model, pd.concat([frame, frame.assign(town="Ghost", code=5.0)]))
    assert mismatches == 0
    assert difference < 1e-15


def test_numbers_that_are_all_categories_convert_in_one_matrix():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"x": rng.integers(0, 200, 2000).astype(float), "y": rng.integers(0, 3, 2000).astype(float)})
    value = np.sin(frame["x"] * 7) + frame["y"] + rng.normal(0, 0.1, 2000)
    model = HistGradientBoostingRegressor(max_iter=20, categorical_features=[0, 1]).fit(frame, value)
    assert distance(model, pd.concat([frame, frame + 0.5, frame - 300])) == (0, 0)


def test_a_model_with_categories_is_opened_from_its_file_without_further_trust(tmp_path):
    frame = categories(table())
    model = HistGradientBoostingRegressor(max_iter=3, categorical_features=["town"]).fit(frame, answer(frame))
    skops.io.dump(model, tmp_path / "m.skops")
    graph, _ = convert(open_skops(tmp_path / "m.skops"), frame, "m", 0.0)
    assert (Scorer(graph).score(frame).values == model.predict(frame)).all()
