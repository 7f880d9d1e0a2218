import numpy as np
import polars as pl
import pytest

from expectations.judge import judge
from expectations.spec import ReleaseSpec
from expectations.suites.data import data_suite
from expectations.verdicts import Outcome
from tasks.data_checks import measure_data

SPEC = ReleaseSpec.model_validate(
    {
        "model": {"name": "m", "task": "binary", "owner": "o", "positive": "yes"},
        "candidate": {"train": "t:f"},
        "data": {"target": "y", "sources": {"s": {"path": "s.csv"}}},
    }
)


def table(n=4000, seed=0):
    rng = np.random.default_rng(seed)
    numbers = {"size": rng.normal(100, 20, n), "age": rng.uniform(0, 90, n)}
    return pl.DataFrame({**numbers, "town": rng.choice(["a", "b", "c"], n), "y": rng.choice(["yes", "no"], n)})


def troubles(current, reference=None):
    evidence = measure_data(table(seed=1) if reference is None else reference, current, "y", "yes", True)
    names = [str(name) for name in evidence.metrics["metric"]]
    findings = judge(evidence, data_suite(SPEC, names), strict=True)
    return {f.expectation: f.outcome for f in findings if f.outcome is not Outcome.PASSED}


def test_data_like_the_reference_passes():
    assert troubles(table()) == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t: t.drop("town"), {"missing_columns": "failed", "missing:town": "failed"}),
        (
            lambda t: t.with_columns(pl.col("size").cast(pl.String)),
            {"changed_types": "failed", "changed_type:size": "failed"},
        ),
        (
            lambda t: t.with_columns(pl.lit(None, pl.Float64).alias("size")),
            {"empty_columns": "failed", "empty:size": "failed", "null_growth:size": "failed"},
        ),
        (
            lambda t: t.with_columns(pl.when(pl.col("size") > 95).then("size").alias("size")),
            {"null_growth:size": "failed", "drift:size": "warned"},
        ),
        (lambda t: t.with_columns(pl.col("size") * 1000), {"out_of_range:size": "warned", "drift:size": "warned"}),
        (
            lambda t: t.with_columns(pl.lit("z").alias("town")),
            {"unknown_categories:town": "warned", "drift:town": "warned"},
        ),
        (lambda t: t.with_columns(pl.lit("no").alias("y")), {"classes": "failed", "positives": "failed"}),
        (lambda t: pl.concat([t, t]), {"duplicate_rows": "warned"}),
        (
            lambda t: t.head(50),
            {"rows": "failed", "drift:size": "warned", "drift:town": "warned", "drift:age": "warned"},
        ),
    ],
)
def test_a_planted_fault_is_found_by_its_own_check(change, expected):
    assert troubles(change(table())) == expected


def test_drift_does_not_grow_with_the_sample():
    found = []
    for n in (2_000, 50_000):
        shifted = table(n, 2).with_columns(pl.col("size") + 4)
        evidence = measure_data(table(n, 3), shifted, "y", "yes", True)
        found.append(evidence.metrics.set_index("metric").loc["drift:size", "value"])
    assert found[0] == pytest.approx(found[1], abs=0.03)


def test_free_text_is_no_category_and_only_its_length_can_drift():
    words = [f"mail number {n}" for n in range(100)]
    old, new = pl.DataFrame({"subject": words, "y": [0.0] * 100}), pl.DataFrame({"subject": [w * 3 for w in words]})
    found = measure_data(old, new.with_columns(y=pl.lit(0.0)), "y", None, False).metrics.set_index("metric")["value"]
    assert "unknown_categories:subject" not in found
    assert found["drift:subject (length)"] == 1
