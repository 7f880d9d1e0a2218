"""Is a package that is slower than its estimator told so?"""

import pandas as pd
import pytest
from guarded import SPEC

from expectations.judge import judge
from expectations.records import Evidence, metric_rows
from expectations.suites.every import suite_of
from expectations.verdicts import Outcome, worst

NAN = float("nan")


@pytest.mark.parametrize(
    ("single", "batch", "outcome"),
    [
        (1.0, 0.8, Outcome.PASSED),
        (10.0, 0.9, Outcome.PASSED),
        (10.0, 0.4, Outcome.WARNED),
        (0.5, 2.0, Outcome.WARNED),
        (10.0, NAN, Outcome.WARNED),
    ],
)
def test_slower_than_the_estimator_is_a_warning_and_a_batch_near_it_is_not(single, batch, outcome):
    metrics = [("speedup_single", single, NAN, NAN, 300, 1), ("speedup_batch", batch, NAN, NAN, 300, 1)]
    records = pd.DataFrame({"latency_ms": [0.1] * 3, "sklearn_latency_ms": [0.1] * 3})
    evidence = Evidence("latency", metric_rows(metrics), records)
    findings = judge(evidence, suite_of("latency", SPEC, [name for name, *_ in metrics]), strict=True)
    assert worst(finding.outcome for finding in findings) is outcome


@pytest.mark.parametrize(("speed", "slower"), [(0.4, True), (0.99, True), (1.0, False), (10.0, False)])
def test_the_verdict_says_slower_in_words_where_the_package_is(speed, slower):
    metrics = [("speedup_single", speed, NAN, NAN, 300, 1)]
    evidence = Evidence("latency", metric_rows(metrics), pd.DataFrame())
    suite = [one for one in suite_of("latency", SPEC, []) if one.kwargs.get("metric") == "speedup_single"]
    [finding] = judge(evidence, suite, strict=True)
    assert ("slower than the estimator" in finding.found) is slower
