import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from test_trees import distance, table, target

from expectations.errors import CannotAsk
from infra.candidates import open_skops
from tasks.conversion.trials import boundary_rows
from tasks.convert import CannotConvert, convert

lightgbm, xgboost = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
LIGHT = {"n_estimators": 15, "verbose": -1, "min_child_samples": 5}
LIGHT_LINEAR = ["regression", "regression_l1", "huber", "fair", "quantile", "mape"]
LIGHT_EXPONENTIAL = ["poisson", "gamma", "tweedie", "cross_entropy"]
EXTREME = {"n_estimators": 15}
EXTREME_LINEAR = ["reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:squaredlogerror"]
EXTREME_LINKED = ["count:poisson", "reg:gamma", "reg:tweedie", "reg:logistic"]
# What two float32 exponentials differ by.
SINGLE = 5e-7


def share(frame):
    y = target(frame) - target(frame).min() + 0.1
    return y / y.max()


@pytest.mark.parametrize("objective", LIGHT_LINEAR)
def test_lightgbm_regressors_are_the_estimator_bit_for_bit(objective):
    frame = table()
    model = lightgbm.LGBMRegressor(objective=objective, **LIGHT).fit(frame, share(frame))
    assert distance(model, frame) == (0, 0)


@pytest.mark.parametrize("objective", LIGHT_EXPONENTIAL)
def test_lightgbm_regressors_with_a_link_are_the_estimator(objective):
    frame = table()
    model = lightgbm.LGBMRegressor(objective=objective, **LIGHT).fit(frame, share(frame))
    assert distance(model, frame)[1] < 1e-15


@pytest.mark.parametrize("settings", [{}, {"use_missing": False}, {"zero_as_missing": True}])
@pytest.mark.parametrize("trained_with_holes", [True, False])
def test_every_kind_of_missing_in_lightgbm_is_routed(settings, trained_with_holes):
    frame = table()
    trained = frame if trained_with_holes else frame.fillna(0.3)
    model = lightgbm.LGBMRegressor(**settings, **LIGHT).fit(trained, share(frame))
    assert distance(model, pd.concat([frame, frame * 0, frame * 1e-36, frame * np.nan])) == (0, 0)


@pytest.mark.parametrize(
    "settings", [{"boosting_type": "dart"}, {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}]
)
def test_lightgbm_dart_and_forests_convert(settings):
    frame = table()
    assert distance(lightgbm.LGBMRegressor(**settings, **LIGHT).fit(frame, share(frame)), frame) == (0, 0)


def test_lightgbm_categories_are_truncated_and_unknown_ones_go_right():
    rng = np.random.default_rng(5)
    frame = table().assign(k=rng.integers(0, 90, 300).astype(float))
    y = target(frame) + (frame["k"] % 3 == 0) * 3
    model = lightgbm.LGBMRegressor(**LIGHT).fit(frame, y, categorical_feature=["k"])
    odd = [frame.assign(k=frame["k"] + 0.5), frame.assign(k=-0.5), frame.assign(k=-7.0), frame.assign(k=1e6)]
    assert distance(model, pd.concat([frame, *odd, frame.assign(k=np.nan)])) == (0, 0)


@pytest.mark.parametrize("objective", [None, "multiclassova"])
@pytest.mark.parametrize("labels", [["no", "yes"], ["a", "b", "c"]])
def test_lightgbm_classifiers_keep_labels_and_probabilities(labels, objective):
    frame = table()
    y = np.array(labels)[target(frame, len(labels))]
    chosen = objective if len(labels) > 2 else None
    mismatches, difference = distance(lightgbm.LGBMClassifier(objective=chosen, **LIGHT).fit(frame, y), frame)
    assert mismatches == 0
    assert difference < 1e-15


@pytest.mark.parametrize("settings", [{"reg_sqrt": True}, {"linear_tree": True}])
def test_lightgbm_that_is_no_sum_of_trees_is_refused_in_words(settings):
    frame = table()
    model = lightgbm.LGBMRegressor(**settings, **LIGHT).fit(frame, share(frame))
    with pytest.raises(CannotConvert, match="no form in ONNX"):
        convert(model, frame, "m", 1e-5)


@pytest.mark.parametrize("objective", EXTREME_LINEAR)
def test_xgboost_regressors_are_the_estimator_bit_for_bit(objective):
    frame = table()
    model = xgboost.XGBRegressor(objective=objective, **EXTREME).fit(frame, share(frame))
    assert distance(model, frame) == (0, 0)


@pytest.mark.parametrize("objective", EXTREME_LINKED)
def test_xgboost_regressors_with_a_link_are_as_near_as_float32_is(objective):
    frame = table()
    model = xgboost.XGBRegressor(objective=objective, **EXTREME).fit(frame, share(frame))
    assert distance(model, frame)[1] < SINGLE


@pytest.mark.parametrize("kind", [xgboost.XGBClassifier, xgboost.XGBRFClassifier])
@pytest.mark.parametrize("classes", [2, 3])
def test_xgboost_classifiers_keep_labels_and_probabilities(classes, kind):
    frame = table()
    mismatches, difference = distance(kind(**EXTREME).fit(frame, target(frame, classes)), frame)
    assert mismatches == 0
    assert difference < SINGLE


@pytest.mark.parametrize(
    "settings", [{"base_score": 0.4}, {"num_parallel_tree": 3, "subsample": 0.5}, {"max_depth": 1}]
)
def test_xgboost_settings_that_change_the_sum_convert(settings):
    frame = table()
    assert distance(xgboost.XGBRegressor(**settings, **EXTREME).fit(frame, share(frame)), frame) == (0, 0)


def test_xgboost_that_stopped_early_converts_to_its_best_iteration():
    frame = table()
    model = xgboost.XGBRegressor(n_estimators=200, early_stopping_rounds=2)
    model.fit(frame, share(frame), eval_set=[(frame[:60], share(frame)[:60])], verbose=False)
    assert distance(model, frame) == (0, 0)


@pytest.mark.parametrize("settings", [{"booster": "dart"}, {"booster": "gblinear"}, {"missing": -1.0}])
def test_xgboost_that_is_no_sum_of_trees_is_refused_in_words(settings):
    frame = table(missing=False)
    model = xgboost.XGBRegressor(**settings, **EXTREME).fit(frame, share(frame))
    with pytest.raises(CannotConvert, match="no form here"):
        convert(model, frame, "m", 1e-5)


LIGHT_TYPES = ("lightgbm.basic.Booster", "lightgbm.sklearn.LGBMRegressor")
EXTREME_TYPES = ("xgboost.core.Booster", "xgboost.sklearn.XGBRegressor")
FILES = [(lightgbm.LGBMRegressor(**LIGHT), LIGHT_TYPES), (xgboost.XGBRegressor(**EXTREME), EXTREME_TYPES)]


@pytest.mark.parametrize(("model", "types"), FILES)
def test_a_file_with_a_booster_is_opened_when_its_types_are_named(tmp_path, model, types):
    frame = table()
    skops.io.dump(model.fit(frame, share(frame)), tmp_path / "m.skops")
    with pytest.raises(CannotAsk, match=r"trusted_types: \[" + ", ".join(types)):
        open_skops(tmp_path / "m.skops")
    assert distance(open_skops(tmp_path / "m.skops", types), frame) == (0, 0)


@pytest.mark.parametrize(("model", "types"), FILES)
def test_a_booster_that_is_not_installed_is_told_with_the_extra(tmp_path, monkeypatch, model, types):
    frame = table()
    skops.io.dump(model.fit(frame, share(frame)), tmp_path / "m.skops")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CannotAsk, match=r"pip install 'seatrial\[boosters\]'"):
        open_skops(tmp_path / "m.skops", types)


@pytest.mark.parametrize("kind", [lightgbm.LGBMRegressor, xgboost.XGBRegressor])
def test_a_sparse_matrix_in_front_is_read_as_the_booster_reads_it(kind):
    rng = np.random.default_rng(6)
    frame = table(missing=False).assign(town=rng.choice(["Ames", "Boone", "Nevada", "Ogden", "Kelley"], 300))
    rest = [("more", OneHotEncoder(handle_unknown="ignore"), ["town"]), ("zeros", "passthrough", ["a"])]
    columns = ColumnTransformer(rest, sparse_threshold=1)
    model = make_pipeline(columns, kind(n_estimators=15, max_depth=3))
    model.fit(frame.assign(a=frame["a"].clip(0)), share(frame) + (frame["town"] == "Ames"))
    assert model[0].sparse_output_
    evidence = convert(model, frame.assign(a=frame["a"].clip(0)), "m", 0.0)[1]
    assert float(evidence.metrics.set_index("metric").loc["max_difference", "value"]) == 0
    # The gaps of the sparse matrix lead where the booster goes with them: else nodes would seem out of reach.
    assert evidence.facts["thresholds_never_reached"] == 0


LIGHT_MODELS = [
    lightgbm.LGBMRegressor(**LIGHT),
    lightgbm.LGBMRegressor(**LIGHT, boosting_type="dart"),
    lightgbm.LGBMClassifier(**LIGHT),
]
EXTREME_MODELS = [
    xgboost.XGBRegressor(**EXTREME),
    xgboost.XGBRFRegressor(n_estimators=10),
    xgboost.XGBClassifier(**EXTREME),
]


@pytest.mark.parametrize("model", [*LIGHT_MODELS, *EXTREME_MODELS], ids=lambda model: type(model).__name__)
def test_the_rows_beside_a_threshold_of_a_booster_fall_into_different_leaves(model):
    frame = table()
    y = target(frame, 3) if hasattr(model, "predict_proba") else share(frame)
    rows, facts = boundary_rows(model.fit(frame, y), frame)
    leaves = model.predict(rows, pred_leaf=True) if hasattr(model, "booster_") else model.apply(rows)
    sides = np.asarray(leaves).reshape(len(rows) // 4, 4, -1)
    assert facts["thresholds_tried"] == len(sides) > 50
    assert facts["thresholds_tried"] >= 0.9 * facts["thresholds"]
    assert facts["thresholds_never_reached"] == 0
    assert (sides[:, 0] != sides[:, 3]).any(axis=1).all()
    evidence = convert(model, frame, "m", 1e-5)[1]
    assert float(evidence.metrics.set_index("metric").loc["boundary_mismatches", "value"]) == 0
