"""A loop is found: rows that the model was asked about before, and truths that come of one kind of answer alone."""

import numpy as np
import polars as pl
import pytest

from expectations.judge import judge
from expectations.spec import ReleaseSpec
from expectations.suites.echo import echo_suite
from tasks.retraining.echo import measure_echo

SPEC = ReleaseSpec.model_validate(
    {
        "model": {"name": "m", "task": "binary", "owner": "o", "positive": "yes"},
        "candidate": {"train": "t:f"},
        "data": {"target": "y", "sources": {"s": {"path": "s.csv"}}},
    }
)


def rows(n, seed):
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {"income": rng.normal(size=n), "town": rng.choice(["Ulm", ""], n), "y": rng.choice(["a", "b"], n)}
    )


def answered(n=2000, seed=0, told=lambda answer, rng: rng.random() < 0.5, numbers=False):
    rng = np.random.default_rng(seed)
    said = rng.normal(size=n) if numbers else rng.choice(["good", "bad"], n)
    truth = ["good" if told(one, rng) else None for one in said]
    return pl.DataFrame({"output.prediction": said, "truth": truth}, schema_overrides={"truth": pl.String})


def warned(new, asked=None, log=None, old=None):
    inputs = (asked if asked is not None else rows(500, 9)).select("income", "town")
    evidence = measure_echo(new, rows(900, 1) if old is None else old, inputs, answered() if log is None else log, 2000)
    findings = judge(evidence, echo_suite(SPEC, [str(name) for name in evidence.metrics["metric"]]), strict=False)
    return {one.expectation: one.outcome.value for one in findings if one.outcome.value != "passed"}


@pytest.mark.parametrize("seed", range(5))
def test_rows_that_nobody_asked_about_are_no_echo(seed):
    assert warned(rows(400, 100 + seed), log=answered(seed=seed)) == {}


def test_rows_that_the_model_was_asked_about_are_told():
    new = rows(400, 2)
    assert warned(new, asked=new.head(200)) == {"scored_before": "warned"}
    assert warned(new, asked=new.head(20)) == {}


def test_a_gap_is_a_gap_however_it_was_sent():
    new = rows(400, 2).with_columns(income=pl.lit(None, pl.Float64))
    sent = new.with_columns(
        income=pl.lit(float("nan")), town=pl.when(pl.col("town") == "").then(None).otherwise("town")
    )
    # Where training has the same rows, they are met by chance.
    assert warned(new, asked=sent) == {"scored_before": "warned"}
    assert warned(new, asked=sent, old=new) == {}


def test_truths_that_come_of_one_answer_alone_are_told():
    assert warned(rows(400, 2), log=answered(told=lambda one, rng: one == "good")) == {"label_gap": "warned"}
    assert warned(rows(400, 2), log=answered(told=lambda one, rng: rng.random() < 0.05)) == {}


def test_truths_that_come_of_high_numbers_alone_are_told():
    assert warned(rows(400, 2), log=answered(numbers=True, told=lambda one, rng: one > 1)) == {"label_gap": "warned"}
    assert warned(rows(400, 2), log=answered(numbers=True)) == {}


def test_of_too_few_nothing_is_told_for_sure():
    assert warned(rows(20, 2), asked=rows(20, 2)) == {"scored_before": "warned"}
    evidence = measure_echo(rows(20, 2), rows(9, 1), rows(20, 2).select("income"), answered(), 20)
    [one] = judge(evidence, echo_suite(SPEC, ["scored_before"]), strict=False)
    assert "100 are needed to tell" in one.found


def test_without_new_rows_and_truths_there_is_nothing_to_ask():
    nothing = answered().with_columns(truth=pl.lit(None, pl.String))
    evidence = measure_echo(rows(0, 1), rows(9, 1), rows(9, 1).select("income"), nothing, 9)
    assert "no row is new" in evidence.facts["not_applicable"]
