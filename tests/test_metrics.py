"""Counts of several real processes, one of them killed, as the official parser reads them."""

import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from infra.gateway.diary.metrics import BUCKETS, Metrics

COUNTING = """
import sys, time
from pathlib import Path
from infra.gateway.diary.metrics import Metrics
counts = Metrics(Path(sys.argv[1]))
number = int(sys.argv[2])
for _ in range(number):
    counts.answered("m", "r1", "champion", 200, 0.003, 2)
counts.feedback("m", "lab", "taken", number)
counts.followed(number)
counts.spooled(number)
counts.mode("m", "normal")
counts.keep()
print("counted", flush=True)
time.sleep(60)
"""


@pytest.fixture
def counting(tmp_path):
    """Starts a process that counts so often, and goes on living."""
    started = []

    def start(number):
        command = [sys.executable, "-c", COUNTING, str(tmp_path), str(number)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "counted\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def told(counts):
    """{sample: value}, where labels are as OpenMetrics writes them; parsed by the official parser, which is strict."""
    text = counts.text()[0].decode()
    families = list(text_string_to_metric_families(text))
    return {
        sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def dead(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_processes_count_together_and_a_killed_one_goes_on_counting_but_says_nothing_of_its_state(tmp_path, counting):
    first, _second = counting(3), counting(40)
    counts = Metrics(tmp_path)
    requests, bucket = "seatrial_gateway_requests_total champion m r1 200", "seatrial_gateway_request_duration_seconds"
    both = told(counts)
    assert both[requests] == both[f"{bucket}_count champion m"] == 43
    assert both["seatrial_gateway_rows_total champion m r1"] == 86
    assert both[f"{bucket}_bucket champion 0.0025 m"] == 0
    assert both[f"{bucket}_bucket champion 0.005 m"] == both[f"{bucket}_bucket champion +Inf m"] == 43
    assert both[f"{bucket}_sum champion m"] == pytest.approx(43 * 0.003)
    assert both["seatrial_gateway_feedback_total m taken lab"] == 43
    assert (both["seatrial_gateway_ledger_sequence"], both["seatrial_gateway_spooled_bytes"]) == (3, 43)
    assert both["seatrial_gateway_process_starts_total"] == 3
    dead(first)
    for _ in range(2):
        one = told(counts)
        assert one[requests] == one[f"{bucket}_count champion m"] == 43
        assert one[f"{bucket}_bucket champion 0.005 m"] == 43
        assert (one["seatrial_gateway_ledger_sequence"], one["seatrial_gateway_spooled_bytes"]) == (40, 40)
    assert not [*tmp_path.glob(f"*{first.pid}-*")]
    counts.close()


def test_processes_that_start_and_die_again_and_again_leave_no_files(tmp_path):
    survivor = Metrics(tmp_path)
    for _ in range(5):
        one = Metrics(tmp_path)
        one.limited("m")
        one.close()
        survivor.text()
    assert told(survivor)["seatrial_gateway_rate_limited_total m"] == 5
    assert told(survivor)["seatrial_gateway_process_starts_total"] == 6
    assert len([*tmp_path.glob("counter_*.db")]) == 2


def test_everything_that_can_be_counted_is_told_in_a_form_that_is_right(tmp_path):
    counts = Metrics(tmp_path)
    counts.answered("m", "r1", "champion", 200, 0.2, 1)
    counts.answered("m", "", "", 400, 20.0, 5)
    counts.distrusted("m", "r1", {"missing": 2, "outside": 0})
    counts.challenger_failed("m", "r2")
    counts.shadow_dropped("m")
    counts.written("predictions", 4)
    counts.dropped("predictions", "queue full", 1)
    counts.spooled(10)
    counts.upload_failed()
    counts.feedback("m", 'a "lab"\n', "refused")
    counts.reported("m", "taken")
    counts.followed(7)
    counts.package_refused("m", "r2")
    counts.mode("m", "warn")
    counts.traffic("m", {"r1": 0.9, "r2": 0.1})
    counts.traffic("m", {"r1": 1.0})
    counts.limited("m")
    counts.hugging("m", "anna", 1)
    found, (text, kind) = told(counts), counts.text()
    assert kind.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")
    name = "seatrial_gateway_"
    assert found[f'{name}feedback_total m refused a "lab"\n'] == 1
    assert found[f"{name}rows_total champion m r1"] == 1
    assert found[f"{name}request_duration_seconds_bucket  10.0 m"] == 0
    assert found[f"{name}request_duration_seconds_bucket  +Inf m"] == 1
    assert (found[f"{name}mode warn m"], found[f"{name}mode normal m"]) == (1, 0)
    assert (found[f"{name}traffic_share m r1"], found[f"{name}traffic_share m r2"]) == (1, 0)
    assert 0 <= found[f"{name}ledger_age_seconds"] < 5
    assert found[f"{name}log_dropped_rows_total predictions queue full"] == 1


def test_the_age_of_the_ledger_grows(tmp_path, monkeypatch):
    counts = Metrics(tmp_path)
    counts.followed(1)
    monkeypatch.setattr("infra.gateway.diary.metrics.time", lambda: time.time() + 100)
    assert 100 <= told(counts)["seatrial_gateway_ledger_age_seconds"] < 105


@given(seconds=st.lists(st.one_of(st.sampled_from(BUCKETS), st.floats(0, 20)), min_size=1, max_size=20))
@rules(max_examples=25)
def test_law_each_latency_is_counted_up_to_every_bound_that_is_not_less(tmp_path_factory, seconds):
    counts = Metrics(tmp_path_factory.mktemp("law"))
    for one in seconds:
        counts.answered("m", "r1", "champion", 200, one, 1)
    found = told(counts)
    counts.close()
    name = "seatrial_gateway_request_duration_seconds"
    for bound in BUCKETS:
        assert found[f"{name}_bucket champion {bound} m"] == sum(one <= bound for one in seconds)
    assert found[f"{name}_count champion m"] == len(seconds)
