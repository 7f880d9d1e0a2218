"""Token buckets that several processes share."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.gateway.desk.buckets import PLACES, SETS, Buckets, shared_memory


def test_so_many_come_at_once_and_then_as_fast_as_the_rate():
    buckets = Buckets()
    assert [buckets.take("a", 1, 60, 3, 10.0) for _ in range(4)] == [0, 0, 0, 1.0]
    assert buckets.take("a", 1, 60, 3, 10.5) == 0.5
    assert buckets.take("a", 1, 60, 3, 11.0) == 0
    assert buckets.take("b", 1, 60, 3, 11.0) == 0


def test_a_large_batch_is_answered_and_paid_for_afterwards():
    buckets = Buckets()
    assert buckets.take("a", 100, 60, 10, 0.0) == 0
    assert buckets.take("a", 1, 60, 10, 0.0) == pytest.approx(91)
    assert buckets.take("a", 1, 60, 10, 91.0) == 0


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 20)), min_size=1, max_size=60), st.integers(1, 20))
def test_nobody_gets_more_than_burst_and_rate_allow_beyond_one_batch(steps, burst):
    buckets, now, taken, largest = Buckets(), 100.0, 0, max(tokens for _, tokens in steps)
    for pause, tokens in steps:
        now += pause
        taken += tokens if buckets.take("a", tokens, 60, burst, now) == 0 else 0
    assert taken <= burst + (now - 100.0) + largest


def test_the_place_that_is_given_away_is_the_one_used_longest_ago():
    import xxhash

    same = [n for n in range(60 * SETS) if xxhash.xxh64_intdigest(str(n).encode()) % SETS == 5][: PLACES + 1]
    buckets = Buckets()
    for at, name in enumerate(same):
        assert buckets.take(str(name), 1, 1e-6, 1, 10.0 + at) == 0
    assert buckets.take(str(same[0]), 1, 1e-6, 1, 50.0) == 0
    assert all(buckets.take(str(name), 1, 1e-6, 1, 60.0) > 0 for name in same[2:])


def test_processes_share_one_limit_also_with_one_that_was_killed():
    shared = shared_memory()
    code = f"""
import os, signal
from infra.gateway.desk.buckets import Buckets
buckets = Buckets({shared})
print(sum(buckets.take("a", 1, 1e-6, 500) == 0 for _ in range(1000)), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    workers = [
        subprocess.Popen([sys.executable, "-c", code], pass_fds=[shared], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert sum(int(worker.communicate()[0]) for worker in workers) == 500
    assert Buckets(shared).take("a", 1, 1e-6, 500) > 0
