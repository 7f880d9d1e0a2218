from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equalized_odds_difference,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from hypothesis import given
from hypothesis import strategies as st
from planted.base import POSITIVE, SPEC, TARGET, clean
from planted.fairness import FAULTS
from planted.models import columns
from planted.run import against, findings_of, subject_of
from qualified import case, parted, values
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from expectations.errors import CannotAsk
from expectations.judge import judge
from expectations.options.fairness import Fairness
from expectations.spec import ReleaseSpec
from expectations.suites.fairness import FOUR_FIFTHS, GAP, fairness_suite
from expectations.tiers import TIERS
from tasks.qualification.fairness import CHECK, measure_fairness
from tasks.qualification.fairness_gaps import Mean, gap_of
from tasks.qualification.fairness_proxies import area_of

PEOPLE = {"group": ("protected",), "age": ("protected",)}


def loans(roles=PEOPLE, tier=3, n=4000):
    model = make_pipeline(columns(), LogisticRegression(max_iter=500))
    return case(model, parted(clean(np.random.default_rng(0), n)), TARGET, tier=tier, roles=roles, positive=POSITIVE)


def judged(evidence, tier=3):
    spec = ReleaseSpec.model_validate({**SPEC, "risk": {"tier": tier}})
    return against(judge(evidence, fairness_suite(spec, list(evidence.metrics["metric"])), strict=True))


@pytest.fixture(scope="module")
def plain():
    return loans({"group": ("protected",)})


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)
def test_a_planted_unfairness_is_found(fault, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    found = against(findings_of(subject_of(fault, tmp_path), "fairness"))
    assert any(fault.says in one.expectation for one in found), found


def test_a_fair_model_passes(plain):
    assert not judged(measure_fairness(plain, Fairness()))


def test_group_metrics_and_gaps_are_those_of_fairlearn():
    one = loans(n=8000)
    found = values(measure_fairness(one, Fairness()))
    truth, said = (one.actual == POSITIVE).astype(int), (one.said.values == POSITIVE).astype(int)
    groups = one.test["group"]
    rates = {"selection_rate": selection_rate, "true_positive_rate": true_positive_rate}
    rates["false_positive_rate"] = false_positive_rate
    theirs = MetricFrame(metrics=rates, y_true=truth, y_pred=said, sensitive_features=groups)
    for name in rates:
        for group in ("a", "b"):
            assert found.loc[f"{name}:group={group}", "value"] == pytest.approx(theirs.by_group.loc[group, name])
        assert found.loc[f"gap:group:{name}", "value"] == pytest.approx(theirs.difference()[name])
    parity = demographic_parity_difference(truth, said, sensitive_features=groups)
    assert found.loc["gap:group:selection_rate", "value"] == pytest.approx(parity)
    ratio = demographic_parity_ratio(truth, said, sensitive_features=groups)
    assert found.loc["ratio:group:selection_rate", "value"] == pytest.approx(ratio)
    odds = max(found.loc[f"gap:group:{name}", "value"] for name in ("true_positive_rate", "false_positive_rate"))
    assert odds == pytest.approx(equalized_odds_difference(truth, said, sensitive_features=groups))


def test_the_area_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth, scores = rng.integers(0, 3, 500), rng.random((500, 3)).round(2)
    theirs = np.mean([roc_auc_score(truth == group, scores[:, group]) for group in range(3)])
    found = area_of(scores, truth, [0, 1, 2])
    assert found.value == pytest.approx(theirs)
    assert 0.01 < found.error < 0.03


def test_four_fifths_are_asked_of_demographic_parity_alone(plain):
    fewer = plain.test.assign(income=plain.test["income"].where(plain.test["group"] == "a", plain.test["income"] * 0.6))
    one = replace(plain, test=fewer)
    parity = judged(measure_fairness(one, Fairness(criterion="demographic_parity")))
    assert {"gap_at_least:group:selection_rate", "ratio_at_most:group:selection_rate"} <= {
        f.expectation for f in parity
    }
    odds = measure_fairness(one, Fairness())
    assert not any(name.startswith("ratio_at_most") for name in odds.metrics["metric"])


def test_intersections_are_compared_where_they_are_large_enough():
    found = measure_fairness(loans(n=12000), Fairness(groups={"age": (35, 55)}))
    assert "gap:group and age:true_positive_rate" in set(found.metrics["metric"])
    assert "a and 35 to under 55" in set(found.records["of_group"])
    alone = measure_fairness(loans(), Fairness(intersections=False))
    assert not found.metrics.equals(alone.metrics)
    assert not alone.records["attribute"].str.contains(" and ").any()


def test_a_group_hit_at_an_intersection_alone_is_found():
    one = loans(n=12000)
    hit = one.test["group"].eq("b") & (one.test["age"] >= 55)
    # Those of the intersection who will repay are asked with a tenth of their income.
    poorer = one.test.assign(income=one.test["income"].mask(hit & (one.target == "yes"), one.test["income"] / 10))
    found = judged(measure_fairness(replace(one, test=poorer), Fairness(groups={"age": (35, 55)})))
    assert any(f.expectation == "gap_at_least:group and age:true_positive_rate" for f in found), found


def test_a_group_that_is_too_small_is_named_and_never_passes_in_silence(plain):
    few = plain.test.assign(group=plain.test["group"].mask(np.arange(len(plain.test)) < 9, "c"))
    known = plain.train.assign(group=plain.train["group"].mask(np.arange(len(plain.train)) < 40, "c"))
    evidence = measure_fairness(replace(plain, test=few, train=known), Fairness())
    (found,) = judged(evidence)
    assert (found.expectation, found.outcome) == ("groups_too_small", "warned")
    assert "are needed to tell" in found.found
    assert any("group = c" in told for told in evidence.facts["too_small_to_compare"])
    assert judged(evidence, tier=4)[0].outcome == "inconclusive"


def test_small_groups_may_be_put_together(plain):
    groups = {"group": {"few": ("b", "c"), "many": ("a",)}}
    found = measure_fairness(plain, Fairness.model_validate({"groups": groups}))
    assert set(found.records["of_group"]) == {"few", "many"}


@pytest.mark.parametrize("rows", [0, 1, 30])
def test_with_few_rows_it_cannot_be_told(plain, rows):
    one = replace(plain, test=plain.test.head(rows), target=plain.target.head(rows))
    assert {f.outcome for f in judged(measure_fairness(one, Fairness()))} == {"inconclusive", "warned"}


def test_one_group_alone_cannot_be_told(plain):
    found = judged(measure_fairness(replace(plain, test=plain.test.assign(group="a")), Fairness()))
    assert {one.outcome for one in found} == {"inconclusive"}


def test_missing_values_are_a_group(plain):
    gaps = plain.test["group"].mask(np.arange(len(plain.test)) % 3 == 0)
    found = measure_fairness(
        replace(
            plain,
            test_beside=pd.DataFrame({"g": gaps}),
            roles={"g": ("protected",)},
            train_beside=plain.train[["group"]].rename(columns={"group": "g"}),
        ),
        Fairness(),
    )
    assert "missing" in set(found.records["of_group"])


def test_a_protected_column_that_is_absent_is_an_error(plain):
    with pytest.raises(CannotAsk, match=r"data.roles: expected a column of the data, found 'sex'"):
        measure_fairness(replace(plain, roles={"sex": ("protected",)}), Fairness())


def test_nobody_protected_is_asked_about_from_tier_three_on(plain):
    nobody = replace(plain, roles={})
    evidence = measure_fairness(nobody, Fairness())
    (found,) = judged(evidence)
    assert (found.expectation, found.outcome) == ("protected_attributes_or_reason", "warned")
    assert "none_because" in evidence.facts["what_to_do"]
    assert measure_fairness(replace(nobody, tier=TIERS[2]), Fairness()).facts["not_applicable"]
    said = measure_fairness(nobody, Fairness(none_because="The records are of machines, not of people."))
    assert said.facts["not_applicable"] == "The records are of machines, not of people."


def test_a_regression_is_asked_for_its_mean_error():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=3000), "sex": rng.choice(["f", "m"], 3000)})
    frame = frame.assign(y=3 * frame["x"] + rng.normal(size=3000) + 1.5 * (frame["sex"] == "f"))
    model = make_pipeline(columns(), LinearRegression())
    fair = case(model, parted(frame), "y", tier=3, roles={"sex": ("protected",)})
    assert not judged(measure_fairness(fair, Fairness()))
    # The same model, asked as if all were men: women are rated too low.
    unfair = replace(
        fair,
        test_beside=fair.test[["sex"]].rename(columns={"sex": "was"}),
        test=fair.test.assign(sex="m"),
        train_beside=fair.train[["sex"]].rename(columns={"sex": "was"}),
        roles={"was": ("protected",)},
    )
    found = judged(measure_fairness(unfair, Fairness()))
    assert "gap_at_least:was:mean_error" in {one.expectation for one in found}


def test_many_classes_are_asked_for_their_accuracy():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=3000), "flag": rng.random(3000) < 0.5, "one": 1.0})
    truth = np.digitize(frame["x"], [-0.5, 0.5])
    wrong = frame["flag"] & (rng.random(3000) < 0.6)
    labels = np.array(["low", "middle", "high"])[np.where(wrong, rng.integers(0, 3, 3000), truth)]
    model = RandomForestClassifier(20, min_samples_leaf=5, random_state=0)
    one = case(model, parted(frame.assign(y=labels)), "y", tier=3, roles={"flag": ("protected",)})
    assert "gap_at_least:flag:accuracy" in {found.expectation for found in judged(measure_fairness(one, Fairness()))}


@pytest.mark.parametrize(("value", "outcomes"), [(GAP, []), (GAP + 1e-9, ["failed"])])
def test_the_limit_of_a_gap_is_still_good(plain, value, outcomes):
    found = measure_fairness(plain, Fairness())
    mine = found.metrics["metric"] == "gap_at_least:group:true_positive_rate"
    changed = replace(found, metrics=found.metrics.assign(value=found.metrics["value"].mask(mine, value)))
    assert [one.outcome for one in judged(changed)] == outcomes


@pytest.mark.parametrize(("value", "outcomes"), [(FOUR_FIFTHS, []), (FOUR_FIFTHS - 1e-9, ["failed"])])
def test_four_fifths_are_still_good(plain, value, outcomes):
    found = measure_fairness(plain, Fairness(criterion="demographic_parity"))
    mine = found.metrics["metric"] == "ratio_at_most:group:selection_rate"
    changed = replace(found, metrics=found.metrics.assign(value=found.metrics["value"].mask(mine, value)))
    assert [one.outcome for one in judged(changed)] == outcomes


def test_the_plots_name_groups_in_words(plain):
    plots = CHECK.plots(measure_fairness(plain, Fairness()), {})
    assert [plot.title for plot in plots] == ["True positive rate by group", "False positive rate by group"]
    assert "group: a" in plots[0].alt


counts = st.lists(st.tuples(st.integers(1, 400), st.floats(0, 1)), min_size=2, max_size=6)


@given(counts, st.floats(1e-4, 0.05))
def test_what_is_sure_is_never_more_than_what_was_seen(groups, level):
    means = {at: Mean(n, round(p * n) / n, 0.0, True) for at, (n, p) in enumerate(groups)}
    gap = gap_of(means, level)
    assert 0 <= gap.at_least <= gap.value + 1e-12
    assert gap.lower <= gap.value + 1e-12 <= gap.upper + 1e-9
    again = gap_of(dict(reversed(means.items())), level)
    assert again.at_least == pytest.approx(gap.at_least)


def test_equal_groups_seldom_seem_unequal():
    rng, seen = np.random.default_rng(0), 0
    for _ in range(500):
        means = {g: Mean(150, rng.binomial(150, 0.2) / 150, 0.0, True) for g in range(4)}
        seen += gap_of(means, 0.05 / 12).at_least > 0
    assert seen / 500 < 0.06
