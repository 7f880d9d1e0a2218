"""Polars' counts against Great Expectations' own, on the same questions."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.validator.metric_configuration import MetricConfiguration
from great_expectations.validator.validator import Validator
from hypothesis import example, given, settings
from hypothesis import strategies as st

from expectations import fast_metrics
from expectations.expectation import Expectation
from expectations.judge import _context, run_great_expectations

NUMBERS = st.one_of(st.integers(-3, 3), st.floats(-3, 3), st.sampled_from([0.0, -0.0, 2**53, 2**53 + 1, -(2**63)]))
TEXTS = st.sampled_from(["", "a", "b", "é", "ab"])
COLUMNS = st.one_of(
    st.lists(st.integers(-3, 3) | st.sampled_from([2**53, 2**53 + 1, 2**63 - 1]), min_size=1).map(np.array),
    st.lists(st.none() | st.floats(), min_size=1).map(lambda v: np.array(v, float)),
    st.lists(st.sampled_from([0.0, -0.0, 1.0, np.nan, np.inf]), min_size=1).map(np.array),
    st.lists(st.booleans(), min_size=1).map(np.array),
    st.lists(st.none() | TEXTS, min_size=1).map(lambda v: pd.Series(v, dtype="str")),
    st.lists(st.none() | TEXTS, min_size=1).map(lambda v: pd.Series(v, dtype=object)),
    st.lists(st.sampled_from([pd.NaT, *pd.date_range("2025-01-01", periods=3)]), min_size=1).map(pd.Series),
    st.lists(st.none() | st.integers(0, 3), min_size=1).map(lambda v: pd.Series(v, dtype="Int64")),
)
LIMIT = st.none() | NUMBERS
QUESTIONS = st.one_of(
    st.just(("nonnull", {})),
    st.just(("unique", {})),
    st.tuples(
        st.just("between"),
        st.fixed_dictionaries(
            {"min_value": LIMIT, "max_value": LIMIT, "strict_min": st.booleans(), "strict_max": st.booleans()}
        ),
    ),
    st.tuples(
        st.just("in_set"),
        st.fixed_dictionaries({"value_set": st.lists(NUMBERS) | st.lists(TEXTS) | st.lists(st.booleans() | NUMBERS)}),
    ),
)


def own(frame):
    engine = PandasExecutionEngine()
    engine.load_batch_data("frame", frame)
    return Validator(execution_engine=engine, data_context=_context())


def count(validator, kind, limits):
    metric = MetricConfiguration(f"column_values.{kind}.unexpected_count", {"column": "a"}, limits)
    calculator = validator.metrics_calculator
    try:
        found, aborted = calculator.compute_metrics([metric], runtime_configuration={"result_format": "BOOLEAN_ONLY"})
    except Exception as error:
        return type(error).__name__
    return "no answer" if aborted else found[metric.id]


@settings(deadline=None, max_examples=300)
@given(COLUMNS, QUESTIONS)
@example(np.array([0.0, -0.0]), ("unique", {}))
@example(np.array([2**53, 2**53 + 1]), ("between", {"min_value": None, "max_value": float(2**53)}))
@example(np.array([1, 2]), ("between", {"min_value": 3, "max_value": 1}))
def test_the_unexpected_are_as_many_as_great_expectations_counts(values, question):
    frame = pd.DataFrame({"a": values})
    assert count(fast_metrics.measured(frame, _context()), *question) == count(own(frame), *question)


def test_these_questions_are_counted_and_not_handed_on(monkeypatch):
    frame = pd.DataFrame({"n": [1, 2], "f": [0.5, None], "t": ["a", "b"], "b": [True, False]})
    asked = [
        *[("to_not_be_null", {"column": name, "mostly": 0.5}) for name in frame],
        *[("to_be_unique", {"column": name}) for name in frame],
        ("to_be_between", {"column": "n", "min_value": 0, "max_value": 5}),
        ("to_be_between", {"column": "f", "min_value": 0, "strict_min": True}),
        ("to_be_in_set", {"column": "t", "value_set": ["a", "b"]}),
        ("to_be_in_set", {"column": "b", "value_set": [True, False]}),
    ]
    suite = [Expectation(type=f"expect_column_values_{name}", kwargs=kwargs) for name, kwargs in asked]
    handed, resolve = [], PandasExecutionEngine.resolve_metrics

    def noted(self, metrics_to_resolve, *rest):
        handed.extend(metric.metric_name for metric in metrics_to_resolve)
        return resolve(self, metrics_to_resolve, *rest)

    monkeypatch.setattr(PandasExecutionEngine, "resolve_metrics", noted)
    assert all(result["success"] for result in run_great_expectations(frame, suite))
    assert not [name for name in handed if name.startswith("column_values")]


@pytest.mark.parametrize(
    ("kind", "kwargs", "success"),
    [
        ("values_to_be_between", {"min_value": 0, "max_value": 2}, False),
        ("values_to_be_between", {"min_value": 0, "max_value": 2, "mostly": 0.6}, True),
        ("values_to_be_between", {"min_value": 0, "max_value": 2, "row_condition": "a<3"}, True),
        ("values_to_not_be_null", {"mostly": 0.75}, True),
        ("values_to_not_be_null", {"mostly": 0.76}, False),
        ("values_to_be_unique", {}, True),
        ("mean_to_be_between", {"min_value": 2, "max_value": 2}, True),
        ("median_to_be_between", {"min_value": 3}, False),
    ],
)
def test_the_verdict_and_its_details_are_great_expectations_own(kind, kwargs, success):
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0, np.nan], "at": [datetime(2025, 1, 1)] * 4})
    if "row_condition" in kwargs:
        kwargs = {**kwargs, "condition_parser": "pandas"}
    [result] = run_great_expectations(
        frame, [Expectation(type=f"expect_column_{kind}", kwargs={"column": "a", **kwargs})]
    )
    assert result["success"] is success
    if not success and kind == "values_to_be_between":
        assert result["result"]["unexpected_count"] == 1
        assert result["result"]["partial_unexpected_list"] == [3.0]


def test_who_asks_for_the_rows_behind_a_count_gets_them():
    frame = pd.DataFrame({"a": [1, 2, 2]})
    details = {"result_format": {"result_format": "COMPLETE", "include_unexpected_rows": False}}
    metrics = [
        MetricConfiguration("column_values.unique.unexpected_count", {"column": "a"}, {}),
        MetricConfiguration("column_values.unique.unexpected_values", {"column": "a"}, details),
    ]
    calculator = fast_metrics.measured(frame, _context()).metrics_calculator
    found, _ = calculator.compute_metrics(metrics, runtime_configuration={"result_format": "BOOLEAN_ONLY"})
    assert [found[metric.id] for metric in metrics] == [2, [2, 2]]
