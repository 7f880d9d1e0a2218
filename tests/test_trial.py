"""A package is tried as production will serve it: the same processes, over HTTP, on the processors and memory named."""

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from guarded import cars
from served import price_graph
from test_rollout import SPEC

from expectations.errors import CannotAsk
from expectations.spec import ReleaseSpec
from infra.gateway.client import json_request
from infra.gateway.trial import trial_gateway
from infra.local_store import LocalStore
from infra.packages import golden_records, keep_package
from infra.runtime import Scorer
from tasks.latency import measure_latency

ROWS = cars(2300, 4).drop(columns="price")


@pytest.fixture(scope="module")
def scorer():
    return Scorer(price_graph())


@pytest.fixture(scope="module")
def kept(tmp_path_factory, scorer):
    """A store with the package in it, and the package's digest."""
    store = LocalStore(tmp_path_factory.mktemp("trial"))
    return store, keep_package(store, price_graph(), golden_records(scorer, ROWS.head(5)))[0]


def spec(**serving):
    return ReleaseSpec.model_validate({**SPEC, "serving": serving})


def processes():
    """Those of gateways that this process began, by what the system says of them."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    return [one for one in parents if is_below(os.getpid(), one, parents) and is_gateway(one)]


def is_below(ancestor, one, parents):
    while one in parents:
        one = parents[one]
        if one == ancestor:
            return True
    return False


def is_gateway(one):
    try:
        return b"infra.gateway" in Path(f"/proc/{one}/cmdline").read_bytes()
    except OSError:
        return False


def test_the_gateway_answers_as_the_package_does_to_the_last_bit_whatever_the_spec_hides(kept, scorer):
    heavy = np.where(ROWS.index % 5, ROWS["weight kg"], np.nan)
    odd = ROWS.assign(**{"weight kg": np.where(ROWS.index % 7, heavy, 9e9)})
    with trial_gateway(*kept, spec(on_distrust="refuse", outputs="label", records_per_minute=1)) as gateway:
        found = gateway.answers(scorer, odd)
    for name, expected in scorer.answers(odd).items():
        assert np.array_equal(found[name], expected, equal_nan=expected.dtype.kind == "f"), name


def test_the_gateway_has_the_processors_and_the_memory_that_the_spec_names(kept):
    with trial_gateway(*kept, spec(cpus=1, memory_mb=1500)):
        limits = [Path(f"/proc/{one}/limits").read_text() for one in processes()]
        assert len(limits) >= 2
        assert {len(os.sched_getaffinity(one)) for one in processes()} == {1}
        assert {re.search(r"Max data size +(\d+)", text)[1] for text in limits} == {str(1500 << 20)}


def test_too_little_memory_is_told_and_leaves_nothing_running(kept, monkeypatch):
    monkeypatch.setattr("infra.gateway.trial.limits", lambda _spec: {"cpus": 1, "memory_mb": 30})
    with (
        pytest.raises(CannotAsk, match="did not come up on the trial's processors and memory"),
        trial_gateway(*kept, spec()),
    ):
        pass
    assert not processes()


def test_latency_is_what_a_caller_waits_for_beside_package_and_estimator(kept, scorer):
    class Estimator:
        predict = staticmethod(lambda rows: np.zeros(len(rows)))

    with trial_gateway(*kept, spec()) as gateway:
        evidence = measure_latency(Estimator, scorer, gateway, ROWS, pd.DataFrame(index=ROWS.index), {"cpus": 1})
    assert list(evidence.records) == ["latency_ms", "package_latency_ms", "sklearn_latency_ms"]
    assert (evidence.records.drop(columns="sklearn_latency_ms") > 0).all().all()
    told = evidence.metrics.set_index("metric")["n"]
    of_estimator = evidence.records["sklearn_latency_ms"]
    assert list(of_estimator.notna()) == [at % 5 == 0 for at in range(len(of_estimator))]
    assert told["sklearn_p50_ms"] == told["speedup_single"] == of_estimator.count() < told["p95_ms"]
    assert evidence.facts["cpus"] == 1
    assert {"p95_ms", "speedup_single", "speedup_batch"} <= set(evidence.metrics["metric"])


def test_a_refusal_is_a_sentence(kept):
    with trial_gateway(*kept, spec()) as gateway, pytest.raises(CannotAsk, match=r"refused \(400\).*missing inputs"):
        gateway.post(json_request({"year": np.array([[1.0]])}), {"content-type": "application/json"})
