from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest
from diaries import answered, asked, diary, metrics
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st
from planted.base import Planted
from planted.production import FAULTS, LIKE_TRAINING
from planted.run import against, findings_of, subject_of
from qualified import case, parted, values
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from expectations.judge import judge
from expectations.spec import ReleaseSpec
from expectations.suites.production import production_suite
from infra.gateway.diary.columns import columns_of
from infra.prediction_log import LogReader
from infra.store import open_store
from tasks.data_checks import sure_distance
from tasks.qualification.production import measure_production, plots
from tasks.qualification.production_rows import Recent, recent_rows

SPEC = {
    "model": {"name": "m", "task": "binary", "owner": "o", "positive": "yes"},
    "candidate": {"train": "t:f"},
    "data": {"target": "y", "sources": {"s": {"path": "s.csv"}}},
    "risk": {"tier": 3},
}


def numbers(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n)})
    return frame.assign(y=np.where(frame["a"] + rng.normal(0, 1, n) > 0, "yes", "no"))


@pytest.fixture(scope="module")
def one():
    return case(make_pipeline(StandardScaler(), LogisticRegression()), parted(numbers()), "y", positive="yes")


def recent(frame, hidden=()):
    return Recent(pl.from_pandas(frame), hidden, "a test")


def against_it(evidence):
    suite = production_suite(ReleaseSpec.model_validate(SPEC), [str(name) for name in evidence.metrics["metric"]])
    return {f.expectation: f.outcome.value for f in judge(evidence, suite, strict=True) if f.outcome.value != "passed"}


def asked_of(n, seed=9):
    return numbers(n, seed).drop(columns="y")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)
def test_another_world_is_found(fault, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    found = against(findings_of(subject_of(fault, tmp_path), "production"))
    assert any(fault.says in one.expectation for one in found), found


def test_production_like_training_raises_no_alarm(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    findings = findings_of(subject_of(LIKE_TRAINING, tmp_path), "production")
    assert against(findings) == []
    assert len(findings) > 20


@pytest.mark.parametrize("seed", range(5))
def test_chance_raises_no_alarm(one, seed):
    assert against_it(measure_production(one, recent(asked_of(300, seed + 20)))) == {}


def test_what_the_gateways_wrote_down_is_compared(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    subject = subject_of(Planted("clean", "production", ""), tmp_path)
    assert [f.outcome.value for f in findings_of(subject, "production")] == ["not applicable"]
    scorer, spec = subject.scorer(), subject.job.spec
    rows = subject.data().head(400).assign(amount=lambda rows: rows["amount"] * 1000, town="")
    columns = columns_of(scorer.signature, spec.data.model_dump(mode="json"), spec.serving.log)
    book = diary(subject.job.store(), tmp_path / "gateway", metrics(tmp_path), r1=columns)
    feed = {item["column"]: scorer.feed(rows)[item["input"]] for item in scorer.signature["inputs"]}
    request = asked("q1", model=spec.model.name)
    request = type(request)(spec.model.name, feed, len(rows), "q1", caller="web")
    for shadow in (False, True):
        book.record(request, answered(len(rows)), 0.0, shadow=shadow)
    book.flush()
    book._spool.close()
    book.bring(book._spool.bring)
    later = type(subject.job)(
        subject.job.file, subject.job.store_url, datetime.now(UTC).replace(tzinfo=None) + timedelta(1)
    )
    subject = type(subject)(later, subject.manifest, subject.trained, subject.packed)
    found = recent_rows(subject, list(scorer.sent))
    assert len(found.rows) == 400
    assert found.hidden == ("group",)
    told = {f.expectation: f.outcome.value for f in against(findings_of(subject, "production"))}
    assert {"surely_drifted:amount", "surely_more_missing:town", "surely_told_apart"} <= set(told)
    assert "surely_drifted:income" not in told


def test_a_source_that_is_none_is_an_error_of_the_spec():
    with pytest.raises(ValueError, match=r"checks\.production\.source: 'asked' is no source; there are s"):
        ReleaseSpec.model_validate({**SPEC, "checks": {"production": {"source": "asked"}}})


def test_a_glance_at_the_log_stops_when_it_has_seen_enough(tmp_path):
    store = open_store(str(tmp_path / "store"))
    for at in range(4):
        book = diary(store, tmp_path / f"home{at}", metrics(tmp_path / f"m{at}"))
        book.record(asked(f"q{at}", ages=[1.0] * 10), answered(10), 0.0)
        book.flush()
        book._spool.close()
        book.bring(book._spool.bring)
    reader = LogReader(store, "predictions", "m", datetime.now(UTC) - timedelta(days=1))
    assert len(reader.some(15, 0)) == 20
    assert len(LogReader(store, "predictions", "m", datetime.now(UTC) - timedelta(days=1)).some(1000, 0)) == 40


def test_inputs_that_nobody_may_see_cannot_be_told(one):
    evidence = measure_production(one, recent(asked_of(300)[[]], ("a", "b")))
    assert against_it(evidence) == {"surely_told_apart": "inconclusive"}
    assert evidence.facts["not_compared"] == ["a", "b"]


def test_too_few_rows_are_told_once(one):
    assert against_it(measure_production(one, recent(asked_of(30)))) == {"surely_told_apart": "inconclusive"}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda f: f.assign(a=f["a"] * 1000), {"surely_drifted:a", "surely_never_seen:a", "surely_told_apart"}),
        (lambda f: f.assign(a=f["a"] + 1.5), {"surely_drifted:a", "surely_told_apart"}),
        (lambda f: f.assign(b=np.nan), {"surely_more_missing:b", "surely_told_apart"}),
        (lambda f: f.assign(b=f["b"].round(0)), set()),
    ],
)
def test_what_moved_is_named(one, change, found):
    told = set(against_it(measure_production(one, recent(change(asked_of(600))))))
    assert found <= told
    assert not [name for name in told - found if name.startswith("surely_drifted")]


def test_a_change_of_all_columns_together_is_told_though_no_column_moved(one):
    """The same values, but a and b go together: no distance of a column sees that."""
    rng = np.random.default_rng(3)
    a = rng.normal(size=2000)
    found = against_it(measure_production(one, recent(pd.DataFrame({"a": a, "b": a + rng.normal(0, 0.1, 2000)}))))
    assert set(found) == {"surely_told_apart"}


def test_the_plots_say_what_they_show(one):
    evidence = measure_production(one, recent(asked_of(600).assign(a=lambda rows: rows["a"] + 2)))
    drift, giving = plots(evidence, {})
    assert "a 0." in drift.alt
    assert giving.alt.startswith("What tells production from training: 2 in all. a ")
    assert evidence.records["column"].tolist()[0] == "a"
    assert values(evidence).loc["told_apart", "value"] > 0.8


@rules(max_examples=30)
@given(st.integers(0, 1000), st.integers(20, 400), st.booleans())
def test_a_sure_distance_is_never_more_than_what_was_seen(seed, n, texts):
    rng = np.random.default_rng(seed)
    kinds = (
        (lambda: pl.Series("x", rng.choice(list("abcd"), n).tolist()))
        if texts
        else (lambda: pl.Series(rng.normal(size=n)))
    )
    old, new = kinds(), kinds()
    assert sure_distance(old, new, 1e-4) == 0.0
    assert 0 <= sure_distance(old, old, 0.05) <= 1
