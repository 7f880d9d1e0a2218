import numpy as np
import pandas as pd
import pytest

from expectations.errors import CannotAsk
from expectations.spec import Cost
from tasks.cost import price_of

LOANS = pd.DataFrame({"amount": [100.0, 200.0, 300.0]})
TEXTS = [np.array(labels, dtype=object) for labels in (["bad", "bad", "good"], ["good", "bad", "bad"])]


def test_a_price_per_unit_tells_too_low_from_too_high():
    price = price_of(Cost(under=2, over=0.5), None, LOANS)
    assert price(np.array([10.0, 10.0, 10.0]), np.array([8.0, 14.0, 10.0])).tolist() == [4, 2, 0]


def test_labels_without_a_matrix_cost_one_an_error():
    assert price_of(Cost(), None, LOANS)(*TEXTS).tolist() == [1, 0, 1]


def test_what_the_matrix_does_not_name_costs_nothing():
    assert price_of(Cost(matrix={"bad": {"good": 5}}), None, LOANS)(*TEXTS).tolist() == [5, 0, 0]


def test_the_teams_own_function_sees_the_features_of_each_record(tmp_path):
    (tmp_path / "money.py").write_text("def cost(r): return r.amount * (r.actual != r.predicted)\n")
    assert price_of(Cost(function="money:cost"), tmp_path, LOANS)(*TEXTS).tolist() == [100, 0, 300]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return [1.0]", "expected 3 finite costs, found 1 values"),
        ("return r.amount / 0 * 0", "3 of them not finite"),
        ("return r.price", "money.py:1"),
    ],
)
def test_a_function_that_gives_no_costs_is_told(tmp_path, body, words):
    (tmp_path / "money.py").write_text(f"def cost(r): {body}\n")
    with pytest.raises(CannotAsk, match=words):
        price_of(Cost(function="money:cost"), tmp_path, LOANS)(*TEXTS)
