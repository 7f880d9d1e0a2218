"""A package with live lookups in the gateway: loaded as it serves, before a real source."""

import asyncio
import time

import numpy as np
import pandas as pd
import pytest
from guarded import SPEC
from live_packages import graph_of, package_of, table_of
from live_sources import live_of, postgresql_port, redis_port, secret, source_of
from served import Written

from expectations.spec import ReleaseSpec
from infra.gateway.desk.loading import Copies, Named, load
from infra.gateway.desk.post import Seat
from infra.gateway.desk.scoring import scored
from infra.gateway.trial import trial_gateway
from infra.local_store import LocalStore
from infra.packages import golden_records, keep_package
from infra.runtime import Scorer
from infra.trust import Trust

__all__ = ["postgresql_port", "redis_port", "secret"]
pytestmark = pytest.mark.xdist_group("postgresql")
TOWNS = {"a": (1.5, 2.0), "b": (3.25, 4.0), "c": (5.0, None)}


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def source(request, tmp_path):
    made = source_of(request.param, request, tmp_path)
    for town, values in TOWNS.items():
        made.put(town, *values)
    return made


@pytest.fixture
def serving(source, tmp_path, monkeypatch):
    """The release, loaded, with the frozen table of `TOWNS` and this source."""
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("served.golden_records", lambda package, _: golden_records(package, Sent("a").frame))
    cells = [[np.nan if value is None else value for value in values] for values in TOWNS.values()]
    table = table_of(tuple(TOWNS), cells, live=live_of(source))
    written = Written(tmp_path)
    package = written.promoted("one", graph_of(table))
    one = written.ledger.state().releases["one"]
    named = Named("one", package, one.document_digest, one.package_signature)
    return load(Copies(written.store), named, Trust(written.home)), table


class Sent:
    """Rows of these towns, as a caller sends them."""

    def __init__(self, *towns):
        self.n, self.frame = len(towns), pd.DataFrame({"rooms": 5.0, "town": towns})
        self.tensors = {"rooms": np.full(self.n, 5.0), "town": np.array(towns, dtype=object)}


def answer(loaded, *towns):
    asked = Sent(*towns)
    return asyncio.run(scored(Seat("champion", loaded), asked.tensors, asked.n))


def test_callers_send_the_key_alone_and_get_the_same_answers_as_from_the_frozen_table(serving):
    loaded, table = serving
    assert [tensor.column for tensor in loaded.inputs] == ["rooms", "town"]
    asked = ("a", "b", "c", "nowhere", "")
    found, frozen = answer(loaded, *asked), package_of(table).answers(Sent(*asked).frame)
    for name, values in frozen.items():
        np.testing.assert_array_equal(found[name], values, name)
    assert loaded.lookups.taken()[("towns", "fresh")] == 3


def test_a_changed_value_is_what_the_model_gets(serving, source):
    source.put("a", 7.0, 8.0)
    said = answer(serving[0], "a")
    assert said["looked_up"].tolist() == [[7, 8]]
    assert said["reasons"][0, 0] & 192 == 0


def test_a_caller_cannot_send_live_values(serving):
    loaded, _ = serving
    asked = Sent("a")
    sent = {"live/income": np.array([999.0]), "live/schools": np.array([9.0]), "live state/towns": np.array([1])}
    said = asyncio.run(scored(Seat("champion", loaded), asked.tensors | sent, 1))
    assert said["looked_up"].tolist() == [[1.5, 2]]


@pytest.mark.parametrize("source", ["postgresql", "redis"], indirect=True)
def test_while_the_source_hangs_the_frozen_value_stands_in_with_its_reason(serving, source):
    loaded, _ = serving
    source.put("a", 7.0, 8.0)
    source.way.hold()
    began = time.monotonic()
    said = answer(loaded, "a", "b")
    assert time.monotonic() - began < 4
    source.way.release()
    assert said["looked_up"].tolist() == [[1.5, 2], [3.25, 4]]
    assert (said["reasons"][:, 0] & 128).all()
    assert not said["trusted"].any()


def test_a_trial_asks_the_source_or_is_told_to_stay_with_the_frozen_table(tmp_path, request, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    made = source_of("sqlite", request, tmp_path)
    made.put("a", 7.0, 8.0)
    live = live_of(made, timeout_ms=5000)
    graph = graph_of(table_of(("a",), [[1.5, 2.0]], live=live))
    store, scorer, asked = LocalStore(tmp_path / "store"), Scorer(graph), Sent("a").frame
    package, _ = keep_package(store, graph, golden_records(scorer, asked))
    lookup = {"source": "towns", "key": "town", "columns": ["income", "schools"], "live": live.model_dump()}
    sources = {"rows": {"path": "rows.csv"}, "towns": {"path": "towns.csv"}}
    data = {"target": "y", "sources": sources, "lookups": [lookup]}
    spec = ReleaseSpec.model_validate({**SPEC.model_dump(exclude={"data"}), "data": data})
    for is_live, expected in ((True, [[7, 8]]), (False, [[1.5, 2]])):
        with trial_gateway(store, package, spec, is_live) as client:
            assert client.answers(scorer, asked)["looked_up"].tolist() == expected
