"""The judge of what serves: at most alpha of false alarms over all time, late changes found, nothing forgotten."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from expectations.errors import CannotAsk
from expectations.sequential.accounts import (
    BOLDNESS,
    Account,
    Asked,
    Sums,
    begin,
    begin_anew,
    go_on,
    is_calm,
    threshold,
)
from expectations.sequential.betting import limit_bets, money_from, restart_money
from expectations.sequential.kept_accounts import account_as_json, account_from_json
from expectations.sequential.standing import Standing, Strand, judge, judge_account, missing

MINUTE, HOUR, DAY = 60, 3600, 86400


def asked_of(limits, tolerance=0.1, levels=(1.0, 2.0, 4.0), alpha=0.05, calm=HOUR):
    """One alarm with a strand for each limit."""
    limit = np.array(limits, dtype=float)
    labels = tuple(f"place {at}" for at in range(len(limit)))
    return Asked(labels, limit, np.full(len(limit), tolerance), levels, alpha, calm)


def minutes(rates, each=50, seed=0, start=0):
    """A tick a minute of zeros and ones; `rates` (T, N)."""
    total = np.random.default_rng(seed).binomial(each, np.asarray(rates, dtype=float)).astype(float)
    when = MINUTE * np.arange(start, start + len(total), dtype=np.int64)
    return Sums(when, np.full_like(total, each), total, total)


def shifted(before, after, ticks, at, strand=0):
    """(T, N) rates of which one goes up at a tick."""
    rates = np.tile(np.asarray(before, dtype=float), (ticks, 1))
    rates[at:, strand] = after
    return rates


def part_of(sums, ticks):
    return Sums(*(getattr(sums, name)[ticks] for name in ("when", "count", "total", "squares")))


TICKS = st.lists(
    st.tuples(st.integers(0, 20), st.floats(0, 1), st.floats(0, 1)).map(
        lambda one: (float(one[0]), one[0] * one[1], one[0] * one[1] * one[2])
    ),
    max_size=40,
).map(
    lambda rows: Sums(
        np.arange(len(rows), dtype=np.int64) * MINUTE,
        *(np.array([[row[at]] * 2 for row in rows]).reshape(-1, 2) for at in range(3)),
    )
)


@settings(max_examples=60, deadline=None)
@given(TICKS, st.integers(0, 40))
def test_to_judge_all_at_once_is_to_judge_tick_by_tick_and_to_keep_the_account_in_between(sums, cut):
    asked = asked_of([0.2, 0.5])
    at_once = go_on(asked, begin(asked), sums)
    first = go_on(asked, begin(asked), part_of(sums, slice(None, cut)))
    kept = account_from_json(asked, json.loads(json.dumps(account_as_json(first))))
    later = go_on(asked, kept, part_of(sums, slice(cut, None)))
    assert account_as_json(later) == account_as_json(at_once)
    assert repr(judge_account("inputs", asked, later)) == repr(judge_account("inputs", asked, at_once))


@given(st.floats(0.001, 0.999), st.floats(0, 1))
def test_a_bet_against_a_true_claim_is_fair_or_worse(limit, share):
    bets = limit_bets(np.array([limit]), BOLDNESS)[:, 0]
    mean = share * limit
    expected = (1 - mean) * np.exp(bets[0]) + mean * np.exp(bets[0] + bets[1])
    assert (expected <= 1 + 1e-12).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.floats(0.001, 0.999))
def test_sums_win_at_most_what_the_values_would(values, limit):
    x = np.array(values)
    bets = limit_bets(np.array([limit]), BOLDNESS)[:, 0]
    found = len(x) * bets[0] + x.sum() * bets[1] + (x * (1 - x)).sum() * bets[2]
    exact = np.log1p(BOLDNESS / limit * (x[:, None] - limit)).sum(axis=0)
    assert (found <= exact + 1e-9).all()


@given(st.integers(0, 500), st.integers(1, 200))
def test_the_money_of_later_ticks_is_what_is_left_of_it(ticks, more):
    begins, waits = money_from(ticks, more)
    every = restart_money(np.zeros(ticks + more, dtype=np.int64))
    assert begins == pytest.approx(every[0][ticks:])
    assert waits == pytest.approx(every[1][ticks:])


def alarms(rates, asked, runs, ticks, each=20, seed=0):
    """How many of `runs` ever reach the threshold, looked at after each tick. All runs are one array for speed."""
    n, count = len(rates), np.full((runs, len(rates), 1, 1), float(each))
    draw = np.random.default_rng(seed)
    at_play, alarmed = np.zeros((runs, n, 1, len(BOLDNESS))), np.zeros(runs, dtype=bool)
    begins, waits = money_from(0, ticks)
    bets = asked.bets[:, :, :1]
    for at in range(ticks):
        total = draw.binomial(each, rates, (runs, n))[..., None, None]
        at_play = (at_play + begins[at]) * np.exp(count * bets[0] + total * bets[1])
        alarmed |= np.log(at_play.mean(axis=(1, 2, 3)) + waits[at]) >= threshold(asked, begin(asked))
    return int(alarmed.sum())


@pytest.mark.parametrize("limit", [0.02, 0.3, 0.8])
def test_exactly_at_the_tolerance_no_more_than_alpha_is_ever_alarmed_looked_at_each_minute_for_twelve_hours(limit):
    asked = asked_of([limit] * 3, alpha=0.2)
    found = alarms(asked.means[:, 0], asked, runs=300, ticks=720)
    assert binomtest(found, 300, 0.2, alternative="greater").pvalue > 0.001


def test_the_fast_simulation_is_the_judge_itself():
    asked = asked_of([0.3] * 3, alpha=0.2)
    draw = np.random.default_rng(0)
    total = np.stack([draw.binomial(20, [0.55, 0.3, 0.3], (1, 3))[0] for _ in range(60)]).astype(float)
    account = go_on(asked, begin(asked), Sums(np.arange(60), np.full_like(total, 20.0), total, total))
    assert (alarms([0.55, 0.3, 0.3], asked, 1, 60) == 1) == (account.best[0] >= threshold(asked, account))


def test_what_is_within_its_tolerance_is_quiet_for_as_long_as_one_looks():
    asked = asked_of([0.3, 0.5])
    account = go_on(asked, begin(asked), minutes(np.tile([0.35, 0.55], (3000, 1))))
    answer = judge_account("inputs", asked, account)
    assert (answer.standing, answer.times, answer.worst) == (Standing.QUIET, 0.0, ())


@pytest.mark.parametrize("at", [0, 300, 5000])
def test_a_change_is_found_within_minutes_however_late_it_comes(at):
    asked = asked_of([0.3] * 20)
    sums = minutes(shifted([0.3] * 20, 0.6, at + 30, at, strand=7))
    answer = judge_account("inputs", asked, go_on(asked, begin(asked), sums))
    assert (answer.standing, answer.worst[0]) == (Standing.ALARM, "place 7")
    assert answer.began == pytest.approx(MINUTE * at, abs=3 * MINUTE)
    assert answer.estimate == pytest.approx(0.6, abs=0.06)
    assert 0.4 <= answer.lower < 0.6


def test_how_many_tolerances_is_never_more_than_there_are():
    asked = asked_of([0.3])
    for rate, times in ((0.45, 1), (0.55, 2), (0.8, 4)):
        account = go_on(asked, begin(asked), minutes(np.full((600, 1), rate)))
        assert judge_account("inputs", asked, account).times == times


def test_no_claim_is_refuted_whose_mean_is_one():
    asked = asked_of([0.95])
    account = go_on(asked, begin(asked), minutes(np.ones((600, 1))))
    assert judge_account("inputs", asked, account).standing is Standing.QUIET


def test_nothing_counted_is_not_quiet_and_says_how_many_are_needed():
    asked = asked_of([0.3])
    answer = judge_account("quality", asked, begin(asked))
    needed = missing(asked, begin(asked))[0]
    assert answer.standing is Standing.CANNOT_TELL
    assert answer.words == f"quality: nothing was counted yet; about {needed:,.0f} values are needed."


def test_too_few_is_not_quiet_and_so_many_more_are_enough():
    asked = asked_of([0.3])
    few = go_on(asked, begin(asked), minutes([[0.3]], each=20))
    more = int(missing(asked, few)[0])
    assert judge_account("quality", asked, few).standing is Standing.CANNOT_TELL
    assert f"{more:,} more values" in judge_account("quality", asked, few).words
    enough = go_on(asked, few, minutes([[0.3]], each=more, start=1))
    assert judge_account("quality", asked, enough).standing is Standing.QUIET


def test_as_many_as_are_asked_for_do_show_twice_the_tolerance_more_often_than_not():
    asked = asked_of([0.3])
    needed = int(missing(asked, begin(asked))[0])
    found = [
        judge_account("x", asked, go_on(asked, begin(asked), minutes([[0.5]], each=2 * needed, seed=seed))).standing
        for seed in range(40)
    ]
    assert found.count(Standing.ALARM) > 20


def test_where_only_one_tolerance_can_be_seen_nothing_counted_is_not_quiet():
    nothing = np.zeros(5)
    [told] = judge({"quality": [Strand("the loss", 0.92, 0.05, nothing, nothing, nothing)]}, 0.05)
    assert told.standing is Standing.CANNOT_TELL


def test_what_was_not_measured_is_told_and_is_never_quiet():
    ticks = np.array([50.0] * 40)
    strand = Strand("not trusted", 0.1, 0.05, ticks, ticks * 0.1, ticks * 0.1)
    told = {
        one.alarm: one for one in judge({"guards": [strand], "lookups": "the log has no flags.", "slices": []}, 0.05)
    }
    assert told["guards"].standing is Standing.QUIET
    assert told["lookups"].standing is told["slices"].standing is Standing.CANNOT_TELL
    assert told["lookups"].words == "lookups: the log has no flags."


def test_an_alarm_costs_as_little_of_alpha_as_there_are_alarms():
    ticks = np.array([50.0] * 12)
    strand = Strand("not trusted", 0.1, 0.05, ticks, ticks * 0.3, ticks * 0.3)
    alone = judge({"guards": [strand]}, 0.05)[0]
    among = judge({"guards": [strand], **{f"alarm {at}": "not measured" for at in range(9)}}, 0.05)[0]
    assert alone.odds == among.odds
    assert alone.standing is Standing.ALARM


def test_an_alarm_ends_after_a_calm_that_begins_after_it_and_not_before():
    asked = asked_of([0.3, 0.3])
    account = go_on(asked, begin(asked), minutes(np.tile([0.3, 0.3], (120, 1))))
    account = go_on(asked, account, minutes(np.tile([0.7, 0.3], (30, 1)), seed=1, start=120))
    assert judge_account("inputs", asked, account).standing is Standing.ALARM
    assert not is_calm(asked, account)
    calm_at = first_calm(asked, account, minutes(np.tile([0.3, 0.3], (200, 1)), seed=2, start=150))
    assert 60 <= calm_at <= 120


def first_calm(asked, account, sums):
    """The tick after which it is calm; the number of ticks where it never is."""
    for at in range(len(sums.when)):
        account = go_on(asked, account, part_of(sums, slice(at, at + 1)))
        if is_calm(asked, account):
            return at
    return len(sums.when)


@pytest.mark.parametrize("rate", [0.38, 0.5])
def test_what_is_still_more_than_half_a_tolerance_away_does_not_end_an_alarm(rate):
    asked = asked_of([0.3])
    account = go_on(asked, begin(asked), minutes(np.full((30, 1), 0.7)))
    assert first_calm(asked, account, minutes(np.full((300, 1), rate), seed=3, start=30)) == 300


def test_silence_does_not_end_an_alarm():
    asked = asked_of([0.3])
    account = go_on(asked, begin(asked), minutes(np.full((30, 1), 0.7)))
    nothing = minutes(np.full((300, 1), 0.3), each=0, start=30)
    assert first_calm(asked, account, nothing) == 300


def test_each_round_costs_more_so_that_all_together_keep_to_alpha():
    asked = asked_of([0.3])
    account, spent = begin(asked), 0.0
    for _ in range(1000):
        spent += math.exp(-threshold(asked, account))
        account = begin_anew(asked, account)
    assert 0.99 * asked.alpha < spent <= asked.alpha


def test_after_an_alarm_has_ended_the_next_one_is_found_too():
    asked = asked_of([0.3])
    account = go_on(asked, begin(asked), minutes(np.full((30, 1), 0.7)))
    account = begin_anew(asked, account)
    account = go_on(asked, account, minutes(shifted([0.3], 0.6, 230, 200), seed=4, start=100))
    answer = judge_account("inputs", asked, account)
    assert answer.standing is Standing.ALARM
    assert answer.began == pytest.approx(MINUTE * 300, abs=3 * MINUTE)


def test_an_account_of_other_claims_is_refused():
    told = account_as_json(begin(asked_of([0.3, 0.4])))
    with pytest.raises(CannotAsk, match="kept of other yardsticks"):
        account_from_json(asked_of([0.3]), told)


def test_an_account_is_as_large_after_a_month_as_before_it():
    asked = asked_of([0.3] * 5)
    after_an_hour = go_on(asked, begin(asked), minutes(np.full((60, 5), 0.3)))
    later = go_on(asked, after_an_hour, minutes(np.full((2000, 5), 0.3), start=60))
    lengths = [len(json.dumps(account_as_json(one))) for one in (after_an_hour, later)]
    assert isinstance(later, Account)
    assert lengths[1] < lengths[0] + 100
