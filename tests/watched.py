"""A store whose model serves and is monitored: its own rows lie in it, and its log is as a gateway writes it."""

import io
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import people
import pyarrow as pa
from guarded import cars
from served import GOOD, Written, class_graph, price_graph

from expectations.records import PACKAGE_SIGNATURE
from expectations.serving_spec import PredictionLog
from expectations.spec import ReleaseSpec
from infra.evidence_store import put_json
from infra.gateway.contract import Answered, Asked
from infra.gateway.desk.distrust import Distrusted, emptied
from infra.gateway.desk.loading import as_served
from infra.gateway.diary.columns import Hashing, columns_of
from infra.gateway.diary.pages import page
from infra.gateway.diary.spool import parquet
from infra.gateway.diary.truths import Truth, truths_page
from infra.packages import golden_records, keep_package
from infra.runtime import Scorer
from tasks.monitoring.watch import look

MODEL = "cars"
# Alarms that an impatient test can raise and end.
ALARMS = {
    "errors": {"tolerance": 0.1},
    "quality": {"tolerance": 0.1, "modes": {"warn": 1, "refuse": 2}},
    "slices": None,
    "lookups": None,
}
SPEC = {
    "model": {"name": MODEL, "task": "regression", "owner": "olga"},
    "candidate": {"train": "train:fit"},
    "data": {"target": "price", "sources": {"cars": {"path": "cars.csv"}}},
    "rollout": {"watch": {"quality": {"scale": 80.0}}},
    "monitoring": {"calm_minutes": 10, "alarms": ALARMS},
}


class Watched(Written):
    """The model `cars`; `r1` serves. `clock` is the time of the next request, always after it began to serve."""

    def __init__(self, folder, numbers=None):
        """`numbers`: not the price, but whether a car is dear, as 1 or 0, or as text."""
        super().__init__(folder, MODEL)
        self.spec, self.numbers = SPEC, numbers
        if numbers is not None:
            told = {"task": "binary", "positive": 1 if numbers else "dear"}
            self.spec = {**SPEC, "model": {**SPEC["model"], **told}, "rollout": {}}
        self.graph = price_graph() if numbers is None else class_graph(numbers=numbers)
        self.scorer = Scorer(self.graph)
        self._made = 0
        self.judged_and_promoted("r1")
        self.clock = datetime.now(UTC) + timedelta(seconds=1)
        self.random = np.random.default_rng(7)

    def judged_and_promoted(self, name, **evidence):
        """A release with its own rows and a complete spec, that serves from now on."""
        golden = golden_records(self.scorer, pd.DataFrame([GOOD] * 10))
        package, blobs = keep_package(self.store, self.graph, golden)
        spec = ReleaseSpec.model_validate(self.spec).model_dump(mode="json")
        document = put_json(self.store, {"spec": spec, "evidence": evidence})
        start = {"spec_digest": name, "as_of": "2026-01-01T00:00:00", "developers": ["dev"], "approvals_needed": 1}
        self.append("release started", release=name, **start)
        blobs |= {"document": document, "package": package, "manifest": self._manifest()}
        blobs[PACKAGE_SIGNATURE] = self.signed(package)
        serves = self.ledger.state().models.get(MODEL)
        judged = {"outcome": "passed", "champion_compared": serves, "approvals_needed": 1, "dossier_digest": document}
        self.append("release judged", release=name, package_digest=package, blobs=blobs, **judged)
        people.say(self.ledger, MODEL, name)
        self.append("promoted", release=name, without_rollout="a test")

    def _manifest(self):
        rows, out = self._with_truth(cars(4000, seed=5)), io.BytesIO()
        rows.to_parquet(out)
        split = (np.arange(len(rows)) % 2).astype(np.int8)
        blobs = {"data": self.store.put_blob(out.getvalue()), "split": self.store.put_blob(split.tobytes())}
        return put_json(self.store, {"blobs": blobs})

    def _with_truth(self, rows):
        if self.numbers is None:
            return rows
        dear = (rows["price"] > 670).astype(int)
        return rows.assign(price=dear if self.numbers else np.where(dear, "dear", "cheap"))

    def ask(self, n=200, minutes=1.0, change=None, truths=True, off=0.0, release="r1", **how):
        """n rows in one request at `clock`, which goes on; `change` alters them, `off` is added to the truth.

        `how` (`error`, `shadow`, `withheld`: what is not trusted is not answered) is how it went.
        """
        rows = cars(n, seed=int(self.random.integers(1 << 30)))
        asked = change(rows.copy()) if change else rows
        name = f"q{self._made}"
        self._log(asked.drop(columns="price"), name, release, **how)
        if truths:
            self.tell(name, self._with_truth(rows.assign(price=rows["price"] + off))["price"])
        self.clock += timedelta(minutes=minutes)
        return name

    def _log(self, rows, name, release, error=None, shadow=False, withheld=False):
        outputs = self.scorer.answers(rows)
        tensors = {column: rows[column].to_numpy() for column in rows}
        answered = None if error else Answered(outputs, release, "champion")
        if withheld:
            served = {key: as_served(key, one, SimpleNamespace(on_distrust="refuse")) for key, one in outputs.items()}
            doubted = np.flatnonzero(~np.asarray(outputs["trusted"]).reshape(-1))
            answered = emptied(Answered(served, release, "champion"), Distrusted(doubted, "odd"))
        note = (self.clock.timestamp(), 0.002, Asked(MODEL, tensors, len(rows), name), answered, "champion", release)
        columns = columns_of(self.scorer.signature, {}, PredictionLog())
        self._keep("predictions", page([(*note, -1, error, shadow, None)], columns, Hashing(b"secret")))

    def tell(self, name, truths, source="erp"):
        """The truth of a request's rows arrives at `clock`."""
        number = (lambda value: float(value)) if self.numbers is None else (lambda _: None)
        told = [Truth(name, row, str(value), number(value)) for row, value in enumerate(truths)]
        self._keep("feedback", truths_page([(self.clock.timestamp(), MODEL, source, one) for one in told]))

    def _keep(self, kind, batch):
        self._made += 1
        stretch = self.clock - (self.clock - datetime(1970, 1, 1, tzinfo=UTC)) % timedelta(minutes=10)
        key = f"{kind}/{MODEL}/{stretch:%Y-%m-%d/%H%M%S}-1-{self._made:06d}.parquet"
        assert self.store.put_if_absent(key, parquet(pa.Table.from_batches([batch])))

    def look(self, **later):
        """One turn at `clock`, or some time later."""
        return look(self.store, self.ledger, MODEL, self.clock + timedelta(**later))


def answer(turn, alarm):
    """What a turn has seen of one alarm."""
    return next(one for one in turn.seen if one.name == alarm)


def in_feet(rows):
    """Weights in another unit."""
    return rows.assign(**{"weight kg": rows["weight kg"] * 2.2})


def raised(watched):
    """The records of alarms."""
    return [one for one in watched.ledger.read() if one.kind == "alarm raised"]
