"""A fault that lies upstream is told from a world that changed: each kind planted, and what only looks like one."""

import numpy as np
import polars as pl
import pytest

from expectations.judge import judge
from expectations.spec import ReleaseSpec
from expectations.suites.cause import cause_suite
from expectations.verdicts import Outcome
from tasks.retraining.cause import measure_cause
from tasks.retraining.units import LARGE, NAMED, explained

SPEC = ReleaseSpec.model_validate(
    {
        "model": {"name": "m", "task": "binary", "owner": "o", "positive": "yes"},
        "candidate": {"train": "t:f"},
        "data": {"target": "y", "sources": {"s": {"path": "s.csv"}}},
    }
)
TRAIN, RECENT = 3000, 400


def table(n=RECENT, seed=1):
    rng = np.random.default_rng(seed)
    income = np.exp(rng.normal(7.5, 0.5, n))
    numbers = {"income": income, "weight": rng.normal(80, 12, n), "celsius": rng.normal(12, 8, n)}
    codes = {"rating": rng.integers(1, 6, n).astype(float), "visits": rng.poisson(3, n).astype(float)}
    town = rng.choice(["Ulm", "Bonn", "Köln"], n, p=[0.5, 0.3, 0.2])
    return pl.DataFrame({**numbers, **codes, "town": town, "y": np.where(income > 1800, "yes", "no")})


def found(recent, train=None, reasons=None):
    """What is against it, by metric, and in what words."""
    evidence = measure_cause("requests", table(TRAIN, 0) if train is None else train, recent, reasons)
    names = [str(name) for name in evidence.metrics["metric"]]
    findings = judge(evidence, cause_suite(SPEC, names), strict=True)
    assert len(findings) == len(names)
    against = [one for one in findings if one.outcome is not Outcome.PASSED]
    return {one.expectation: (one.outcome.value, evidence.facts["told"][one.expectation]) for one in against}


def times(name, factor):
    return table().with_columns(pl.col(name) * factor)


@pytest.mark.parametrize("seed", range(1, 21))
def test_what_is_like_training_is_no_fault(seed):
    assert found(table(seed=seed)) == {}


STRONG = [factor for factor in NAMED if factor >= LARGE]


@pytest.mark.parametrize("factor", [*STRONG, *(1 / factor for factor in STRONG)])
@pytest.mark.parametrize("name", ["income", "weight"])
def test_another_unit_is_found_and_named(name, factor):
    told = found(times(name, factor))
    assert list(told) == [f"unit_changed:{name}"]
    outcome, words = told[f"unit_changed:{name}"]
    large = max(factor, 1 / factor)
    near = [one for one in NAMED if f"{one:,.6g}" in words]
    assert outcome == "failed"
    assert any(abs(np.log(one / large)) < 0.2 for one in near), words


@pytest.mark.parametrize("factor", [factor for factor in NAMED if factor < LARGE])
def test_a_slight_change_of_unit_is_found_where_it_leaves_trainings_range(factor):
    _, words = found(times("weight", factor))["unit_changed:weight"]
    assert f"{factor:,.6g} times training's" in words


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("celsius", lambda x: 1.8 * x + 32, "Fahrenheit"),
        ("celsius", lambda x: x + 273.15, "Kelvin"),
        ("weight", lambda x: -x, "the other sign"),
        ("income", lambda x: x.log(), "logarithms"),
        ("weight", lambda x: x * 250, "250 times"),
    ],
)
def test_other_scales_are_found_too(name, change, words):
    told = found(table().with_columns(change(pl.col(name)).alias(name)))
    assert words.split()[0] in told[f"unit_changed:{name}"][1]


def test_one_caller_among_others_with_another_unit_is_found():
    some = pl.int_range(pl.len()) % 3 == 0
    mixed = table().with_columns(pl.when(some).then(pl.col("weight") * 1000).otherwise("weight").alias("weight"))
    _, words = found(mixed)["unit_changed:weight"]
    assert words.startswith("weight: 34% of its values are 1,")


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "kind", ["richer", "heavier", "only the rich", "another mix", "more visits", "wider", "colder"]
)
def test_a_population_that_moves_is_no_change_of_unit(seed, kind):
    rng = np.random.default_rng(seed)
    rows = table(4000, seed + 50)
    moved = {
        "richer": lambda: rows.with_columns(pl.col("income") * rng.uniform(1.2, 3)),
        "heavier": lambda: rows.with_columns(pl.col("weight") + rng.uniform(5, 40)),
        "only the rich": lambda: rows.filter(pl.col("income") > 2500),
        "another mix": lambda: rows.filter((pl.col("town") != "Ulm") & (pl.col("rating") > 1)),
        "more visits": lambda: rows.with_columns(visits=pl.lit(rng.poisson(rng.uniform(4, 9), 4000).astype(float))),
        "wider": lambda: rows.with_columns(weight=80 + (pl.col("weight") - 80) * rng.uniform(1.3, 2)),
        "colder": lambda: rows.with_columns(pl.col("celsius") - rng.uniform(5, 20)),
    }[kind]()
    told = found(moved.sample(RECENT, seed=seed))
    assert told == {}


def test_labels_that_flip_are_no_fault_of_what_is_sent():
    flipped = table().with_columns(y=pl.when(pl.col("y") == "yes").then(pl.lit("no")).otherwise(pl.lit("yes")))
    assert found(flipped) == {}


@pytest.mark.parametrize(
    ("change", "metric", "words"),
    [
        (lambda t: t.with_columns(income=pl.lit(None)), "gone:income", "income: it is missing now"),
        (lambda t: t.with_columns(town=pl.lit("")), "gone:town", "town: it is missing now"),
        (
            lambda t: t.with_columns(pl.col("income").cast(pl.String) + " EUR"),
            "unreadable:income",
            "texts where numbers",
        ),
        (lambda t: t.with_columns(pl.col("town").str.to_uppercase()), "respelled:town", "town: the same values"),
        (lambda t: t.with_columns(pl.col("town") + " "), "respelled:town", "such as"),
        (lambda t: t.with_columns(town=pl.lit("17")), "never_seen:town", "values that are all new"),
        (lambda t: t.with_columns(pl.col("rating") + 1), "codes_moved:rating", "+1 to training's; 1 is gone, 6 is new"),
        (lambda t: t.with_columns(pl.col("rating") - 1), "codes_moved:rating", "-1 to training's; 5 is gone, 0 is new"),
    ],
)
def test_what_is_gone_or_written_otherwise_is_found(change, metric, words):
    told = found(change(table()))
    assert told[metric][0] == "failed"
    assert words in told[metric][1]


def test_a_new_town_beside_the_known_ones_is_no_fault():
    some = pl.int_range(pl.len()) % 2 == 0
    assert found(table().with_columns(town=pl.when(some).then(pl.lit("Hof")).otherwise("town"))) == {}


def test_live_look_ups_that_do_not_answer_are_found():
    answered = pl.Series([0, 1, 2, 4] * 100)
    assert found(table(), reasons=answered) == {}
    silent = pl.Series([128, 129, 0, 64] * 100)
    told = found(table(), reasons=silent)
    assert set(told) == {"lookup:stale", "lookup:unanswered"}


def test_of_few_records_nothing_can_be_told():
    outcomes = {outcome for outcome, _ in found(times("income", 1000).head(60)).values()}
    assert outcomes == {"inconclusive"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([], [1.0] * 60),
        ([1.0] * 60, []),
        ([1.0] * 60, [5.0] * 60),
        ([np.nan] * 60, [np.inf] * 60),
        ([0, 1] * 50, [0] * 60),
    ],
)
def test_columns_without_a_scale_have_no_unit(old, new):
    assert explained(np.array(old, dtype=float), np.array(new, dtype=float)) is None
