import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, checker, helper
from sklearn.ensemble import IsolationForest
from test_trees import ROWS, boundary_rows, distance, table

from tasks.conversion.export import export, stamp
from tasks.conversion.isolation import isolation_scores


@pytest.mark.parametrize(
    "settings",
    [{}, {"max_features": 2, "max_samples": 50}, {"bootstrap": True, "max_features": 0.4}, {"contamination": 0.1}],
)
def test_an_isolation_forest_decides_as_the_estimator_on_every_row(settings):
    frame = table()
    model = IsolationForest(n_estimators=20, random_state=0, **settings).fit(frame)
    assert distance(model, frame) == (0, 0)


def outputs_of(graph, feed):
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(None, feed)


@pytest.mark.parametrize("samples", [2, ROWS])
def test_its_decision_function_is_the_second_output(samples):
    frame = table()
    model = IsolationForest(n_estimators=20, max_samples=samples, random_state=0).fit(frame)
    rows = boundary_rows(model, frame)
    label, decision = outputs_of(export(model, frame, "m", "double"), {c: rows[[c]].to_numpy() for c in rows})
    assert (label[:, 0] == model.predict(rows)).all()
    assert np.abs(decision[:, 0] - model.decision_function(rows)).max() < 1e-15


@pytest.mark.parametrize(("kind", "dtype"), [(TensorProto.DOUBLE, np.float64), (TensorProto.FLOAT, np.float32)])
def test_a_graph_put_together_by_hand_takes_the_score_nodes(kind, dtype):
    frame = table()
    model = IsolationForest(n_estimators=20, random_state=0).fit(frame.to_numpy())
    writer, score = isolation_scores(model, "x", "anomaly_")
    shape = [helper.make_tensor_value_info("x", kind, [None, 3])]
    out = [helper.make_tensor_value_info(score, TensorProto.DOUBLE, [None, 1])]
    graph = helper.make_model(helper.make_graph(writer.nodes, "g", shape, out, writer.initializers))
    stamp(graph)
    checker.check_model(graph, full_check=True)
    rows = boundary_rows(model, frame).to_numpy().astype(dtype)
    assert np.abs(outputs_of(graph.SerializeToString(), {"x": rows})[0][:, 0] - model.score_samples(rows)).max() < 1e-15
    assert all(node.name.startswith("anomaly_") for node in writer.nodes)
