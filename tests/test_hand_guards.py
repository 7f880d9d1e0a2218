"""What the scoring benchmark compares does the same work."""

from dataclasses import replace

import numpy as np
import pytest
from guarded import cars, labelled, three
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.bench_scoring import GOALS, claims, guarded
from benchmarks.hand_guards import first_difference
from infra.runtime import label_text
from tasks.conversion.export import export
from tasks.guards.build import Rows


@pytest.mark.parametrize(("model", "target"), [(Ridge(), "price"), (LogisticRegression(), "class")])
def test_the_guards_by_hand_say_what_the_package_says_also_of_gaps_and_of_numbers_far_away(model, target):
    frame = cars().drop(columns="make") if target == "price" else labelled(load_wine)
    train, calibration, test = three(frame)
    pipeline = make_pipeline(StandardScaler(), model).fit(train.drop(columns=target), train[target])
    parts = [Rows(rows.drop(columns=target), truth(rows[target])) for rows in (train, calibration)]
    core = export(pipeline, parts[0].frame, "m", "double")
    package, by_hand = guarded(pipeline, core, *parts)
    asked = test.drop(columns=target)
    asked.iloc[0, 0], asked.iloc[1, 1], asked.iloc[2, 0] = np.nan, 1e9, -np.inf
    said = package.answers(asked)
    assert first_difference(by_hand.answers(asked), said) is None
    assert said["reasons"][:3, 0].tolist() != [0, 0, 0]
    wrong = replace(by_hand, low=by_hand.low + (by_hand.high - by_hand.low) / 2)
    assert first_difference(wrong.answers(asked), said) is not None


def truth(column):
    return column.to_numpy(float) if column.dtype.kind == "f" else label_text(column)


def test_the_claim_is_the_worst_model_and_the_median_stands_beside_it():
    times = {"scikit-learn": 1.0, "by hand": 2.0, "package": 0.5, "bare package": 0.4, "bare": 0.1, "outputs": 0.12}
    ratios = {"logistic": 3.0, "SVC": 1.5, "kNN": 1.0}
    found = {(m, size): {**times, "guarded": 0.1 * ratio} for m, ratio in ratios.items() for size in GOALS}
    told = {claim["name"]: claim for claim in claims(found, 1.0)}
    for size, goal in GOALS.items():
        assert told[f"guarded_over_bare_{size}"]["value"] == 3.0
        assert told[f"guarded_over_bare_{size}"]["goal"] == f"<= {goal}"
        assert told[f"guarded_over_bare_{size}_median"]["value"] == 1.5
        assert told[f"outputs_over_bare_{size}"]["value"] == 1.2
