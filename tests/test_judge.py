import math

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.expectation import Expectation, metric
from expectations.judge import judge, unknown_types
from expectations.records import Evidence, metric_rows
from expectations.verdicts import Outcome
from expectations.wording import GATHER, words

NAN = float("nan")


def ask(item, records=None, strict=True, rows=(("r2", 0.9, 0.85, 0.93, 500, 100),)):
    frame = pd.DataFrame() if records is None else pd.DataFrame(records)
    [finding] = judge(Evidence("quality", metric_rows(list(rows)), frame), [item], strict=strict)
    return finding


def gate(type_, **kwargs):
    return Expectation(type=type_, kwargs=kwargs)


def test_an_empty_suite_is_inconclusive():
    [finding] = judge(Evidence("quality", metric_rows([]), pd.DataFrame()), [], strict=True)
    assert finding.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("low", "outcome"),
    [(0.8, "passed"), (0.85, "passed"), (0.86, "inconclusive"), (0.93, "inconclusive"), (0.94, "failed")],
)
def test_a_strict_gate_holds_the_whole_interval(low, outcome):
    assert ask(metric("r2", low=low)).outcome == outcome


@pytest.mark.parametrize(("low", "outcome"), [(0.9, "passed"), (0.901, "inconclusive"), (0.94, "failed")])
def test_a_lenient_gate_holds_the_value(low, outcome):
    assert ask(metric("r2", low=low), strict=False).outcome == outcome


def test_several_limits_on_one_metric_are_each_judged():
    suite = [metric("r2", low=low) for low in (0.8, 0.9, 0.95)]
    findings = judge(
        Evidence("q", metric_rows([("r2", 0.9, 0.85, 0.93, 500, 100)]), pd.DataFrame()), suite, strict=True
    )
    assert [f.outcome for f in findings] == ["passed", "inconclusive", "failed"]


def test_both_limits_are_held():
    assert ask(metric("r2", low=0.8, high=0.95)).outcome is Outcome.PASSED
    assert ask(metric("r2", low=0.8, high=0.84)).outcome is Outcome.FAILED


VALUES = st.sampled_from([-1.0, -1e-12, -0.0, 0.0, 1e-12, 0.25, 1.0, 1e300, math.inf, NAN])
LIMITED = st.sampled_from([{"high": 0}, {"low": 0}, {"high": 0.25}, {"low": -1, "high": 0.25}, {"low": 0.0}])


@given(st.lists(st.tuples(VALUES, VALUES, VALUES, LIMITED), min_size=1, max_size=5), st.booleans())
@hypothesis.settings(max_examples=25)
def test_many_limits_judged_together_say_what_each_says_alone(rows, strict):
    metrics = metric_rows([(f"m{at}", *sorted(row[:3]), 500, 100) for at, row in enumerate(rows)])
    suite = [metric(f"m{at}", **row[3]) for at, row in enumerate(rows)]
    most = {"max_value": 0, "mostly": 0.5}
    suite += [gate("expect_metric_to_be_between", metric=f"m{at}", **most) for at in (0, len(rows) - 1)]
    evidence = Evidence("data", metrics, pd.DataFrame())
    alone = [finding for item in suite for finding in judge(evidence, [item], strict=strict)]
    assert judge(evidence, suite, strict=strict) == alone


def test_one_metric_over_its_limit_among_many_is_the_one_that_fails():
    metrics = metric_rows([(f"m{at}", 1e-9 if at == 50 else 0.0, NAN, NAN, 500, 100) for at in range(100)])
    suite = [metric(f"m{at}", high=0) for at in range(100)]
    findings = judge(Evidence("data", metrics, pd.DataFrame()), suite, strict=True)
    assert [at for at, finding in enumerate(findings) if finding.outcome is not Outcome.PASSED] == [50]


def test_too_few_records_are_inconclusive_and_say_how_many_would_do():
    finding = ask(metric("r2", low=0.1), rows=[("r2", 0.9, 0.85, 0.93, 50, 100)])
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert finding.found == "50 records; 100 are needed to tell"


def test_what_could_not_be_measured_says_why():
    facts = {"unmeasured": {"slope": "two months are needed"}}
    evidence = Evidence("data", metric_rows([("slope", NAN, NAN, NAN, 5000, 1)]), pd.DataFrame(), facts)
    [finding] = judge(evidence, [metric("slope", high=0.1)], strict=True)
    assert (finding.outcome, finding.found) == (Outcome.INCONCLUSIVE, "two months are needed")
    assert "records" not in finding.remedy


def test_an_inconclusive_gate_says_how_many_records_would_tell():
    assert "about 2,50" in ask(metric("r2", low=0.9), rows=[("r2", 0.92, 0.88, 0.96, 625, 100)]).found


def test_a_value_that_is_not_a_number_never_passes():
    assert ask(metric("r2", low=0.1), rows=[("r2", NAN, NAN, NAN, 500, 1)]).outcome is Outcome.INCONCLUSIVE


def test_an_unknown_metric_is_errored_and_names_those_that_exist():
    finding = ask(metric("r3", low=0.1))
    assert finding.outcome is Outcome.ERRORED
    assert finding.found == "no metric 'r3'; there are r2"


@pytest.mark.parametrize(
    ("records", "outcome"),
    [
        ({"ms": [1.0, 2.0, 300.0]}, "failed"),
        ({"ms": [1.0, 2.0, 200.0]}, "passed"),
        ({"ms": [np.nan, np.nan]}, "inconclusive"),
        ({"ms": []}, "inconclusive"),
        ({"seconds": [1.0]}, "errored"),
    ],
)
def test_records_are_judged_and_what_great_expectations_lets_through_is_not(records, outcome):
    item = gate("expect_column_values_to_be_between", column="ms", max_value=200, mostly=0.95)
    assert ask(item, records).outcome == outcome


def test_a_gate_of_severity_warning_only_warns():
    assert ask(metric("r2", low=0.99, severity="warning")).outcome is Outcome.WARNED


def test_an_expectation_that_does_not_exist_is_errored_and_found_beforehand():
    item = gate("expect_colum_values_to_be_unique", column="ms")
    assert ask(item, {"ms": [1.0]}).outcome is Outcome.ERRORED
    assert unknown_types([item]) == [(item.type, " Did you mean expect_column_values_to_be_unique?")]


def test_of_a_hidden_column_the_share_is_told_and_no_value():
    item = gate("expect_column_values_to_be_between", column="income", max_value=10)
    records = pd.DataFrame({"income": [5.0, 77123.0], "town": ["Bern", "Chur"]})
    evidence = Evidence("data", metric_rows([]), records)
    [shown], [hidden] = (judge(evidence, [item], strict=True, hidden=names) for names in (frozenset(), {"income"}))
    assert "77123" in shown.found
    assert (hidden.outcome, hidden.found) == (Outcome.FAILED, "50 % otherwise")
    largest = gate("expect_column_max_to_be_between", column="income", max_value=10)
    [hidden] = judge(evidence, [largest], strict=True, hidden=frozenset({"income"}))
    assert (hidden.outcome, hidden.found) == (Outcome.FAILED, "does not hold")
    town = gate("expect_column_values_to_be_in_set", column="town", value_set=["Bern"])
    assert "Chur" in judge(evidence, [town], strict=True, hidden=frozenset({"income"}))[0].found


def test_a_sudden_drop_is_said_in_words():
    assert words(metric("drop_at_least:ames-price-12ab", high=0.1)) == "surely at most 10% worse than ames-price-12ab"


def test_what_too_few_records_only_warn_of_calls_for_more_of_them():
    few = Evidence("quality", metric_rows([("drift:a", 0.9, NAN, NAN, 3, 100)]), pd.DataFrame())
    [told] = judge(few, [metric("drift:a", high=0.1, severity="warning")], strict=True)
    assert told.outcome is Outcome.WARNED
    assert told.remedy == GATHER


def test_a_figure_that_is_known_is_told_with_what_to_do_about_it():
    far = Evidence("data", metric_rows([("drift:a", 0.9, NAN, NAN, 300, 100)]), pd.DataFrame())
    [told] = judge(far, [metric("drift:a", high=0.1, severity="warning")], strict=True)
    assert told.expected == "distance between a here and in the reference, 0 to 1: at most 0.1"
    assert told.remedy.startswith("Find out what changed at the source")
