"""What the tests of the prediction log share: a diary over a store, and requests to note in it."""

import time
from datetime import UTC, datetime, timedelta

import numpy as np

from expectations.errors import Away
from infra.gateway.contract import Answered, Asked
from infra.gateway.diary.columns import Columns, Input
from infra.gateway.diary.diary import Diary, Limits
from infra.gateway.diary.metrics import Metrics
from infra.prediction_log import LogReader

CLEAR = Columns((Input("age", "age", "double", "clear"), Input("town", "town", "string", "clear")), frozenset())
FAST = Limits(flush_seconds=0.05, upload_seconds=0.05, adopt_seconds=0.05)
LONG_AGO = datetime.now(UTC) - timedelta(days=1)


def asked(request_id, ages=(30.0,), town="Ulm", **more):
    tensors = {"age": np.array(ages), "town": np.array([town] * len(ages), dtype=object)}
    return Asked(more.pop("model", "m"), tensors, len(ages), request_id, caller="web", **more)


def answered(rows=1, release="r1", arm="champion", **more):
    outputs = {
        "prediction": np.arange(rows, dtype=np.float64).reshape(-1, 1),
        "probabilities": np.tile([0.25, 0.75], (rows, 1)),
        "reasons": np.full((rows, 1), 5),
        "trusted": np.zeros((rows, 1), dtype=bool),
    }
    return Answered(outputs, release, arm, **more)


def diary(store, home, metrics, limits=FAST, **columns):
    found = Diary(store, home, metrics, limits)
    for release, one in {"r1": CLEAR, **columns}.items():
        found.know(release, one)
    return found


def note(book, *requests, **more):
    for one in requests:
        book.record(one, answered(one.rows), time.perf_counter(), **more)


def read(store, kind="predictions", model="m", since=LONG_AGO, **more):
    return LogReader(store, kind, model, since, **more).more().sort("time", "request_id", "row")


def metrics(tmp_path):
    return Metrics(tmp_path / "metrics")


class Flaky:
    """A store that is away as ordered: before a write, or after it so that the answer is lost."""

    def __init__(self, store):
        self._store, self.url, self.fails = store, store.url, None

    def put_if_absent(self, key, data):
        if self.fails == "before":
            raise Away("the store is away")
        done = self._store.put_if_absent(key, data)
        if self.fails == "after":
            raise Away("the answer was lost")
        return done

    def __getattr__(self, name):
        return getattr(self._store, name)
