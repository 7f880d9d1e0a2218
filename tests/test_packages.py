"""A package is opened as what was proven, or not at all."""

import importlib.metadata
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from expectations.errors import CannotAsk
from expectations.records import canonical_json
from infra import packages
from infra.local_store import LocalStore
from infra.packages import golden_records, keep_package, open_package, replay
from infra.runtime import Scorer
from tasks.convert import convert


def table(n=60):
    rng = np.random.default_rng(0)
    return pd.DataFrame({"size": rng.normal(100, 30, n), "rooms": rng.integers(1, 9, n).astype(float)})


@pytest.fixture(params=["regression", "classes"])
def scorer(request):
    frame = table()
    target = frame["size"] * 2 if request.param == "regression" else np.where(frame["rooms"] > 4, "yes", "no")
    model = LinearRegression() if request.param == "regression" else LogisticRegression()
    graph, _ = convert(model.fit(frame, target), frame, "m", 1e-5)
    return graph, Scorer(graph)


@pytest.mark.parametrize("size", [100.0, np.nan, np.inf, -np.inf])
def test_golden_records_are_replayed_from_their_json(scorer, size):
    rows = pd.concat([table(), table(1).assign(size=size)], ignore_index=True)
    golden = json.loads(canonical_json(golden_records(scorer[1], rows)))
    assert np.array_equal(np.array(golden["columns"]["size"], dtype=float), rows["size"], equal_nan=True)
    assert replay(scorer[1], golden) == []


@pytest.mark.parametrize("output", [0, -1])
def test_a_golden_record_with_another_answer_is_named(scorer, output):
    golden = golden_records(scorer[1], table())
    name = list(golden["outputs"])[output]
    other = {str: "other", float: 1e9, list: [1e9] * 2}
    first = golden["outputs"][name][7]
    golden["outputs"][name][7] = [1e9] * len(first) if isinstance(first, list) else other[type(first)]
    assert replay(scorer[1], golden) == [7]


def test_another_set_of_outputs_is_another_answer(scorer):
    golden = golden_records(scorer[1], table(5))
    golden["outputs"].popitem()
    assert replay(scorer[1], golden) == [0, 1, 2, 3, 4] or not golden["outputs"]


def kept(tmp_path, scorer, golden=None):
    store = LocalStore(tmp_path)
    return store, keep_package(store, scorer[0], golden or golden_records(scorer[1], table()))[0]


def under_other_versions(monkeypatch, **changed):
    real = importlib.metadata.version
    monkeypatch.setattr(packages.importlib.metadata, "version", lambda name: changed.get(name) or real(name))


def test_under_other_versions_the_golden_records_decide(tmp_path, scorer, monkeypatch):
    store, digest = kept(tmp_path, scorer)
    under_other_versions(monkeypatch, numpy="9.9")
    assert open_package(store, digest).signature == scorer[1].signature


def test_a_runtime_that_answers_otherwise_is_refused_in_words(tmp_path, scorer, monkeypatch):
    golden = golden_records(scorer[1], table().assign(size=lambda rows: -rows["size"]))
    golden["columns"] = golden_records(scorer[1], table())["columns"]
    store, digest = kept(tmp_path, scorer, golden)
    # As long as everything is as it was proven, nothing is replayed.
    open_package(store, digest)
    under_other_versions(monkeypatch, onnxruntime="9.9")
    with pytest.raises(CannotAsk, match=r"golden record\(s\) get another answer under onnxruntime 9\.9"):
        open_package(store, digest)


def test_a_runtime_that_is_known_to_be_wrong_is_refused(scorer, monkeypatch):
    monkeypatch.setattr("onnxruntime.__version__", "1.27.0")
    with pytest.raises(CannotAsk, match=r"onnxruntime 1\.27\.0 gives wrong labels"):
        Scorer(scorer[0])
