from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted.base import POSITIVE, SPEC, TARGET, Planted, clean
from planted.models import columns
from planted.run import against, findings_of, subject_of
from planted.slices import FAULTS
from qualified import case, parted, values
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from expectations.errors import CannotAsk
from expectations.judge import judge
from expectations.options.slices import Slices
from expectations.spec import ReleaseSpec
from expectations.suites.slices import TOLERATED, slices_suite
from tasks.qualification.levels import banded_cut, cut_of, merged_cut, rows_where
from tasks.qualification.slices import CHECK, measure_slices
from tasks.qualification.slices_excess import excess_of, strata_of, sure_bounds
from tasks.qualification.slices_search import Sought, holds, search

ROLES = {"group": ("protected",)}


def loans(seed=0, n=4000, tier=3, model=None, table=clean):
    frame = table(np.random.default_rng(seed), n)
    estimator = make_pipeline(columns(), model or LogisticRegression(max_iter=500))
    return case(estimator, parted(frame), TARGET, tier=tier, roles=ROLES, positive=POSITIVE, seed=seed)


def judged(evidence, tier=3):
    spec = ReleaseSpec.model_validate({**SPEC, "risk": {"tier": tier}})
    return against(judge(evidence, slices_suite(spec, list(evidence.metrics["metric"])), strict=True))


@pytest.fixture(scope="module")
def plain():
    return loans()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)
def test_a_planted_slice_is_found(fault, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    found = against(findings_of(subject_of(fault, tmp_path), "slices"))
    assert any(fault.says in one.expectation and one.outcome == "failed" for one in found), found


def test_the_clean_table_gets_nothing_from_slices_fairness_and_calibration(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    subject = subject_of(Planted("clean", "slices", ""), tmp_path)
    assert not against(findings_of(subject, "slices", "fairness", "calibration"))


def test_clean_models_of_many_seeds_have_no_slice_that_is_surely_worse(plain):
    for seed in range(10):
        fresh = clean(np.random.default_rng(100 + seed), 1200)
        one = replace(plain, test=fresh.drop(columns=TARGET), target=fresh[TARGET], seed=seed)
        assert not judged(measure_slices(one, Slices())), seed


def test_pure_noise_has_no_slices():
    def noise(rng, n):
        return clean(rng, n).assign(**{TARGET: rng.choice(["no", POSITIVE], n)})

    one = loans(table=noise)
    for seed in range(20):
        fresh = noise(np.random.default_rng(200 + seed), 1000)
        found = measure_slices(replace(one, test=fresh.drop(columns=TARGET), target=fresh[TARGET], seed=seed), Slices())
        assert not judged(found), seed


def test_a_declared_slice_is_told_with_its_interval_and_judged(plain):
    turned = plain.target.where(~plain.test["town"].eq("Easton"), plain.target.map({"yes": "no", "no": "yes"}))
    asked = Slices.model_validate({"declared": [{"name": "easton", "where": {"town": "Easton", "age": [None, 90]}}]})
    found = measure_slices(replace(plain, target=turned), asked)
    row = values(found).loc["slice:easton"]
    assert row["lower"] < row["value"] < row["upper"]
    assert row["value"] > 0.4
    assert {one.expectation for one in judged(found)} >= {"slice_excess_at_least:easton"}


def test_a_declared_slice_with_few_records_cannot_be_told(plain):
    asked = Slices.model_validate({"declared": [{"name": "few", "where": {"age": [21, 21], "town": ["Easton"]}}]})
    (found,) = judged(measure_slices(plain, asked))
    assert (found.expectation, found.outcome) == ("slice_excess_at_least:few", "inconclusive")
    assert "are needed to tell" in found.found


def test_a_declared_slice_may_use_a_column_that_the_model_is_not_given(plain):
    beside = pd.DataFrame({"branch": np.where(np.arange(len(plain.target)) % 4, "north", "south")})
    with_branch = replace(plain, train_beside=beside.head(3), test_beside=beside)
    asked = Slices.model_validate({"declared": [{"name": "north", "where": {"branch": "north"}}]})
    asked = asked.model_copy(update={"conditions": 0})
    assert values(measure_slices(with_branch, asked)).loc["slice:north", "n"] == 750


def test_a_declared_column_that_is_absent_is_named_with_the_nearest(plain):
    asked = Slices.model_validate({"declared": [{"name": "x", "where": {"twon": "Easton"}}]})
    with pytest.raises(CannotAsk, match=r"expected a column of the data, found 'twon'. The nearest is town"):
        measure_slices(plain, asked)


def test_two_declared_slices_of_one_name_are_an_error():
    twice = [{"name": "x", "where": {"a": 1}}, {"name": "x", "where": {"b": 1}}]
    with pytest.raises(ValueError, match="a name of its own"):
        Slices.model_validate({"declared": twice})


def test_with_thirty_rows_it_cannot_be_told(plain):
    (found,) = judged(measure_slices(replace(plain, test=plain.test.head(30), target=plain.target.head(30)), Slices()))
    assert found.outcome == "inconclusive"


def test_no_rows_at_all_cannot_be_told_either(plain):
    found = measure_slices(replace(plain, test=plain.test.head(0), target=plain.target.head(0)), Slices())
    assert judged(found)[0].outcome == "inconclusive"


def test_nothing_to_search_and_nothing_declared_is_not_applicable(plain):
    found = measure_slices(plain, Slices().model_copy(update={"conditions": 0}))
    assert found.facts["not_applicable"].startswith("No column has levels")


def test_a_regression_with_gaps_a_bool_and_a_constant_is_searched():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=3000), "flag": rng.random(3000) < 0.5, "one": 1.0})
    noise = rng.normal(size=3000) * np.where(frame["flag"], 4.0, 1.0)
    one = case(LinearRegression(), parted(frame.assign(y=frame["a"] + noise)), "y", tier=3)
    gaps, lost = one.test["a"].where(rng.random(len(one.test)) > 0.2), rng.random(len(one.test)) < 0.1
    found = measure_slices(replace(one, test=one.test.assign(a=gaps), target=one.target.mask(lost)), Slices())
    assert found.records.loc[0, "slice"] == "flag: True"
    assert found.facts["rows_without_a_loss"] == lost.sum()
    assert judged(found)


def test_of_protected_columns_no_value_is_named(plain):
    turned = plain.target.where(~plain.test["group"].eq("b"), plain.target.map({"yes": "no", "no": "yes"}))
    found = measure_slices(replace(plain, target=turned), Slices())
    assert found.records.loc[0, "slice"] == "group: value 2 (not shown)"


def test_without_probabilities_a_slice_only_warns():
    one = loans(model=LinearSVC(), n=6000)
    turned = one.target.where(~one.test["town"].eq("Easton"), one.target.map({"yes": "no", "no": "yes"}))
    found = judged(measure_slices(replace(one, target=turned), Slices()))
    assert {one.outcome for one in found} == {"warned"}


def test_costs_are_a_loss_like_any_other(plain):
    costs = np.where(plain.test["job"] == "nurse", 100.0, 1.0) + np.random.default_rng(0).normal(size=len(plain.test))
    assert measure_slices(plain, Slices(metric="cost"), costs).records.loc[0, "slice"] == "job: nurse"


@pytest.mark.parametrize(("size", "outcomes"), [(TOLERATED, []), (TOLERATED + 1e-9, ["failed"])])
def test_the_limit_itself_is_still_good(plain, size, outcomes):
    found = measure_slices(plain, Slices())
    metrics = found.metrics.assign(value=np.where(found.metrics["metric"].str.startswith("worst"), size, 0.0))
    assert [one.outcome for one in judged(replace(found, metrics=metrics))] == outcomes


def test_the_plot_says_in_words_what_it_draws(plain):
    evidence = measure_slices(plain, Slices())
    (plot,) = CHECK.plots(evidence, {})
    assert plot.alt.startswith("Slices, and how much worse they are: ")


tables = st.integers(0, 2**32 - 1)


@given(tables)
@settings(max_examples=25)
def test_the_search_finds_what_trying_everything_finds(seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, (120, 4))
    excess = rng.normal(size=120) + 2.0 * ((codes[:, 0] == 1) & (codes[:, 2] == 2)) * rng.integers(0, 2)
    bands, w, support = [3, 0, 0, 3], 0.05, 8
    found = search(codes, bands, excess, 1.0, Sought(support, 3, w, 5))
    best = max(_every_score(codes, bands, excess, w, support), default=0.0)
    scores = [_score(np.all([holds(codes, one) for one in slice_], axis=0), excess, w) for slice_ in found.slices]
    # Of slices that are nearly the same the simpler is told, if it is worth four fifths.
    assert max(scores, default=0.0) >= 0.8**2 * best - 1e-5


def _every_score(codes, bands, excess, w, support):
    predicates = [(c, k, k) for c in range(4) for k in range(3)]
    predicates += [(c, *ends) for c in range(4) if bands[c] for ends in ((0, 1), (1, 2))]
    for count in (1, 2, 3):
        for chosen in combinations(predicates, count):
            mask = np.all([holds(codes, one) for one in chosen], axis=0)
            if len({c for c, _, _ in chosen}) == count and mask.sum() >= support:
                yield max(0.0, _score(mask, excess, w))


def _score(mask, excess, w):
    return (1 - w) * excess[mask].mean() - w * (len(mask) / mask.sum() - 1)


def test_of_true_nothing_the_sure_bound_is_seldom_above_zero():
    rng, above = np.random.default_rng(0), 0
    for _ in range(400):
        loss = (rng.random(500) < 0.2).astype(float)
        slices = [rng.random(500) < 0.1 for _ in range(5)]
        bounds = sure_bounds([excess_of(loss, strata_of(rng.random(500)), one) for one in slices], 0.05)
        above += bool((bounds > 0).any())
    assert above / 400 < 0.08


def test_a_hard_slice_is_no_worse_slice():
    rng = np.random.default_rng(0)
    chance = rng.random(20000)
    loss = (rng.random(20000) < np.minimum(chance, 1 - chance)).astype(float)
    hard = (np.abs(chance - 0.5) < 0.2) & (rng.random(20000) < 0.8)
    alike, rest = (excess_of(loss, strata, hard) for strata in (strata_of(chance), np.zeros(20000, dtype=int)))
    assert rest.difference > 0.15
    assert abs(alike.difference) < 0.02


def test_members_whose_answers_are_like_nobodys_are_not_compared():
    chance = np.repeat([0.1, 0.5], 100)
    loss = np.repeat([0.0, 1.0], 100)
    found = excess_of(loss, strata_of(chance), chance > 0.3)
    assert (found.n, found.members) == (0, 100)
    assert np.isnan(found.difference)


def test_levels_have_words_and_missing_is_one():
    numbers = pd.Series([1.0, 2.0, 3.0, 4.0, 5.0, np.nan])
    cut = banded_cut("age", [2, 4])
    assert [cut.words[code] for code in cut.codes(numbers)] == [
        "under 2", "2 to under 4", "2 to under 4", "4 or more", "4 or more", "missing",
    ]  # fmt: skip
    assert cut.word(0, 1) == "under 4"
    assert cut_of("x", pd.Series([True, False, True]), 5, 10).words == ("False", "True", "(others)", "missing")
    assert merged_cut("t", {"north": ["a", "b"]}).codes(pd.Series(["b", "c", None])).tolist() == [0, 1, 2]
    assert cut_of("gone", pd.Series([np.nan, np.nan]), 5, 10).codes(pd.Series([1.0, np.nan])).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("condition", "rows"),
    [(2, [1]), ([2, 3], [1, 2]), ([None, 2], [0, 1]), (None, [3]), ([1, 2, 3], [0, 1, 2]), ("2", [1])],
)
def test_a_condition_on_numbers(condition, rows):
    assert np.flatnonzero(rows_where(pd.Series([1.0, 2.0, 3.0, np.nan]), condition)).tolist() == rows
