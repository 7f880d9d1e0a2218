"""Stores with releases in them for the gateway's tests: real packages and real ledger records, no release flow."""

import json
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
import people
from guarded import cars, encoded, guarded_files, three
from onnx import TensorProto, helper
from sklearn.linear_model import LinearRegression, LogisticRegression

from expectations.records import PACKAGE_SIGNATURE
from infra.evidence_store import put_json
from infra.ledger import Ledger
from infra.local_store import LocalStore
from infra.packages import golden_records, keep_package
from infra.runtime import SIGNATURE_KEY, Scorer
from infra.signatures import sign_files, signable_package

# A record like those of training, and one that no guard trusts.
GOOD = {"year": 2005.0, "weight kg": 1825.0, "make": "Saab"}
BAD = {"year": 2005.0, "weight kg": 9e9, "make": "Saab"}


def in_an_hour(seconds=3600.0):
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def price_graph(seed=1, factor=1.0, knows="Seat"):
    """A guarded regression on cars: Saab, Fiat and one more; with another factor it says another price."""
    frame = cars(300, seed).assign(price=lambda rows: rows["price"] * factor).replace({"make": {"Seat": knows}})
    return guarded_files(encoded(LinearRegression()), three(frame), "price")[0]


@cache
def class_graph(seed=1, numbers=False):
    """A guarded classifier on cars: dear or cheap, as text or as 1 and 0."""
    frame = cars(300, seed)
    dear = frame["price"] > frame["price"].median()
    frame = frame.drop(columns="price").assign(dear=dear.astype(int) if numbers else np.where(dear, "dear", "cheap"))
    return guarded_files(encoded(LogisticRegression()), three(frame), "dear")[0]


def odd_graph(nodes, constants=(), inputs=("year",)):
    """A graph of one's own, without guards; its nodes lead from its inputs (n, 1) double to `prediction`."""
    graph = helper.make_graph(
        list(nodes),
        "odd",
        [helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, 1]) for name in inputs],
        [helper.make_tensor_value_info("prediction", TensorProto.DOUBLE, [None, 1])],
        list(constants),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    items = [{"column": name, "input": name, "type": "double"} for name in inputs]
    helper.set_model_props(model, {SIGNATURE_KEY: json.dumps({"inputs": items, "outputs": {}, "classes": []})})
    return model.SerializeToString()


def slow_graph(turns=4):
    """Multiplies large matrices before it answers: some ten milliseconds for each turn."""
    size = helper.make_tensor("size", TensorProto.INT64, [2], [500, 500])
    one = helper.make_tensor("value", TensorProto.DOUBLE, [1], [1e-3])
    # Of the input, or onnxruntime computes it all beforehand.
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["start"], value=one),
        helper.make_node("ReduceMax", ["year"], ["latest"], keepdims=0),
        helper.make_node("Mul", ["latest", "zero"], ["nil"]),
        helper.make_node("Add", ["start", "nil"], ["m0"]),
    ]
    nodes += [helper.make_node("MatMul", [f"m{at}", f"m{at}"], [f"m{at + 1}"]) for at in range(turns)]
    nodes += [
        helper.make_node("ReduceMax", [f"m{turns}"], ["most"], keepdims=0),
        helper.make_node("Mul", ["most", "zero"], ["nothing"]),
        helper.make_node("Add", ["year", "nothing"], ["prediction"]),
    ]
    return odd_graph(nodes, [size, helper.make_tensor("zero", TensorProto.DOUBLE, [], [0.0])])


def failing_graph():
    """Fails on every year after 2000."""
    nodes = [
        helper.make_node("Cast", ["year"], ["at"], to=TensorProto.INT64),
        helper.make_node("Gather", ["years", "at"], ["prediction"]),
    ]
    return odd_graph(nodes, [helper.make_tensor("years", TensorProto.DOUBLE, [2001], np.zeros(2001))])


def needy_graph():
    """Needs a column that the champion does not."""
    return odd_graph([helper.make_node("Add", ["year", "doors"], ["prediction"])], inputs=("year", "doors"))


class Written:
    """A store below `folder`, and the account that writes to it."""

    def __init__(self, folder, model="cars"):
        self.folder, self.model = folder, model
        self.url, self.home = str(folder / "store"), folder / "home"
        self.store = LocalStore(folder / "store")
        self.ledger = Ledger(self.store, self.home)
        self.champion = None

    def append(self, kind, **body):
        return self.ledger.decide_and_append(lambda _: (kind, self.model, body))

    def signed(self, package):
        """The signature of a package by this account."""
        return sign_files(self.store, signable_package(self.store, package), self.home)

    def approved(self, name, graph, serving=None, record=GOOD, spec=None):
        """A release that was judged against what serves now, and approved; `record` is golden."""
        golden = golden_records(Scorer(graph), pd.DataFrame([record] * 10))
        package, blobs = keep_package(self.store, graph, golden)
        spec = spec or {"model": {"name": self.model}}
        document = put_json(self.store, {"spec": {**spec, "serving": serving or {}}})
        serves = self.ledger.state().models.get(self.model)
        start = {"spec_digest": name, "as_of": "2026-01-01T00:00:00", "developers": ["dev"], "approvals_needed": 1}
        self.append("release started", release=name, **start)
        judged = {"outcome": "passed", "champion_compared": serves, "approvals_needed": 1, "dossier_digest": document}
        blobs |= {"document": document, "package": package, PACKAGE_SIGNATURE: self.signed(package)}
        self.append("release judged", release=name, package_digest=package, blobs=blobs, **judged)
        people.say(self.ledger, self.model, name)
        return package

    def promoted(self, name, graph, serving=None, record=GOOD, spec=None):
        """A release that serves now."""
        package = self.approved(name, graph, serving, record)
        self.append("promoted", release=name, without_rollout="a test")
        return package

    def rolled_out(self, name, *stages, seconds=3600.0, salt="salt"):
        """A rollout of an approved release, in the first of its stages."""
        plan = [*({"groups": [], **stage} for stage in stages), {"share": 1.0, "groups": []}]
        lease = {"holder": "h", "lease_until": in_an_hour(seconds)}
        self.append("rollout started", release=name, salt=salt, stages=plan, **lease)
        self.stage(name, 0, seconds)

    def stage(self, name, number, seconds=3600.0):
        lease = {"holder": "h", "lease_until": in_an_hour(seconds)}
        self.append("traffic set", release=name, stage=number, why="a test", **lease)

    def mode(self, mode, why="a test", fallback=None):
        self.append("mode set", mode=mode, why=why, by="vera", fallback=fallback)

    def rolled_back(self, name):
        self.append("rolled back", release=name, why="a test", by="vera")
