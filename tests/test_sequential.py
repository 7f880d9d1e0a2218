"""The bets against a claim: exactly fair, and never more than alpha of false alarms however often one looks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from expectations.errors import CannotAsk
from expectations.sequential.betting import (
    WEIGHTS,
    evidence,
    limit_factors,
    log_factors,
    restart_money,
    restarting_evidence,
    running_centre,
)
from expectations.sequential.foresight import blocks_until
from expectations.sequential.intervals import difference_sequence
from expectations.sequential.ticks import Blocks, Ticks, close_blocks, count_ticks, join_ticks, no_ticks

ALPHA = 0.05
LEVELS = st.floats(0, 1)
COUNTS = st.integers(1, 6)


def counted(counts, errors, stage=0):
    """Ticks of zeros and ones."""
    count, bad = np.asarray(counts, dtype=float).reshape(-1, 2), np.asarray(errors, dtype=float).reshape(-1, 2)
    return Ticks(np.full(len(count), stage), count, bad, bad)


def simulated(rates, per_arm, releases, seed):
    """(R, T, 2) blocks of zeros and ones; `rates` (T, 2), `per_arm` of champion and challenger."""
    count = np.broadcast_to(np.asarray(per_arm, dtype=float), (releases, *rates.shape))
    errors = np.random.default_rng(seed).binomial(count.astype(int), rates).astype(float)
    return Blocks(count, errors, np.zeros_like(errors))


TICKS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 12), LEVELS, LEVELS).map(
        lambda one: ((one[0], one[1]), (int(one[0] * one[2]), int(one[1] * one[3])))
    ),
    max_size=30,
).map(lambda rows: counted([row[0] for row in rows], [row[1] for row in rows]))


@given(COUNTS, COUNTS, LEVELS, LEVELS, st.floats(0.01, 0.99), st.floats(-0.5, 0.5))
def test_a_bet_on_a_true_claim_is_fair_or_worse_whatever_the_common_level(n1, n2, level, share, centre, shift):
    first, second = level, level + shift if shift < 0 else level + share * shift
    second = min(max(second, 0.0), 1.0)
    k1, k2 = (grid.ravel() for grid in np.meshgrid(np.arange(n1 + 1), np.arange(n2 + 1)))
    chance = binom.pmf(k1, n1, first) * binom.pmf(k2, n2, second)
    errors = np.stack([k1, k2], axis=-1).astype(float)[:, None, :]
    blocks = Blocks(np.broadcast_to([float(n1), float(n2)], errors.shape), errors, np.zeros_like(errors))
    claimed = shift if second <= first + shift else second - first
    expected = chance @ np.exp(log_factors(blocks, claimed, np.full((1, 1), centre))[:, 0, 0])
    assert (expected <= 1 + 1e-9).all()


@given(st.lists(LEVELS, min_size=2, max_size=8), st.lists(LEVELS, min_size=2, max_size=8), st.floats(0.05, 0.95))
def test_sums_win_at_most_what_the_values_would(champion, challenger, centre):
    x, y = np.array(champion), np.array(challenger)
    blocks = Blocks(*(np.array([[f(x), f(y)]]) for f in (len, np.sum, lambda v: np.sum(v * (1 - v)))))
    found = log_factors(
        blocks.__class__(blocks.count.astype(float), blocks.total, blocks.spread), 0.0, np.array([centre])
    )
    w1, w2 = len(x) / (len(x) + len(y)), len(y) / (len(x) + len(y))
    stake = np.minimum(0.025 * 2.0 ** np.arange(9), 0.8 / max(w1 * centre, w2 * (1 - centre)))[:, None]
    exact = np.log1p(stake * w1 * (y - centre)).sum(axis=1) + np.log1p(-stake * w2 * (x - centre)).sum(axis=1)
    assert (found[0, 0] <= exact + 1e-9).all()


@given(st.lists(st.booleans(), min_size=1, max_size=9), st.lists(st.booleans(), min_size=1, max_size=9))
def test_of_zeros_and_ones_nothing_is_lost_by_summing(champion, challenger):
    x, y = np.array(champion, dtype=float), np.array(challenger, dtype=float)
    blocks = Blocks(np.array([[len(x), len(y)]], dtype=float), np.array([[x.sum(), y.sum()]]), np.zeros((1, 2)))
    w1, w2 = blocks.count[0] / blocks.count.sum()
    stake = np.minimum(0.025 * 2.0 ** np.arange(9), 0.8 / max(w1 * 0.3, w2 * 0.7))[:, None]
    exact = np.log1p(stake * w1 * (y - 0.3)).sum(axis=1) + np.log1p(-stake * w2 * (x - 0.3)).sum(axis=1)
    assert log_factors(blocks, 0.0, np.array([0.3]))[0, 0] == pytest.approx(exact, abs=1e-9)


@given(TICKS, st.floats(-0.9, 0.8), st.floats(0, 0.1))
def test_who_refutes_a_difference_refutes_every_smaller_one(ticks, shift, more):
    found = evidence(close_blocks(ticks), np.array([shift, shift + more]))
    assert (found[:, 0] >= found[:, 1] - 1e-9).all()


@settings(max_examples=30, deadline=None)
@given(TICKS)
def test_swapped_arms_give_the_mirrored_interval(ticks):
    there = difference_sequence(close_blocks(ticks), ALPHA, ALPHA)
    back = difference_sequence(close_blocks(ticks.swapped()), ALPHA, ALPHA)
    assert [(p.n, p.estimate, p.lower, p.upper) for p in there] == [
        (p.n, pytest.approx(-p.estimate), pytest.approx(-p.upper, abs=1e-4), pytest.approx(-p.lower, abs=1e-4))
        for p in back
    ]


@settings(max_examples=15, deadline=None)
@given(st.integers(5, 40), st.integers(5, 40), LEVELS, LEVELS)
def test_more_of_the_same_narrows_the_interval(n1, n2, bad1, bad2):
    one = ([n1, n2], [int(n1 * bad1), int(n2 * bad2)])
    widths = []
    for times in (10, 40, 160):
        [point] = difference_sequence(close_blocks(counted([one[0]] * times, [one[1]] * times)), ALPHA, ALPHA)
        assert point.lower <= point.estimate <= point.upper
        widths.append(point.upper - point.lower)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < widths[0]


@given(TICKS, TICKS)
def test_more_ticks_add_blocks_and_change_none(before, after):
    first, all_of_them = close_blocks(before), close_blocks(join_ticks([before, after]))
    there = len(first.count)
    assert len(all_of_them.count) >= there
    for name in ("count", "total", "spread"):
        assert (getattr(all_of_them, name)[:there] == getattr(first, name)).all()


@given(TICKS)
def test_a_block_has_both_arms_and_nothing_is_counted_twice(ticks):
    blocks = close_blocks(ticks)
    assert (blocks.count >= 5).all()
    assert (blocks.count.sum(axis=0) <= ticks.count.sum(axis=0)).all()


def test_stages_never_share_a_block():
    ticks = join_ticks([counted([[3, 9]], [[0, 0]], stage=0), counted([[3, 9], [9, 9]], [[0, 0], [1, 2]], stage=1)])
    assert close_blocks(ticks).count.tolist() == [[12, 18]]


def test_the_centre_never_sees_its_own_block():
    seen = counted([[10, 10]] * 3, [[1, 1], [0, 4], [9, 9]])
    other = counted([[10, 10]] * 3, [[1, 1], [0, 4], [0, 0]])
    found = running_centre(close_blocks(seen))
    assert found[1:] == pytest.approx(running_centre(close_blocks(other))[1:])
    assert math.isnan(found[0])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=300))
def test_the_money_of_all_restarts_is_one(stages):
    begins, waits = restart_money(np.array(stages))
    assert begins.cumsum() + waits == pytest.approx(np.ones(len(stages)))
    assert (begins > 0).all()
    assert WEIGHTS.sum() == pytest.approx(1)


def alarms(blocks):
    """How many releases were ever rolled back, with a look after each block."""
    found = restarting_evidence(log_factors(blocks, 0.0))[..., 0]
    return int((found.max(axis=1) >= -math.log(ALPHA)).sum())


def surely_at_most(alarmed, of, alpha):
    return binomtest(alarmed, of).proportion_ci(0.99, "exact").high <= alpha


MOVING = 0.05 + 0.045 * np.sin(np.arange(250) / 6)
TWICE = np.where(np.arange(250) < 120, 0.05, 0.1)


@pytest.mark.parametrize(
    ("levels", "per_arm"),
    [(0.05, (10, 10)), (0.05, (99, 1)), (0.5, (10, 10)), (0.002, (90, 10)), (MOVING, (10, 10)), (TWICE, (25, 25))],
    ids=["even", "one in a hundred", "coin", "rare", "moving level", "both worse"],
)
def test_a_good_release_looked_at_all_the_time_is_rolled_back_at_most_alpha_of_the_times(levels, per_arm):
    rates = np.broadcast_to(np.asarray(levels, dtype=float), (250,))
    alarmed = alarms(simulated(np.stack([rates, rates], axis=1), per_arm, releases=800, seed=11))
    assert surely_at_most(alarmed, 800, ALPHA)


def test_the_same_check_finds_a_z_test_that_is_looked_at_all_the_time():
    blocks = simulated(np.full((250, 2), 0.05), (10, 10), releases=800, seed=11)
    errors, n = np.cumsum(blocks.total, axis=1), 10 * np.arange(1, 251)
    level = np.clip(errors.sum(axis=-1) / (2 * n), 1e-9, 1)
    z = (errors[..., 1] - errors[..., 0]) / n / np.sqrt(2 * level * (1 - level) / n)
    assert not surely_at_most(int((z.max(axis=1) >= 1.645).sum()), 800, ALPHA)


def test_requests_of_one_bad_moment_that_fail_together_are_no_evidence():
    moments = np.random.default_rng(4)
    struck = moments.random((800, 250, 1)) < 0.08
    rates = np.where(struck, moments.random((800, 250, 1)), 0.03) + np.zeros(2)
    errors = moments.binomial(8, rates).astype(float)
    assert surely_at_most(alarms(Blocks(np.full_like(errors, 8.0), errors, np.zeros_like(errors))), 800, ALPHA)


@pytest.mark.parametrize("difference", [-0.2, 0.0, 0.03])
def test_the_interval_holds_the_difference_at_all_times_together(difference):
    rates = np.broadcast_to([0.3, 0.3 + difference], (150, 2))
    blocks = simulated(rates, (12, 6), releases=2000, seed=3)
    too_high = evidence(blocks, difference)[..., 0].max(axis=1) >= -math.log(ALPHA)
    too_low = evidence(blocks.swapped(), -difference)[..., 0].max(axis=1) >= -math.log(ALPHA)
    assert surely_at_most(int(too_high.sum()), 2000, ALPHA)
    assert surely_at_most(int(too_low.sum()), 2000, ALPHA)


@pytest.mark.parametrize(("ratio", "within"), [(1.5, 400), (2.0, 90), (4.0, 25)])
def test_a_bad_release_is_found(ratio, within):
    blocks = simulated(np.broadcast_to([0.05, 0.05 * ratio], (within, 2)), (10, 10), releases=200, seed=5)
    assert alarms(blocks) >= 180


def test_a_fault_that_comes_late_is_found_sooner_by_restarts():
    rates = np.full((500, 2), 0.05)
    rates[300:, 1] = 0.1
    factors = log_factors(simulated(rates, (10, 10), releases=100, seed=6), 0.0)
    restarted, plain = restarting_evidence(factors)[..., 0], evidence_of(factors)
    found = [np.median((path >= -math.log(ALPHA)).argmax(axis=1)) for path in (restarted, plain)]
    assert 300 < found[0] < found[1] - 20


def test_a_fault_that_comes_with_a_new_stage_is_found_sooner_than_one_that_comes_at_any_time():
    rates = np.full((500, 2), 0.05)
    rates[300:, 1] = 0.1
    factors = log_factors(simulated(rates, (10, 10), releases=100, seed=6), 0.0)
    stages = [np.zeros(500, dtype=int), (np.arange(500) >= 300).astype(int)]
    found = [(restarting_evidence(factors, one)[..., 0] >= -math.log(ALPHA)).argmax(axis=1) for one in stages]
    assert np.median(found[1]) < np.median(found[0]) - 10


def evidence_of(factors):
    return np.log(np.exp(np.cumsum(factors, axis=-3)) @ WEIGHTS)[..., 0]


def test_values_that_vary_little_tell_sooner_than_zeros_and_ones_of_the_same_mean():
    rng = np.random.default_rng(8)
    values = np.clip(np.array([0.3, 0.32]) + rng.normal(0, 0.05, (400, 10, 2)), 0, 1)
    blocks = Blocks(np.full((400, 2), 10.0), values.sum(axis=1), (values * (1 - values)).sum(axis=1))
    coarse = Blocks(blocks.count, blocks.total, np.zeros((400, 2)))
    fine, rough = (difference_sequence(one, ALPHA, ALPHA)[0] for one in (blocks, coarse))
    assert fine.lower > 0 > rough.lower
    assert fine.upper - fine.lower < (rough.upper - rough.lower) / 2


@pytest.mark.parametrize(("errors", "rolls_back"), [(1, False), (3, False), (20, True)])
def test_a_limit_waits_for_no_sample_and_not_for_one_unlucky_request(errors, rolls_back):
    found = restarting_evidence(limit_factors(counted([[0, errors]], [[0, errors]]), 0.25))[-1, 0]
    assert (found >= math.log(20 / 0.02)) is np.bool_(rolls_back)


def test_a_rate_on_its_limit_is_not_above_it():
    rng = np.random.default_rng(9)
    crossed = 0
    for _ in range(300):
        bad = rng.binomial(4, 0.25, 120).astype(float)
        ticks = counted(np.stack([bad * 0, bad * 0 + 4], axis=1), np.stack([bad * 0, bad], axis=1))
        crossed += restarting_evidence(limit_factors(ticks, 0.25)).max() >= -math.log(ALPHA)
    assert surely_at_most(int(crossed), 300, ALPHA)


def test_what_is_foretold_comes_about():
    rates = np.full((1200, 2), 0.05)
    blocks = simulated(rates, (10, 10), releases=30, seed=12)
    shown = evidence(blocks.swapped(), -0.02)[..., 0] >= -math.log(ALPHA)
    needed = np.where(shown.any(axis=1), shown.argmax(axis=1), 1200) - 60
    early = [Blocks(*(getattr(blocks, name)[at, :60] for name in ("count", "total", "spread"))) for at in range(30)]
    told = [blocks_until(one.swapped(), -0.02, ALPHA, alike=True) for one in early]
    assert 0.5 < np.median(told) / np.median(needed) < 2


def test_values_are_summed_by_arm_and_time_and_the_running_tick_is_left_out():
    ticks = count_ticks([0, 3, 12, 13, 25], [False, True, True, False, True], [0, 1, 0.5, 0.25, 1], stage=4)
    assert ticks.stage.tolist() == [4, 4]
    assert ticks.count.tolist() == [[1, 1], [1, 1]]
    assert ticks.total.tolist() == [[0, 1], [0.25, 0.5]]
    assert ticks.squares.tolist() == [[0, 1], [0.0625, 0.25]]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0, 1.5], "found 1.5 at place 1, 1 such in all"),
        ([-0.1, 2], "found -0.1 at place 0, 2 such in all"),
        ([0, float("nan")], "found nan at place 1"),
        ([0], "of one length, found 2, 2, 1"),
    ],
)
def test_a_value_that_is_no_share_is_named(values, told):
    with pytest.raises(CannotAsk, match=told):
        count_ticks([0, 1], [False, True], values)


@pytest.mark.parametrize(
    ("count", "total", "squares", "told"),
    [
        ([[5, 5]], [[0, 6]], [[0, 6]], "tick 0 cannot be of values in"),
        ([[5, 5]], [[0, 2]], [[0, 3]], "tick 0 cannot be of values in"),
        ([[5, 5]], [[0, np.nan]], [[0, 0]], "total of a tick is not a number"),
        ([[5, 5]], [[0, 1], [0, 1]], [[0, 1]], "have the shape"),
    ],
)
def test_sums_that_cannot_be_are_refused(count, total, squares, told):
    with pytest.raises(CannotAsk, match=told):
        Ticks(np.zeros(1, dtype=int), *(np.array(part, dtype=float) for part in (count, total, squares)))


def test_of_nothing_there_is_no_block_and_no_interval():
    assert len(count_ticks([], [], [])) == 0
    assert difference_sequence(close_blocks(no_ticks()), ALPHA, ALPHA) == ()
