"""KServe's SDK: a model of one's own, the estimator or the graph. The server's switches are read from the command."""

import os
from pathlib import Path

import joblib
from kserve import InferRequest, Model, ModelServer
from kserve.utils.utils import get_predict_input, get_predict_response
from onnx_session import open_graph

FOLDER = Path(os.environ["BENCH_CASE"])


class Estimator(Model):
    def __init__(self):
        super().__init__("ames")
        self.estimator = joblib.load(FOLDER / "model.joblib")
        self.ready = True

    def predict(self, payload: InferRequest, headers=None, response_headers=None):
        return get_predict_response(payload, self.estimator.predict(get_predict_input(payload)), self.name)


class Graph(Model):
    def __init__(self):
        super().__init__("ames")
        self.session = open_graph(str(FOLDER / "core.onnx"))
        self.ready = True

    def predict(self, payload: InferRequest, headers=None, response_headers=None):
        feed = {tensor.name: tensor.as_numpy().reshape(-1, 1) for tensor in payload.inputs}
        return get_predict_response(payload, self.session.run(None, feed)[0], self.name)


if __name__ == "__main__":
    ModelServer().start([{"sklearn": Estimator, "onnx": Graph}[os.environ["BENCH_KIND"]]()])
