"""The peers of the drift benchmark are what their names say."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import chi2_contingency, ks_2samp

from benchmarks.drift_case import Run
from benchmarks.drift_rules import Rule, column_of, first, path, placed, tuned

DRAW = np.random.default_rng(0)
OWN = pl.DataFrame({"x": DRAW.normal(size=290), "c": DRAW.choice(["a", "b", "c"], 290)})
NOW = pl.DataFrame({"x": DRAW.normal(0.2, size=400), "c": DRAW.choice(["a", "b", "d"], 400)})


def windows(name):
    column = column_of(OWN[name])
    return column, np.bincount(column.places(NOW[name]), minlength=len(column.counts) + 1)[None, :-1].astype(float)


def test_the_test_of_numbers_is_kolmogorov_and_smirnovs():
    column, counts = windows("x")
    known = ks_2samp(OWN["x"].to_numpy(), NOW["x"].to_numpy(), method="asymp").pvalue
    assert column.p(counts)[0] == pytest.approx(known, rel=0.1)


def test_the_test_of_categories_is_chi_squared_with_what_is_new_as_a_category():
    column, counts = windows("c")
    own = [OWN["c"].to_list().count(one) for one in "abcd"]
    now = [NOW["c"].to_list().count(one) for one in "abcd"]
    assert column.p(counts)[0] == pytest.approx(chi2_contingency([own, now], correction=False).pvalue)


def test_a_window_holds_its_minutes_alone_and_sees_the_fault_once_it_has_begun():
    columns = [column_of(OWN["x"])]
    clean, fault = (placed(columns, pl.DataFrame({"x": values})) for values in (OWN["x"], OWN["x"] + 100))
    run = Run(DRAW.integers(0, 290, (90, 50)), 60)
    found = path(columns, run, clean, fault, 10)
    assert (found[:9] == 0).all()
    assert found[:60].max() < 5 < found[62]
    assert found[70:].min() > 100
    assert first(Rule("", 10, 1, 20.0), found, run.start) <= 4


def test_a_tuned_level_is_reached_by_no_more_clean_runs_than_the_rate_allows():
    runs = [DRAW.exponential(size=100) for _ in range(100)]
    rule = tuned(Rule("", 10, 1, 0.0), runs, 0.05)
    assert sum(np.isfinite(first(rule, one)) for one in runs) == 5
