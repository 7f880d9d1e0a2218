from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from expectations.spec import Cost
from infra.runtime import Predictions
from tasks.compare import label, measure_comparison
from tasks.cost import price_of
from tasks.quality import guess_from, measure_quality, score_records

RNG = np.random.default_rng(0)
MATRIX = Cost(matrix={"yes": {"no": 5, "yes": -2}, "no": {"yes": 1}})


def values(evidence):
    return evidence.metrics.set_index("metric")


def regression(n=500, noise=0.3):
    actual = RNG.normal(10, 2, n)
    return actual, Predictions(actual + RNG.normal(0, noise, n))


def binary(n=600):
    truth = RNG.random(n) < 0.3
    chance = np.clip(0.3 * truth + RNG.random(n) * 0.7, 0.01, 0.99).round(2)
    said = np.where(chance > 0.5, "yes", "no").astype(object)
    actual = np.where(truth, "yes", "no").astype(object)
    return actual, Predictions(said, np.column_stack([1 - chance, chance]), ("no", "yes"))


def test_regression_metrics_are_scikit_learns():
    actual, said = regression()
    found = values(
        measure_quality(actual, said, guess_from(actual, (), 500), price_of(Cost(), Path(), pd.DataFrame()), None, 100)
    )
    assert found.loc["rmse", "value"] == pytest.approx(metrics.root_mean_squared_error(actual, said.values))
    assert found.loc["r2", "value"] == pytest.approx(metrics.r2_score(actual, said.values))
    assert found.loc["r2", "lower"] < found.loc["r2", "value"] < found.loc["r2", "upper"]


def test_binary_metrics_are_scikit_learns_ties_included():
    actual, said = binary()
    found = values(
        measure_quality(
            actual, said, guess_from(actual, said.classes, 600), price_of(Cost(), Path(), pd.DataFrame()), "yes", 100
        )
    )
    truth, chance = actual == "yes", said.probabilities[:, 1]
    assert found.loc["roc_auc", "value"] == pytest.approx(metrics.roc_auc_score(truth, chance))
    assert found.loc["precision", "value"] == pytest.approx(metrics.precision_score(truth, said.values == "yes"))
    assert found.loc["log_loss", "value"] == pytest.approx(metrics.log_loss(truth, chance))


def test_guessing_is_no_better_than_guessing():
    actual, _ = regression()
    guess = guess_from(actual, (), 500)
    found = values(measure_quality(actual, guess, guess, price_of(Cost(), Path(), pd.DataFrame()), None, 100))
    assert found.loc["improvement_over_baseline", "value"] == 0


def test_costs_follow_the_matrix_and_a_perfect_model_is_beside_them():
    actual, said = (
        np.array(["yes", "no"], dtype=object),
        Predictions(np.array(["no", "no"], dtype=object), None, ("no", "yes")),
    )
    frame = score_records(
        actual,
        said,
        price_of(Cost(matrix={"yes": {"no": 5, "yes": -2}, "no": {"yes": 1}}), Path(), pd.DataFrame()),
        "yes",
    )
    assert frame["cost"].tolist() == [5, 0]
    assert frame["perfect_cost"].tolist() == [-2, 0]


def test_no_records_have_no_value():
    empty = Predictions(np.array([]))
    found = values(measure_quality(np.array([]), empty, empty, price_of(Cost(), Path(), pd.DataFrame()), None, 100))
    assert found["value"].isna().all()


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng, held = np.random.default_rng(1), 0
    for _ in range(60):
        actual = rng.normal(0, 1, 200)
        found = values(
            measure_quality(
                actual,
                Predictions(actual + rng.normal(0, 1, 200)),
                Predictions(actual * 0),
                price_of(Cost(), Path(), pd.DataFrame()),
                None,
                1,
            )
        )
        held += found.loc["rmse", "lower"] <= 1 <= found.loc["rmse", "upper"]
    assert held >= 50


def compared(champion_noise, candidate_noise, n=800, earlier=None):
    actual = RNG.normal(10, 2, n)
    frames = [
        score_records(actual, Predictions(actual + RNG.normal(0, s, n)), price_of(Cost(), Path(), pd.DataFrame()), None)
        for s in (champion_noise, candidate_noise)
    ]
    return measure_comparison(*frames, "rmse", 0.02, 100, earlier or {})


@pytest.mark.parametrize(
    ("noises", "expected"), [((0.6, 0.3), "better"), ((0.3, 0.6), "worse"), ((0.3, 0.3), "inconclusive")]
)
def test_better_worse_and_cannot_tell_yet(noises, expected):
    assert compared(*noises).facts["label"] == expected


def test_the_same_model_is_equivalent_to_itself():
    assert label((0.0, 0.0, 0.0), 0.02) == "equivalent"


def test_a_sudden_drop_against_an_earlier_version_is_a_finding():
    found = values(compared(0.3, 0.3, earlier={"old": (0.1, 0.09, 0.11)}))
    assert found.loc["drop_at_least:old", "value"] > 1
