"""Saves the estimator, in its own flavour, and the graph, as a pyfunc, for mlflow's scoring server.

mlflow's onnx flavour takes no text from a frame of pandas 3, and its other way in costs several times as much.
"""

import sys
from pathlib import Path

import joblib
import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
from onnx_session import open_graph


class Graph(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.session = open_graph(context.artifacts["graph"])

    def predict(self, context, model_input, params=None):
        return self.session.run(None, {name: _column(model_input[name]) for name in model_input})[0]


def _column(values):
    return values.to_numpy(np.float64 if values.dtype.kind == "f" else object).reshape(-1, 1)


def main(folder):
    estimator = joblib.load(folder / "model.joblib")
    mlflow.sklearn.save_model(estimator, folder / "mlflow-sklearn", serialization_format="cloudpickle")
    graph = {"graph": str(folder / "core.onnx")}
    mlflow.pyfunc.save_model(folder / "mlflow-onnx", python_model=Graph(), artifacts=graph)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
