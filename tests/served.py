"""Stores with releases in them for the gateway's tests: real packages and real ledger records, no release flow."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from guarded import cars, encoded, guarded_files, three
from sklearn.linear_model import LinearRegression, LogisticRegression

from infra.evidence_store import put_json
from infra.ledger import Ledger
from infra.local_store import LocalStore
from infra.packages import golden_records, keep_package
from infra.runtime import Scorer

# A record like those of training, and one that no guard trusts.
GOOD = {"year": 2005.0, "weight kg": 1825.0, "make": "Saab"}
BAD = {"year": 2005.0, "weight kg": 9e9, "make": "Saab"}


def in_an_hour(seconds=3600.0):
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def price_graph(seed=1, factor=1.0):
    """A guarded regression on cars; with another factor it says another price."""
    frame = cars(300, seed).assign(price=lambda rows: rows["price"] * factor)
    return guarded_files(encoded(LinearRegression()), three(frame), "price")[0]


def class_graph(seed=1, numbers=False):
    """A guarded classifier on cars: dear or cheap, as text or as 1 and 0."""
    frame = cars(300, seed)
    dear = frame["price"] > frame["price"].median()
    frame = frame.drop(columns="price").assign(dear=dear.astype(int) if numbers else np.where(dear, "dear", "cheap"))
    return guarded_files(encoded(LogisticRegression()), three(frame), "dear")[0]


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

    def approved(self, name, graph, serving=None, spec=None):
        """A release that was judged against what serves now, and approved."""
        golden = golden_records(Scorer(graph), pd.DataFrame([GOOD] * 10))
        package, blobs = keep_package(self.store, graph, golden)
        spec = spec or {"model": {"name": self.model}}
        document = put_json(self.store, {"spec": {**spec, "serving": serving or {}}})
        serves = self.ledger.state().models.get(self.model)
        start = {"spec_digest": name, "as_of": "2026-01-01T00:00:00", "developers": ["dev"], "approvals_needed": 1}
        self.append("release started", release=name, **start)
        judged = {"outcome": "passed", "champion_compared": serves, "approvals_needed": 1, "dossier_digest": document}
        blobs |= {"document": document, "package": package}
        self.append("release judged", release=name, package_digest=package, blobs=blobs, **judged)
        self.append("decided", release=name, person="vera", decision="approve", dossier_digest=document)
        return package

    def promoted(self, name, graph, serving=None):
        """A release that serves now."""
        package = self.approved(name, graph, serving)
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
