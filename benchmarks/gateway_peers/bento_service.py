"""BentoML services of the estimator and of the graph, one worker, without a log line a request."""

import os
from pathlib import Path

import bentoml
import joblib
import numpy as np
import pandas as pd
from onnx_session import open_graph

FOLDER = Path(os.environ["BENCH_CASE"])
QUIET = {"access": {"enabled": False}}


@bentoml.service(name="estimator", workers=1, logging=QUIET)
class Estimator:
    def __init__(self):
        self.estimator = joblib.load(FOLDER / "model.joblib")

    @bentoml.api
    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return self.estimator.predict(rows)


@bentoml.service(name="graph", workers=1, logging=QUIET)
class Graph:
    def __init__(self):
        self.session = open_graph(str(FOLDER / "core.onnx"))

    @bentoml.api
    async def predict(self, columns: dict[str, list]) -> np.ndarray:
        feed = {name: np.array(values).reshape(-1, 1) for name, values in columns.items()}
        return self.session.run(None, feed)[0]
