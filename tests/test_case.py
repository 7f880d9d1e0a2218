import numpy as np
import pandas as pd
import pytest
from qualified import case, parted
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

RNG = np.random.default_rng(0)


def numbers(n=400):
    frame = pd.DataFrame({"a": RNG.normal(size=n), "b": RNG.integers(0, 9, n).astype(float)})
    return frame.assign(y=2 * frame["a"] + frame["b"] + RNG.normal(0, 0.1, n))


def test_a_case_says_what_its_package_says_and_trains_its_kind_again():
    one = case(make_pipeline(StandardScaler(), LinearRegression()), parted(numbers()), "y")
    assert one.error(one.actual, one.said).mean() < 0.2
    assert [column.name for column in one.columns] == ["a", "b"]
    again = one.refitted(one.train, one.known)(one.test)
    assert np.allclose(again.values, one.said.values)
    assert one.trusted(one.test).mean() > 0.8
    assert one.distance(one.said, one.said).max() == 0


def test_of_classes_the_score_is_the_chance_of_the_positive_label():
    frame = numbers().assign(y=lambda rows: np.where(rows["a"] > 0, "yes", "no"))
    one = case(RandomForestClassifier(20, random_state=0), parted(frame), "y", positive="yes")
    assert ((one.score(one.said) > 0.5) == (one.said.values == "yes")).all()
    assert one.loss(one.actual, one.said).mean() < 0.3


def test_a_smaller_case_says_that_it_is_a_sample():
    one = case(LinearRegression(), parted(numbers()), "y").smaller(10)
    assert len(one.test) == len(one.target) == len(one.actual) == 10
    assert one.sampled == "10 of 100 test rows, drawn by chance"


def test_columns_know_their_kind_their_spread_and_their_gaps():
    one = case(LinearRegression(), parted(numbers()), "y", roles={"a": ("protected",)})
    a, b = one.columns
    assert (a.kind, a.roles, a.whole) == ("number", ("protected",), False)
    assert a.spread == pytest.approx(1, abs=0.2)
    assert (b.whole, b.step, b.lower, b.upper) == (True, 1.0, 0.0, 8.0)
