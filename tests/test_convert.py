import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from expectations.records import digest_of
from infra.runtime import Predictions, Scorer, estimator_predictions
from tasks.conversion.trials import Trials
from tasks.convert import CannotConvert, convert
from tasks.parity import measure_parity


def table(n=400):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size m²": rng.normal(100, 30, n), "rooms": rng.integers(1, 9, n)})
    return frame.assign(town=rng.choice(["Ames", "Boone", "Nevada"], n))


def pipeline(model):
    numbers = ["size m²", "rooms"]
    columns = [("n", StandardScaler(), numbers), ("t", OneHotEncoder(handle_unknown="ignore"), ["town"])]
    return make_pipeline(ColumnTransformer(columns), model)


def value(evidence, name):
    return float(evidence.metrics.set_index("metric").loc[name, "value"])


@pytest.mark.parametrize("model", [RandomForestClassifier(21, random_state=0), LogisticRegression()])
@pytest.mark.parametrize("labels", [["no", "yes"], [0, 1], [False, True], ["a", "b", "c"]])
def test_a_converted_classifier_gives_the_same_labels_and_probabilities(model, labels):
    frame = table()
    target = np.array(labels)[np.arange(len(frame)) % len(labels)]
    graph, evidence = convert(pipeline(model).fit(frame, target), frame, "m", 1e-5)
    assert value(evidence, "label_mismatches") == 0
    assert value(evidence, "max_difference") < 1e-5
    assert Scorer(graph).signature["classes"] == list(
        estimator_predictions(pipeline(model).fit(frame, target), frame).classes
    )


@pytest.mark.parametrize("at_once", [1, 7, 399, 400])
def test_a_large_batch_is_answered_in_parts_as_at_once(monkeypatch, at_once):
    frame = table()
    target = np.array(["no", "yes"])[(frame["rooms"] > 4).to_numpy().astype(int)]
    scorer = Scorer(convert(pipeline(RandomForestClassifier(21, random_state=0)).fit(frame, target), frame, "m", 0)[0])
    whole = scorer.answers(frame)
    monkeypatch.setattr("infra.runtime.AT_ONCE", at_once)
    parts = scorer.answers(frame)
    assert [*parts] == [*whole]
    assert all(np.array_equal(parts[name], whole[name]) for name in whole)


def test_a_bare_estimator_takes_its_columns_by_name():
    frame = table()[["size m²", "rooms"]]
    _, evidence = convert(RandomForestRegressor(20, random_state=0).fit(frame, frame["rooms"] * 2.0), frame, "m", 1e-5)
    assert value(evidence, "max_difference") < 1e-5


def convert_and_print_digest():
    frame = table()
    fitted = pipeline(RandomForestRegressor(5, random_state=0)).fit(frame, frame["rooms"] * 2.0)
    print(digest_of(convert(fitted, frame, "m", 1e-5)[0]))


def test_the_same_estimator_gives_the_same_bytes_whatever_the_hash_seed():
    here = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {here!r}); import test_convert as t; t.convert_and_print_digest()"
    seeds = ("0", "1", "2", "3")
    runs = [
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": s}, capture_output=True)
        for s in seeds
    ]
    assert len({run.stdout for run in runs}) == 1
    assert runs[0].stdout.startswith(b"sha256:")


def test_what_nothing_converts_is_refused_with_short_reasons():
    frame = table()[["size m²"]]
    model = make_pipeline(FunctionTransformer(np.sinc), LogisticRegression()).fit(frame, frame["size m²"] > 100)
    with pytest.raises(CannotConvert, match="cannot be converted") as error:
        convert(model, frame, "m", 1e-5)
    assert len(str(error.value)) < 1500


def snapshot(values):
    return Trials(pd.DataFrame(index=range(len(values))), np.full(len(values), "snapshot"), Predictions(values))


def test_a_changed_leaf_is_seen():
    evidence = measure_parity(snapshot(np.array([1.0, 2.0, 3.0])), Predictions(np.array([1.0, 3.0, 2.0])), 1e-5)
    assert value(evidence, "max_difference") > 0.3
    assert list(evidence.records["units_apart"]) == [0, 1, 1]


def test_a_nan_on_one_side_is_infinitely_far():
    evidence = measure_parity(snapshot(np.array([1.0, 2.0])), Predictions(np.array([1.0, np.nan])), 1e-5)
    assert value(evidence, "max_difference") == np.inf


def test_extreme_answers_hide_no_difference_in_the_snapshot():
    trials = Trials(
        pd.DataFrame(index=range(3)), np.array(["snapshot"] * 2 + ["extreme"]), Predictions(np.array([1.0, 2.0, 1e9]))
    )
    evidence = measure_parity(trials, Predictions(np.array([1.0, 2.1, 1e9])), 1e-5)
    assert value(evidence, "max_difference") == pytest.approx(0.05)
    assert value(evidence, "extreme_mismatches") == 0


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent"])
def test_missing_numbers_are_imputed_in_double_before_trees(strategy):
    frame = table()[["size m²", "rooms"]].astype(float)
    frame.iloc[::5, 0] = np.nan
    model = make_pipeline(SimpleImputer(strategy=strategy), StandardScaler(), RandomForestRegressor(21, random_state=0))
    _, evidence = convert(model.fit(frame, frame["rooms"] * 2.0), frame, "m", 1e-5)
    assert evidence.facts["attempt"] == "double"
    assert value(evidence, "max_difference") < 1e-5
