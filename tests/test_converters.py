import numpy as np
import pandas as pd
import pytest
from parity import values_on
from sklearn import (
    calibration,
    dummy,
    ensemble,
    gaussian_process,
    isotonic,
    kernel_ridge,
    linear_model,
    model_selection,
    multiclass,
    multioutput,
    naive_bayes,
    neighbors,
    preprocessing,
    svm,
    tree,
)
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.gaussian_process import kernels
from sklearn.pipeline import make_pipeline

from tasks.convert import CannotConvert, convert

rng = np.random.default_rng(5)
FRAME = pd.DataFrame({"a": rng.normal(size=240), "b": rng.integers(0, 4, 240), "c": rng.uniform(size=240) * 3})
VALUE = (FRAME["a"] + FRAME["b"] - FRAME["c"] + rng.normal(0, 0.4, 240)).to_numpy()
HELD_OUT = pd.DataFrame({"a": rng.normal(size=120) * 1.5, "b": rng.integers(0, 5, 120), "c": rng.uniform(size=120) * 4})
TOWNS = FRAME.assign(town=rng.choice(["Ames", "Boone"], 240))


def labels(count):
    return np.array(["hi", "lo", "mid"])[:count][np.searchsorted(np.quantile(VALUE, [0.5, 0.8][: count - 1]), VALUE)]


def assert_the_same(model, frame=FRAME, held_out=HELD_OUT):
    """In double, and on rows that were not seen: no label differs, numbers by less than 1e-9."""
    graph, evidence = convert(model, frame, "m", 1e-9)
    assert evidence.facts["attempt"] == "double", evidence.facts["refused"]
    values = values_on(model, graph, held_out)
    assert values["label_mismatches"] == 0
    assert values["max_difference"] < 1e-9


COLUMNS = make_column_transformer((preprocessing.StandardScaler(), ["a", "c"]), (preprocessing.OneHotEncoder(), ["b"]))
CLASSIFIERS = [
    ensemble.VotingClassifier([("a", tree.DecisionTreeClassifier(max_depth=2)), ("b", naive_bayes.GaussianNB())]),
    ensemble.VotingClassifier(
        [("a", tree.DecisionTreeClassifier(max_depth=3)), ("b", "drop"), ("c", linear_model.LogisticRegression())],
        voting="soft",
        weights=[1, 5, 2],
    ),
    svm.SVC(kernel="poly", degree=2, coef0=1.0),
    svm.SVC(kernel="sigmoid", gamma=0.05),
    svm.SVC(kernel="rbf", break_ties=True),
    svm.SVC(kernel="linear", decision_function_shape="ovo"),
    neighbors.KNeighborsClassifier(weights="distance", p=1),
    neighbors.KNeighborsClassifier(p=3),
    neighbors.RadiusNeighborsClassifier(1.0, weights="distance", outlier_label="lo"),
    neighbors.NearestCentroid(priors="empirical"),
    neighbors.NearestCentroid(metric="manhattan"),
    linear_model.SGDClassifier(loss="log_loss", random_state=0),
    linear_model.SGDClassifier(loss="modified_huber", random_state=0),
    gaussian_process.GaussianProcessClassifier(kernels.Matern(1.5, nu=1.5) * kernels.ConstantKernel(2.0)),
    gaussian_process.GaussianProcessClassifier(kernels.RationalQuadratic() + kernels.DotProduct()),
    dummy.DummyClassifier(strategy="most_frequent"),
    dummy.DummyClassifier(strategy="constant", constant="lo"),
    calibration.CalibratedClassifierCV(naive_bayes.GaussianNB(), method="isotonic", cv=3),
    calibration.CalibratedClassifierCV(svm.LinearSVC(), method="sigmoid", cv=3, ensemble=False),
    calibration.CalibratedClassifierCV(linear_model.LogisticRegression(), method="temperature", cv=3),
    calibration.CalibratedClassifierCV(naive_bayes.GaussianNB(), method="temperature", cv=3),
    multiclass.OneVsRestClassifier(svm.SVC()),
    multiclass.OneVsRestClassifier(linear_model.Ridge()),
    multiclass.OneVsOneClassifier(naive_bayes.GaussianNB()),
    model_selection.GridSearchCV(make_pipeline(preprocessing.StandardScaler(), svm.SVC()), {"svc__C": [1, 2]}, cv=2),
]


@pytest.mark.parametrize("model", CLASSIFIERS, ids=str)
@pytest.mark.parametrize("classes", [2, 3])
def test_a_classifier_is_the_same_in_double(model, classes):
    assert_the_same(model.fit(FRAME, labels(classes)))


NOT_NEGATIVE = VALUE - VALUE.min() + 0.5
REGRESSORS = [
    *(kernel_ridge.KernelRidge(kernel=k, gamma=0.3) for k in ("rbf", "poly", "laplacian", "sigmoid", "cosine")),
    *(svm.SVR(kernel=k) for k in ("rbf", "poly", "linear")),
    svm.NuSVR(),
    neighbors.KNeighborsRegressor(weights="distance"),
    neighbors.RadiusNeighborsRegressor(2.5),
    dummy.DummyRegressor(strategy="quantile", quantile=0.7),
    multioutput.MultiOutputRegressor(linear_model.Ridge()),
]


@pytest.mark.parametrize("model", REGRESSORS, ids=str)
def test_a_regressor_is_the_same_in_double(model):
    target = VALUE.reshape(-1, 1) if isinstance(model, multioutput.MultiOutputRegressor) else VALUE
    assert_the_same(model.fit(FRAME, target))


def cube(x):
    return x**3


TARGETS = [
    {"func": np.log1p, "inverse_func": np.expm1},
    {"func": np.log, "inverse_func": np.exp},
    {"func": np.sqrt, "inverse_func": np.square},
    {"transformer": preprocessing.StandardScaler()},
    {"transformer": preprocessing.MinMaxScaler()},
    {"transformer": preprocessing.PowerTransformer()},
    {"transformer": preprocessing.PowerTransformer(method="box-cox")},
    {"transformer": preprocessing.QuantileTransformer(n_quantiles=50)},
    {"transformer": preprocessing.FunctionTransformer(np.log, np.exp)},
    {"transformer": make_pipeline(preprocessing.FunctionTransformer(np.log1p, np.expm1), preprocessing.RobustScaler())},
]


@pytest.mark.parametrize("how", TARGETS, ids=str)
def test_a_transformed_target_comes_back(how):
    model = TransformedTargetRegressor(make_pipeline(COLUMNS, linear_model.Ridge()), **how)
    held_out = HELD_OUT.assign(b=HELD_OUT["b"].clip(upper=3))
    assert_the_same(model.fit(FRAME, NOT_NEGATIVE), held_out=held_out)


def test_columns_chosen_by_name_inside_a_wrapper_may_be_of_several_types():
    encoded = make_column_transformer((preprocessing.OneHotEncoder(), ["town"]), remainder="passthrough")
    inner = make_pipeline(encoded, preprocessing.StandardScaler(), linear_model.LogisticRegression())
    model = model_selection.FixedThresholdClassifier(inner, threshold=0.3, pos_label="hi")
    assert_the_same(model.fit(TOWNS, labels(2)), TOWNS, TOWNS)


@pytest.mark.parametrize("positive", ["hi", "lo"])
@pytest.mark.parametrize("how", ["predict_proba", "decision_function"])
def test_a_threshold_counts_for_either_label(positive, how):
    model = model_selection.FixedThresholdClassifier(
        linear_model.LogisticRegression(), threshold=0.35, pos_label=positive, response_method=how
    )
    assert_the_same(model.fit(FRAME, labels(2)))


def test_isotonic_regression_is_nan_outside_what_it_saw():
    model = isotonic.IsotonicRegression(out_of_bounds="nan").fit(FRAME[["a"]], VALUE)
    assert_the_same(model, FRAME[["a"]], HELD_OUT[["a"]] * 3)


REFUSED = [
    (svm.SVC(probability=True), "probability=True"),
    (neighbors.KNeighborsClassifier(metric="cosine"), "known are euclidean"),
    (dummy.DummyClassifier(strategy="uniform"), "answers by chance"),
    (neighbors.RadiusNeighborsClassifier(0.1), "outlier_label"),
]


@pytest.mark.parametrize(("model", "words"), REFUSED, ids=str)
def test_what_has_no_form_is_refused_with_what_to_do_instead(model, words):
    with pytest.warns() if "probability" in words else pytest.MonkeyPatch.context():
        model.fit(FRAME, labels(2))
    with pytest.raises(CannotConvert, match=words):
        convert(model, FRAME, "m", 1e-9)


def test_a_function_of_ones_own_is_refused_by_its_name():
    model = TransformedTargetRegressor(linear_model.Ridge(), func=np.cbrt, inverse_func=cube).fit(FRAME, VALUE)
    with pytest.raises(CannotConvert, match="function cube has no form in ONNX"):
        convert(model, FRAME, "m", 1e-9)
