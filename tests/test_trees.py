import warnings

import numpy as np
import onnx
import pandas as pd
import pytest
from sklearn import ensemble, tree

from infra.runtime import Scorer
from tasks.conversion import tree_ensemble
from tasks.conversion.export import export
from tasks.conversion.reach import has_threshold, trees_within
from tasks.convert import CannotConvert, convert

ROWS = 300
CLASSIFIERS = [
    tree.DecisionTreeClassifier,
    tree.ExtraTreeClassifier,
    ensemble.RandomForestClassifier,
    ensemble.ExtraTreesClassifier,
]
REGRESSORS = [
    tree.DecisionTreeRegressor,
    tree.ExtraTreeRegressor,
    ensemble.RandomForestRegressor,
    ensemble.ExtraTreesRegressor,
]


def table(missing=True):
    """Numbers of several sizes, whole ones above 2^24 (which float32 cannot hold), and holes."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=ROWS), "b": rng.normal(5e7, 40, ROWS).round(), "c": rng.random(ROWS)})
    if missing:
        frame.loc[::7, "c"] = np.nan
    return frame


def target(frame, classes=0):
    score = frame["a"] + frame["c"].fillna(2) + (frame["b"] > 5e7) + np.random.default_rng(1).normal(size=len(frame))
    return pd.qcut(score, classes, labels=False) if classes else score


def thresholds_of(model):
    """Sorted unique thresholds by the position of the column; {} without trees."""
    categorical = getattr(model, "is_categorical_", None)
    # Histogram gradient boosting moves its categories to the front.
    order = None if categorical is None else np.argsort(~categorical, kind="stable")
    asked: dict[int, list[float]] = {}
    for one, _ in trees_within(model):
        for node in np.flatnonzero(has_threshold(one)):
            feature = one.feature[node] if order is None else order[one.feature[node]]
            asked.setdefault(int(feature), []).append(one.threshold[node])
    return {feature: np.unique(values) for feature, values in asked.items()}


def boundary_rows(model, frame):
    """The rows, and rows whose features lie on a threshold or one step of float32 or float64 beside it."""
    rows = [frame]
    for position, values in thresholds_of(model).items():
        for value in np.random.default_rng(2).permutation(values)[:60]:
            single = np.float32(value)
            near = [value, single, *(np.nextafter(value, to) for to in (-np.inf, np.inf))]
            near += [np.nextafter(single, np.float32(to)) for to in (-np.inf, np.inf)]
            block = frame.iloc[np.arange(len(near)) % len(frame)].copy()
            block.iloc[:, position] = np.array(near, dtype=np.float64)
            rows.append(block)
    return pd.concat(rows, ignore_index=True)


def forest_of(kind, trees):
    """An even number of trees makes ties."""
    return {"n_estimators": trees} if issubclass(kind, ensemble._forest.BaseForest) else {}


def distance(model, frame):
    """(label mismatches, maximum difference) on the rows and around the thresholds, at the first attempt."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evidence = convert(model, boundary_rows(model, frame), "m", np.inf)[1]
    values = evidence.metrics.set_index("metric")["value"]
    assert evidence.facts["attempt"] == "double"
    return float(values["label_mismatches"]), float(values["max_difference"])


@pytest.fixture(params=[False, True], ids=["one node", "looked up"])
def looked_up(request, monkeypatch):
    """Whether leaves are looked up as those of large forests are, of a few trees at once."""
    if request.param:
        monkeypatch.setattr(tree_ensemble, "MOST_COPIED", 0)
        monkeypatch.setattr(tree_ensemble, "MOST_OF_A_TREE", 0)
        monkeypatch.setattr(tree_ensemble, "NODES_AT_ONCE", 100)
    return request.param


@pytest.mark.usefixtures("looked_up")
@pytest.mark.parametrize("settings", [{}, {"max_depth": 2}, {"min_samples_leaf": 9, "class_weight": "balanced"}])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_tree_classifiers_are_the_estimator_bit_for_bit(kind, classes, settings):
    frame = table()
    model = kind(random_state=0, **settings, **forest_of(kind, 10)).fit(frame, target(frame, classes))
    assert distance(model, frame) == (0, 0)


def test_leaves_that_are_looked_up_say_the_same_of_any_batch(looked_up):
    frame = table()
    model = ensemble.RandomForestClassifier(40, min_samples_leaf=5, random_state=0).fit(frame, target(frame, 3))
    graph, _ = convert(model, frame, "m", 1e-5)
    nodes = [node.op_type for node in onnx.load_from_string(graph).graph.node]
    assert (nodes.count("TreeEnsemble") > 1, "ReduceSum" in nodes) == (looked_up, looked_up)
    scorer, whole = Scorer(graph), model.predict_proba(frame)
    for size in (0, 1, 2, 7, ROWS):
        assert np.array_equal(scorer.score(frame.head(size)).probabilities, whole[:size])


@pytest.mark.parametrize(("classes", "depth", "few"), [(2, None, True), (2, 4, False), (200, None, False)])
def test_leaves_are_looked_up_only_where_that_saves_something(classes, depth, few):
    """Not those of shallow trees, nor of so many classes that the table is nearly all zeros."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(3000, 4)), columns=list("abcd"))
    model = ensemble.RandomForestClassifier(60, min_samples_leaf=2, max_depth=depth, random_state=0)
    graph = export(model.fit(frame, rng.integers(0, classes, 3000)), frame, "m", "double")
    assert ("ReduceSum" in [node.op_type for node in onnx.load_from_string(graph).graph.node]) == few


@pytest.mark.parametrize("settings", [{}, {"max_depth": 2}, {"min_samples_leaf": ROWS}])
@pytest.mark.parametrize("kind", REGRESSORS)
def test_tree_regressors_are_the_estimator_bit_for_bit(kind, settings):
    frame = table()
    model = kind(random_state=0, **settings, **forest_of(kind, 10)).fit(frame, target(frame))
    assert distance(model, frame) == (0, 0)


def test_classes_that_tie_are_decided_as_in_the_estimator():
    frame = table()
    model = ensemble.RandomForestClassifier(2, random_state=0).fit(frame, np.where(target(frame, 2), "b", "a"))
    ties = (model.predict_proba(frame) == 0.5).all(axis=1)
    assert distance(model, frame) == (0, 0)
    assert ties.any()


@pytest.mark.parametrize("settings", [{}, {"init": "zero"}, {"loss": "exponential"}])
@pytest.mark.parametrize("classes", [2, 3])
def test_gradient_boosting_classifiers_keep_labels_and_probabilities(classes, settings):
    if classes == 3 and "loss" in settings:
        pytest.skip("the exponential loss is for two classes")
    frame = table(missing=False)
    model = ensemble.GradientBoostingClassifier(n_estimators=20, **settings).fit(frame, target(frame, classes))
    mismatches, difference = distance(model, frame)
    assert mismatches == 0
    assert difference < 1e-15


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "quantile"])
def test_gradient_boosting_regressors_are_the_estimator_bit_for_bit(loss):
    frame = table(missing=False)
    model = ensemble.GradientBoostingRegressor(n_estimators=20, loss=loss).fit(frame, target(frame))
    assert distance(model, frame) == (0, 0)


def test_several_targets_at_once_are_refused_in_words():
    frame = table()
    model = tree.DecisionTreeRegressor(max_depth=2).fit(frame, np.c_[target(frame), target(frame)])
    with pytest.raises(CannotConvert, match="several targets"):
        convert(model, frame.assign(), "m", 1e-5)


def test_thresholds_are_those_of_all_trees_by_feature():
    frame = table()
    model = ensemble.RandomForestRegressor(3, random_state=0).fit(frame, target(frame))
    assert 4e7 < thresholds_of(model)[1][0] < 6e7
    bag = ensemble.BaggingRegressor(tree.DecisionTreeRegressor(max_depth=1), 4, max_features=1, random_state=0)
    for fitted in (model, bag.fit(frame, target(frame))):
        found = thresholds_of(fitted)
        assert set(found) <= {0, 1, 2}
        assert all((np.diff(values) > 0).all() for values in found.values())
