"""What is trained anew must be better; what the clock releases is as of when it was due."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Scheduled
from retrained import SPEC, TRAIN, loans

from expectations.judge import judge
from expectations.suites.comparison import comparison_suite
from flows.release import SCHEDULED, _moment
from infra.spec_file import read_spec
from tasks.compare import measure_comparison
from tasks.job import Job, release_id

AS_OF = datetime(2026, 2, 1)


@pytest.fixture
def job(tmp_path):
    (tmp_path / "release.yaml").write_text(SPEC)
    (tmp_path / "train.py").write_text(TRAIN)
    loans().to_csv(tmp_path / "loans.csv", index=False)
    return Job(read_spec(tmp_path / "release.yaml"), str(tmp_path / "store"), AS_OF)


def scored(wrong, n=1000):
    """So many of the records are answered wrongly."""
    return pd.DataFrame({"error": (np.arange(n) < wrong).astype(float)})


def verdict(job, before, now):
    """What blocks a challenger with so many errors beside a champion with so many."""
    evidence = measure_comparison(scored(before), scored(now), "error_rate", 0.02, 30, {})
    names = [str(name) for name in evidence.metrics["metric"]]
    findings = judge(evidence, comparison_suite(job.spec, names), strict=job.tier.strict)
    return {one.expectation: one.outcome.value for one in findings if not one.outcome.lets_through}


def test_what_is_trained_anew_must_be_surely_better(job):
    anew = replace(job, retraining=True)
    assert verdict(job, 200, 200) == {}
    assert verdict(anew, 200, 200) == {"surely_better": "failed"}
    # Two errors fewer of a thousand may be chance.
    assert verdict(anew, 200, 198) == {"surely_better": "failed"}
    assert verdict(anew, 200, 150) == {}
    assert "improvement" in verdict(anew, 200, 300)


def test_the_exact_boundary_is_not_better(job):
    assert verdict(replace(job, retraining=True), 0, 0) != {}


def test_it_is_another_release_than_the_same_spec_at_the_same_time(job):
    anew = replace(job, retraining=True)
    assert anew.release != job.release
    assert job.release == release_id(job.file, AS_OF)
    assert (job.spec.comparison.must_be_better, anew.spec.comparison.must_be_better) == (False, True)


@pytest.mark.xdist_group("prefect")
def test_a_run_by_the_clock_is_as_of_when_it_was_due_and_stays_so_when_it_is_retried(prefect_url):
    due, seen = datetime.now(UTC) - timedelta(hours=3), []

    @flow(retries=1)
    def nightly():
        seen.append(_moment(SCHEDULED))
        if len(seen) == 1:
            raise RuntimeError("once")

    with temporary_settings({PREFECT_API_URL: prefect_url}):
        with get_client(sync_client=True) as client:
            run = client.create_flow_run(nightly, state=Scheduled(scheduled_time=due))
        run_flow(nightly, flow_run=run)
    assert seen == [due.replace(tzinfo=None, microsecond=0)] * 2


def test_without_a_clock_it_is_as_before():
    assert _moment(None) is None
    assert _moment("2026-02-01T00:00:00") == AS_OF
