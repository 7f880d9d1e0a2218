from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from expectations.errors import CannotAsk
from infra import workshop
from infra.spec_file import read_spec
from tasks import steps
from tasks.check import Subject
from tasks.convertible import refused_early
from tasks.job import Job

SPEC = """\
model: {name: m, task: regression, owner: olga}
candidate: {train: "fitting:fit"}
data: {target: y, sources: {rows: {path: rows.csv}}}
"""
LINEAR = "LinearRegression().fit(features, target)"


@pytest.fixture
def subject(tmp_path, monkeypatch):
    """The snapshot of a project with so many rows, whose training is the given lines."""
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))

    def made(n, *lines):
        frame = pd.DataFrame(np.random.default_rng(0).normal(size=(n, 3)), columns=["a", "b", "y"])
        frame.to_csv(tmp_path / "rows.csv", index=False)
        head = ["from sklearn.linear_model import LinearRegression", "def fit(features, target):"]
        (tmp_path / "fitting.py").write_text("\n".join([*head, *(f"    {line}" for line in lines)]) + "\n")
        (tmp_path / "release.yaml").write_text(SPEC)
        job = Job(read_spec(tmp_path / "release.yaml"), str(tmp_path / "store"), datetime(2030, 1, 1))
        return Subject(job, steps.take_snapshot.fn(job))

    return made


def test_what_converts_passes_and_is_remembered(subject, tmp_path):
    marked = subject(1500, f"open({str(tmp_path / 'fitted')!r}, 'a').write(f'{{len(features)}} ')", f"return {LINEAR}")
    first = steps.ask_convertible.fn(marked)
    assert first == {"told": "converts, trained on 500 rows"}
    assert steps.ask_convertible.fn(marked) == first
    assert (tmp_path / "fitted").read_text() == "500 "


def test_what_converts_to_nothing_is_refused_with_the_reason(subject):
    lines = ("from sklearn.decomposition import NMF", "from sklearn.pipeline import make_pipeline")
    model = "make_pipeline(NMF(1), LinearRegression()).fit(features.abs(), target)"
    told = refused_early(subject(1500, *lines, f"return {model}"))
    assert told["refused"].startswith("NMF cannot be converted to ONNX")


def test_a_candidate_that_was_never_trained_is_refused(subject):
    assert "never trained" in refused_early(subject(1500, "return LinearRegression()"))["refused"]


def test_a_training_that_needs_more_rows_is_refused_by_nothing_here(subject):
    told = refused_early(subject(1500, "assert len(features) > 500, 'too few'", f"return {LINEAR}"))
    assert told["told"].startswith("cannot tell before training: on 500 rows fitting:fit: AssertionError: too few")


def test_few_rows_are_not_trained_on_twice(subject):
    assert refused_early(subject(300, "raise ValueError"))["told"] == "no long training; the conversion tells"


def test_types_that_nobody_allowed_are_told_before_the_training(subject):
    lines = ("class Own(LinearRegression): pass", "Own.__qualname__ = 'Own'", "globals()['Own'] = Own")
    with pytest.raises(CannotAsk, match=r"fitting\.Own"):
        refused_early(subject(1500, *lines, "return Own().fit(features, target)"))


def test_a_prepared_workshop_gives_the_same_candidate_and_ends_without_a_job(subject, tmp_path):
    some, found = subject(300, f"return {LINEAR}"), []
    frame = tmp_path / "frame.parquet"
    some.data().to_parquet(frame)
    for ahead in (False, True):
        if ahead:
            workshop.prepare()
        out = tmp_path / f"{ahead}.skops"
        workshop.train(tmp_path, "fitting:fit", frame, "y", out, seed=0, timeout_minutes=1)
        found.append(steps.train.open_skops(out).coef_.tolist())
    assert found[0] == found[1]
    workshop.prepare()
    assert workshop._prepared.pop().communicate(timeout=30)[1] == ""
