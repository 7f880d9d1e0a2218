"""A conversion is proven on the rows where luck would hide what is wrong."""

from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PowerTransformer, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from tasks.conversion import tree_ensemble
from tasks.conversion.placement import channels, crossings, unwrapped
from tasks.conversion.reach import split_nodes
from tasks.conversion.trials import boundary_rows, trial_rows, try_out
from tasks.convert import convert


def table(n=300):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(100, 30, n), "rooms": rng.integers(1, 9, n)})
    return frame.assign(town=rng.choice(["Ames", "Boone", "Nevada"], n))


def pipeline(model, scaler=StandardScaler):
    columns = [("n", scaler(), ["size", "rooms"]), ("t", OneHotEncoder(handle_unknown="ignore"), ["town"])]
    return make_pipeline(ColumnTransformer(columns), model)


def value(evidence, name):
    return float(evidence.metrics.set_index("metric").loc[name, "value"])


@settings(max_examples=50, deadline=None)
@given(
    scale=st.floats(1e-3, 1e3) | st.floats(-1e3, -1e-3),
    offset=st.floats(-1e3, 1e3),
    threshold=st.floats(-100, 100),
    single=st.booleans(),
)
def test_a_crossing_lies_between_two_neighbours_of_all_doubles(scale, offset, threshold, single):
    def feature(x):
        moved = x * scale + offset
        return moved.astype(np.float32).astype(float) if single else moved

    row = crossings(feature, np.array([-1e9]), np.array([1e9]), np.array([threshold]))[0]
    below, not_below, *_ = feature(row) < threshold
    assert np.nextafter(row[0], row[1]) == row[1]
    assert np.nextafter(row[2], row[3]) == row[3]
    assert below != not_below
    assert (feature(row[2:]) <= threshold).sum() == 1


def test_each_node_is_tried_by_rows_that_reach_it():
    frame = table()
    fitted = pipeline(DecisionTreeRegressor(max_depth=6, random_state=0)).fit(frame, frame["size"] * frame["rooms"])
    rows, facts = boundary_rows(fitted, frame)
    before, model = unwrapped(fitted)
    nodes = split_nodes(before, model, frame)
    numbers = np.isin(nodes.feature, [0, 1])
    assert facts["thresholds"] == len(nodes.feature) == (model.tree_.feature >= 0).sum()
    assert facts["thresholds_tried"] == numbers.sum() == len(rows) // 4
    # The sides of each node lead to different leaves: the tree itself tells them apart.
    leaves = model.apply(before[0].transform(rows)).reshape(-1, 4)
    assert (leaves[:, 0] != leaves[:, 3]).all()


def test_a_feature_that_several_columns_make_is_not_placed():
    frame = table()[["size", "rooms"]]
    mixed = ColumnTransformer([("n", StandardScaler(), ["size", "rooms"])]).fit(frame)

    class Sum:
        def transform(self, values):
            return np.column_stack([values.sum(axis=1), values[:, 1]])

    assert list(channels([mixed], frame)) == [0, 1]
    assert list(channels([mixed, Sum()], frame)) == [1]


def test_a_column_that_is_missing_in_the_first_row_is_placed():
    frame = table()[["size", "rooms"]].assign(age=[np.nan, 1.0, 2.5] * 100)
    fitted = RandomForestRegressor(3, max_depth=4, random_state=0).fit(frame, frame["size"] * frame["age"].fillna(9))
    assert list(channels([], frame)) == [0, 1, 2]
    facts = boundary_rows(fitted, frame)[1]
    assert facts["thresholds_tried"] == facts["thresholds"] > 0


def test_missing_values_texts_and_extremes_are_tried_where_there_are_any():
    frame = table().assign(age=[np.nan, 1.0] * 150)
    made, facts = trial_rows(LogisticRegression(), frame)
    assert sorted(made) == ["category", "extreme", "missing"]
    assert facts["thresholds"] == 0
    assert {"", "Ames", "Boone", "Nevada"} < set(made["category"]["town"])
    assert made["missing"]["age"].isna().all()
    assert made["missing"][["size", "rooms", "town"]].notna().all(axis=None)


def test_an_empty_text_is_no_other_than_a_missing_one():
    frame = table().assign(town=["Ames", None, "Boone"] * 100)
    made, _ = trial_rows(LogisticRegression(), frame)
    assert "" not in set(made["category"]["town"])
    assert made["missing"]["town"].isna().any()


def test_what_the_estimator_refuses_is_counted_and_not_compared():
    frame = table()
    fitted = pipeline(RandomForestClassifier(5, random_state=0)).fit(frame, frame["rooms"] > 4)
    trials = try_out(fitted, frame)
    made = trial_rows(fitted, frame)[0]["extreme"]
    # The estimator asks for float32: what overflows it is refused, and nothing else.
    answered = (made[["size", "rooms"]].abs() <= np.finfo(np.float32).max).all(axis=1)
    assert 0 < trials.facts["refused_by_the_estimator"]["extreme"] == (~answered).sum()
    assert (trials.family == "extreme").sum() == answered.sum()
    assert len(trials.rows) == len(trials.family) == len(trials.trained.values)


def swapped_leaves(tree):
    """The two answers below one question, exchanged, deep in the tree."""
    leaf = np.flatnonzero(tree.feature < 0)
    parent = next(n for n in np.flatnonzero(tree.feature >= 0)[::-1] if tree.true[n] in leaf and tree.false[n] in leaf)
    true, false = tree.true.copy(), tree.false.copy()
    true[parent], false[parent] = tree.false[parent], tree.true[parent]
    return replace(tree, true=true, false=false)


def rounded_up(tree):
    """One threshold of many, one unit in the last place of a float32 too high."""
    at = np.flatnonzero(tree.feature == 0)[0]
    threshold = tree.threshold.copy()
    threshold[at] = np.nextafter(np.float32(threshold[at]), np.float32(np.inf))
    return replace(tree, threshold=threshold)


def strictly_below(tree):
    """`<` for `<=`, or the other way: only a value on the threshold tells."""
    strict = tree.mode == tree_ensemble.LESS
    return replace(tree, mode=np.where(strict, tree_ensemble.LESS_OR_EQUAL, tree_ensemble.LESS))


def boosters():
    """One of each that is installed: they are an extra."""
    kinds = {"lightgbm": ("LGBMRegressor", {"verbose": -1}), "xgboost": ("XGBRegressor", {})}
    found = [name for name in kinds if find_spec(name)]
    return [getattr(import_module(name), kinds[name][0])(n_estimators=20, **kinds[name][1]) for name in found]


@pytest.mark.parametrize("fault", [swapped_leaves, rounded_up, strictly_below])
@pytest.mark.parametrize(
    "model",
    [RandomForestRegressor(20, random_state=0), GradientBoostingRegressor(n_estimators=20), *boosters()],
    ids=lambda model: type(model).__name__,
)
def test_a_fault_in_the_converter_is_seen(monkeypatch, fault, model):
    frame = table()
    fitted = pipeline(model).fit(frame, frame["size"] * frame["rooms"])
    _, sound = convert(fitted, frame, "m", 1e-5)
    assert value(sound, "boundary_mismatches") == 0
    faulty = [False]

    real = tree_ensemble._single_target_parts

    def planted(tree):
        # In one tree of the many, the first that asks two questions.
        if not faulty[0] and (tree.feature >= 0).sum() >= 3:
            faulty[0] = True
            tree = fault(tree)
        return real(tree)

    monkeypatch.setattr(tree_ensemble, "_single_target_parts", planted)
    monkeypatch.setattr("tasks.convert.ATTEMPTS", ("double",))
    _, evidence = convert(fitted, frame, "m", 1e-5)
    assert value(evidence, "boundary_mismatches") > 0


def test_a_last_bit_of_the_preprocessing_is_told_apart_from_a_fault_of_the_model():
    frame = table()
    fitted = pipeline(RandomForestRegressor(20, random_state=0), PowerTransformer).fit(frame, frame["size"])
    _, evidence = convert(fitted, frame, "m", 1e-5)
    assert value(evidence, "boundary_mismatches") == 0


@pytest.mark.parametrize("encoded", [True, False])
def test_histogram_gradient_boosting_is_tried_on_its_bin_edges_also_behind_categories(encoded):
    frame = table()[["size", "rooms"]].assign(town=np.arange(300) % 3, age=[np.nan, 1.0, 2.5] * 100)
    model = HistGradientBoostingRegressor(max_iter=15, categorical_features=["town"] if encoded else None)
    rows, facts = boundary_rows(model.fit(frame, frame["size"] + frame["town"]), frame)
    assert 0 < facts["thresholds_tried"] == len(rows) // 4
    assert facts["thresholds_tried"] >= 0.9 * facts["thresholds"]
    _, evidence = convert(model, frame, "m", 1e-5)
    assert value(evidence, "boundary_mismatches") == 0
