"""Advance, roll back, or cannot tell yet: each asked for, and each refused."""

import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import mannwhitneyu, norm

from benchmarks.bench_canary import BEGIN, DOCS, END, RULES, tuned
from benchmarks.canary_rules import (
    ERRORS,
    OURS,
    Traffic,
    failed_checks,
    kayenta,
    mann_whitney,
    pooled_z,
    three_in_a_row,
)
from benchmarks.results import FOLDER
from expectations.errors import CannotAsk
from expectations.rollout_spec import Rollout, RolloutStep, Watch, WatchedBusiness
from expectations.sequential.answers import Answer, Kind, together
from expectations.sequential.rollout import judge_rollout
from expectations.sequential.stages import Stage
from expectations.sequential.ticks import Ticks, join_ticks, no_ticks
from expectations.sequential.watching import (
    Watched,
    absolute_loss,
    below_cuts,
    business_loss,
    cut_points,
    is_class,
    over_limit,
    watched,
    wrong_labels,
)

ALPHA = 0.05
HALF = Stage(number=1, share=0.5, next_share=1.0, minutes=60, requests=500, elapsed=60, idle=0)
ONLY_ERRORS = (Watched("errors", tolerance=0.02, limit=0.25),)


def traffic(champion, challenger, ticks=300, per_arm=(10, 10), stage=1, seed=1):
    """Ticks of zeros and ones at these rates; a rate may be one for each tick."""
    count = np.broadcast_to(np.array(per_arm, dtype=float), (ticks, 2)).copy()
    rates = np.stack([np.broadcast_to(rate, ticks) for rate in (champion, challenger)], axis=1)
    bad = np.random.default_rng(seed).binomial(count.astype(int), rates).astype(float)
    return Ticks(np.full(ticks, stage), count, bad, bad)


def until(ticks, end):
    """The first of them."""
    return Ticks(ticks.stage[:end], ticks.count[:end], ticks.total[:end], ticks.squares[:end])


def asked(ticks, stage=HALF, items=ONLY_ERRORS, alpha=ALPHA):
    """The answer about errors."""
    return judge_rollout(items, {"errors": [ticks]}, stage, alpha)[0]


def all_told(seen, stage=HALF, items=ONLY_ERRORS, alpha=ALPHA):
    return together(judge_rollout(items, seen, stage, alpha), alpha)


def test_a_good_challenger_advances_and_its_upper_end_is_below_the_tolerance():
    answer = asked(traffic(0.05, 0.05, ticks=600))
    assert answer.kind is Kind.ADVANCE
    assert answer.points[-1].upper < 0.02
    assert "less than 2 points may be" in answer.words


def test_a_bad_challenger_is_rolled_back_in_words_of_both_arms():
    answer = asked(traffic(0.05, 0.12))
    assert answer.kind is Kind.ROLL_BACK
    assert answer.points[-1].lower > 0
    assert "challenger 12" in answer.words
    assert "to 1 against the challenger" in answer.words


def test_too_early_to_tell_says_how_many_more_requests():
    answer = asked(traffic(0.05, 0.05, ticks=30))
    assert answer.kind is Kind.CANNOT_TELL
    assert 200 < answer.more < 20_000
    assert f"about {answer.more:,} more requests" in answer.words


def test_what_is_bad_for_both_arms_is_no_reason():
    level = np.where(np.arange(600) < 200, 0.02, 0.3)
    assert asked(traffic(level, level, ticks=600), items=(replace(ERRORS, tolerance=0.1),)).kind is Kind.ADVANCE


def test_an_early_step_asks_what_the_next_one_exposes():
    ticks = traffic(0.05, 0.05, ticks=150, per_arm=(90, 10))
    to_a_quarter = replace(HALF, share=0.1, next_share=0.25)
    assert asked(ticks, to_a_quarter).kind is Kind.ADVANCE
    assert asked(ticks, replace(to_a_quarter, next_share=1.0)).kind is Kind.CANNOT_TELL


def test_a_first_step_within_the_tolerance_needs_traffic_and_no_proof():
    shadow = replace(HALF, share=0.0, next_share=0.01)
    answer = asked(traffic(0.05, 0.05, ticks=3), shadow)
    assert (answer.kind, "too small to do harm" in answer.words) == (Kind.ADVANCE, True)
    assert asked(no_ticks(), shadow).kind is Kind.CANNOT_TELL
    assert asked(traffic(0.05, 0.4, ticks=60), shadow).kind is Kind.ROLL_BACK


def test_each_step_must_show_it_anew():
    before = traffic(0.05, 0.05, ticks=2000, stage=0)
    assert asked(before, replace(HALF, number=0)).kind is Kind.ADVANCE
    now = join_ticks([before, traffic(0.05, 0.05, ticks=3, stage=1)])
    assert asked(now).kind is Kind.CANNOT_TELL


def test_evidence_against_a_challenger_runs_through_all_steps():
    parts = [traffic(0.05, 0.08, ticks=90, stage=stage, seed=stage) for stage in (0, 1)]
    alone = [asked(part, replace(HALF, number=number)).kind for number, part in enumerate(parts)]
    assert Kind.ROLL_BACK not in alone
    assert asked(join_ticks(parts)).kind is Kind.ROLL_BACK


def test_with_very_many_requests_a_harmless_difference_is_no_reason():
    ticks = traffic(0.05, 0.053, ticks=400, per_arm=(2000, 2000))
    answer = asked(ticks)
    assert answer.points[-1].lower > 0
    assert answer.kind is Kind.ADVANCE


def test_a_hard_limit_rolls_back_where_the_champion_is_as_bad():
    assert asked(traffic(0.6, 0.6, ticks=40)).kind is Kind.ROLL_BACK
    assert asked(traffic(0.6, 0.6, ticks=40), items=(Watched("errors", 0.02),)).kind is not Kind.ROLL_BACK


def test_a_row_of_errors_rolls_back_before_any_block_is_full():
    row = Ticks(np.array([1]), np.array([[0.0, 16]]), np.array([[0.0, 16]]), np.array([[0.0, 16]]))
    assert all_told({"errors": [row]}, replace(HALF, elapsed=0.2)).kind is Kind.ROLL_BACK
    one = Ticks(np.array([1]), np.array([[0.0, 1]]), np.array([[0.0, 1]]), np.array([[0.0, 1]]))
    assert all_told({"errors": [one]}, replace(HALF, elapsed=0.2)).kind is Kind.CANNOT_TELL


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ({}, "errors: it was not measured."),
        ({"errors": []}, "errors: it was not measured."),
        ({"errors": "the log could not be read"}, "errors: the log could not be read."),
        ({"errors": [no_ticks()]}, "errors: challenger none, champion none, too few to compare."),
        ({"errors": [traffic(0.05, 0, per_arm=(10, 0))]}, "too few to compare."),
        ({"errors": [traffic(0, 0.05, per_arm=(0, 10))]}, "too few to compare."),
        ({"errors": [traffic(0, 0, stage=0)]}, "errors: challenger none, champion none, too few to compare."),
    ],
    ids=["absent", "empty", "errored", "no traffic", "no challenger", "no champion", "another step"],
)
def test_what_was_not_seen_is_never_a_success(seen, told):
    answer = all_told(seen)
    assert answer.kind is Kind.CANNOT_TELL
    assert told in answer.words


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"elapsed": 59.2}, "time: 1 more minutes of this step."),
        ({"requests": 6001}, "traffic: 6,000 requests to the challenger of 6,001 that the plan asks for."),
        ({"idle": 15}, "traffic: stalled, nothing came for 15 minutes."),
    ],
)
def test_time_sample_and_traffic_must_all_be_there(change, told):
    seen = {"errors": [traffic(0.05, 0.05, ticks=600)]}
    assert all_told(seen).kind is Kind.ADVANCE
    answer = all_told(seen, replace(HALF, **change))
    assert (answer.kind, answer.words) == (Kind.CANNOT_TELL, told)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
def test_values_that_are_all_equal_advance_once_they_are_enough(value):
    def same(ticks):
        count = np.full((ticks, 2), 10.0)
        return Ticks(np.ones(ticks, dtype=int), count, count * value, count * value**2)

    assert asked(same(400), items=(ERRORS,)).kind is Kind.ADVANCE
    assert asked(same(3), items=(ERRORS,)).kind is Kind.CANNOT_TELL


def test_missing_labels_hold_what_everything_else_lets_go():
    items = (*ONLY_ERRORS, Watched("quality", tolerance=0.05, unit="labels"))
    seen = {"errors": [traffic(0.05, 0.05, ticks=900)]}
    answers = judge_rollout(items, seen, HALF, ALPHA)
    assert [answer.kind for answer in answers] == ["advance", "cannot tell", "advance", "advance"]
    labels = judge_rollout(items, {**seen, "quality": [traffic(0.1, 0.1, ticks=20)]}, HALF, ALPHA)[1]
    assert (labels.kind, labels.unit) == (Kind.CANNOT_TELL, "labels")
    assert "more labels" in labels.words
    enough = {**seen, "quality": [traffic(0.1, 0.1, ticks=300)]}
    assert all_told(enough, items=items).kind is Kind.ADVANCE


def test_no_step_goes_up_while_something_late_speaks_against_the_challenger():
    seen = traffic(0.05, np.where(np.arange(430) < 400, 0.05, 0.2), ticks=430, seed=3)
    items = (replace(ERRORS, tolerance=0.05),)
    answers = [asked(until(seen, ticks), items=items) for ticks in range(400, 430, 2)]
    assert all(answer.points[-1].upper < 0.05 for answer in answers)
    assert answers[0].kind is Kind.ADVANCE
    held = next(answer for answer in answers if answer.kind is not Kind.ADVANCE)
    assert held.kind is Kind.CANNOT_TELL
    assert "to 1 speak against it: wait until they fall or roll back" in held.words


def test_with_all_traffic_moved_only_the_limit_is_asked():
    last = replace(HALF, share=1.0)
    items = (*ONLY_ERRORS, Watched("guards", tolerance=0.02))
    seen = {name: [traffic(0, 0.05, per_arm=(0, 10))] for name in ("errors", "guards")}
    answers = judge_rollout(items, seen, last, ALPHA)
    assert [(one.metric, one.kind) for one in answers[:1]] == [("errors", "advance")]
    assert "surely below the limit of 0.25" in answers[0].words
    assert [one.metric for one in answers] == ["errors", "traffic", "time"]
    few = {"errors": [traffic(0, 0.2, ticks=4, per_arm=(0, 5))]}
    assert judge_rollout(ONLY_ERRORS, few, last, ALPHA)[0].kind is Kind.CANNOT_TELL


def predictions(champion, challenger):
    cuts = cut_points(champion)
    sides = [below_cuts(values, cuts).reshape(-1, 10, len(cuts)).sum(axis=1) for values in (champion, challenger)]
    count = np.full((len(sides[0]), 2), 10.0)
    bad = np.stack(sides, axis=1)
    return [Ticks(np.ones(len(count), dtype=int), count, bad[..., at], bad[..., at]) for at in range(len(cuts))]


@pytest.mark.parametrize(("shift", "kind"), [(0, "advance"), (0.1, "advance"), (1.0, "roll back"), (-1.0, "roll back")])
def test_predictions_may_differ_a_little_and_not_much_either_way(shift, kind):
    rng = np.random.default_rng(2)
    seen = predictions(rng.normal(size=4000), rng.normal(shift, 1, 4000))
    items = (Watched("distribution", tolerance=0.15, harmless=0.15, both_ways=True),)
    assert judge_rollout(items, {"distribution": seen}, HALF, ALPHA)[0].kind == kind


def test_small_evidence_in_several_metrics_rolls_back_together():
    parts = [Answer(name, Kind.CANNOT_TELL, f"{name}: hm.", against=11.0) for name in ("errors", "latency")]
    assert together(parts[:1], ALPHA).kind is Kind.CANNOT_TELL
    answer = together(parts, ALPHA)
    assert (answer.kind, answer.against) == (Kind.ROLL_BACK, 22)
    assert answer.words.startswith("Only together is it enough: errors: hm.")


def test_of_no_answers_nothing_is_known():
    assert together([], ALPHA).kind is Kind.CANNOT_TELL


def test_roll_back_is_before_cannot_tell_and_cannot_tell_before_advance():
    answers = [Answer(kind, kind, f"{kind}.", more=3 if kind is Kind.CANNOT_TELL else None) for kind in Kind]
    for some in permutations(answers):
        assert together(some, ALPHA).kind is Kind.ROLL_BACK
        without = [answer for answer in some if answer.kind is not Kind.ROLL_BACK]
        assert (together(without, ALPHA).kind, together(without, ALPHA).more) == (Kind.CANNOT_TELL, 3)
    assert together(answers[:1], ALPHA).kind is Kind.ADVANCE


RATES = st.floats(0, 1)


@settings(max_examples=25, deadline=None)
@given(RATES, RATES, st.integers(1, 60), st.integers(0, 20), st.integers(0, 20), st.integers(0, 5))
def test_an_answer_agrees_with_its_interval_and_does_not_depend_on_what_was_asked_before(
    level, other, ticks, n1, n2, seed
):
    seen = traffic(level, other, ticks=ticks, per_arm=(n1, n2), seed=seed)
    before = asked(seen)
    asked(seen.of(1), replace(HALF, elapsed=3))
    asked(until(seen, 1))
    assert asked(seen) == before
    if before.kind is Kind.ADVANCE:
        assert before.points[-1].upper <= 0.02 + 1e-4
    if before.kind is Kind.ROLL_BACK and before.points:
        assert before.against >= 1 / ALPHA


@settings(max_examples=10, deadline=None)
@given(st.permutations(["errors", "latency", "guards"]), st.integers(0, 3))
def test_the_order_of_metrics_does_not_matter(order, seed):
    items = {name: Watched(name, tolerance=0.02) for name in order}
    seen = {name: [traffic(0.05, 0.05 + 0.02 * at, ticks=80, seed=seed)] for at, name in enumerate(sorted(order))}
    one, other = (judge_rollout([items[n] for n in names], seen, HALF, ALPHA) for names in (order, sorted(order)))
    assert together(one, ALPHA).kind is together(other, ALPHA).kind
    assert {a.metric: a for a in one} == {a.metric: a for a in other}


def test_a_swapped_good_challenger_is_a_bad_one():
    better = traffic(0.15, 0.05)
    assert asked(better).kind is Kind.ADVANCE
    assert asked(better.swapped()).kind is Kind.ROLL_BACK


def test_a_share_that_cannot_be_is_named():
    with pytest.raises(CannotAsk, match=r"found 0\.5 and 0"):
        replace(HALF, next_share=0)


def test_what_the_spec_watches_by_itself():
    items = {item.name: item for item in watched(Watch())}
    assert list(items) == ["errors", "latency", "guards", "distribution", "quality"]
    assert (items["errors"].tolerance, items["errors"].limit, items["quality"].unit) == (0.01, 0.25, "labels")
    assert items["distribution"].harmless == items["distribution"].tolerance
    fewer = watched(Watch.model_validate({"errors": {"tolerance": 0.02}, "latency": None, "guards": None}))
    assert [(item.name, item.limit) for item in fewer] == [("errors", 0.25), ("distribution", None), ("quality", None)]


def test_a_business_number_is_judged_in_its_own_unit():
    sales = WatchedBusiness(column="sales", low=0, high=200, tolerance=4)
    [item] = [item for item in watched(Watch(business=sales)) if item.name == "business"]
    assert item.tolerance == pytest.approx(0.02)
    assert business_loss([200, 0, 50], sales).tolist() == [0, 1, 0.75]
    assert business_loss([200, 0], sales.model_copy(update={"better": "lower"})).tolist() == [1, 0]


def test_what_was_seen_becomes_shares():
    assert over_limit([1, 20, 20.1], 20).tolist() == [0, 0, 1]
    assert absolute_loss([1, 2, 10], [1, 4, 0], scale=4).tolist() == [0, 0.5, 1]
    assert wrong_labels(["a", "b"], ["a", "c"]).tolist() == [0, 1]
    assert is_class(["a", "b", "a"], ["a", "b"]).tolist() == [[1, 0], [0, 1], [1, 0]]
    assert below_cuts([1, 5], cut_points([1, 1, 2, 3], parts=4)).tolist() == [[1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"share": 0}, "a share above 0, groups, or both"),
        ({"share": 0.1, "groups": {"town": []}}, "groups.town names no value"),
    ],
)
def test_a_step_moves_somebody(values, told):
    with pytest.raises(ValidationError, match=told):
        RolloutStep(**values)


def test_groups_go_first_and_steps_with_other_groups_are_other_steps():
    staff, town = {"group": ["staff"]}, {"town": ["Bern"]}
    steps = [{"share": 0, "groups": staff}, {"share": 0, "groups": {**staff, **town}}, {"share": 1.0}]
    assert Rollout(steps=steps).steps[1].groups["town"] == ("Bern",)
    with pytest.raises(ValidationError, match="must grow"):
        Rollout(steps=[steps[0], steps[0], steps[2]])


def test_the_rules_of_the_field_do_what_they_say():
    errors = np.zeros((1, 20, 2))
    errors[0, 2:8, 1] = [2, 3, 2, 3, 2, 3]
    seen = Traffic(errors)
    assert three_in_a_row(seen)[0].tolist() == [0, 0, 0, 0.1, 0, 0, 0, 0, 0, 0]
    assert failed_checks(seen)[0].tolist() == [0, 1, 2, 3, 3, 3, 3, 3, 3, 3]
    assert pooled_z(seen)[0, 1] == pytest.approx(5 / 100 / np.sqrt(2 * 0.025 * 0.975 / 100))
    assert not kayenta(seen).any()
    clear = np.zeros((1, 20, 2))
    clear[..., 1] = np.tile([1, 2], 10)
    assert kayenta(Traffic(clear)).any()


def test_mann_whitney_is_scipys():
    errors = np.random.default_rng(3).binomial(25, [0.05, 0.08], (1, 40, 2)).astype(float)
    champion, challenger = Traffic(errors).minutes[0].T
    expected = mannwhitneyu(challenger, champion, alternative="greater", method="asymptotic").pvalue
    assert norm.sf(mann_whitney(Traffic(errors))[0, -1]) == pytest.approx(expected)


def test_a_tuned_rule_keeps_the_rate_that_it_was_tuned_to():
    path = np.random.default_rng(0).normal(size=(400, 9))
    rule = tuned(RULES[0], path, 0.05)
    assert np.mean(path.max(axis=1) >= rule.level) == 0.05


def test_the_docs_show_what_the_benchmark_measured():
    table = DOCS.read_text().split(BEGIN)[1].split(END)[0]
    for rule in (OURS, *RULES):
        assert f"| {rule.name} |" in table
    assert table.count("### ") == 4
    claims = {one["name"]: one["value"] for one in json.loads((FOLDER / "canary.json").read_text())["claims"]}
    assert f"| {OURS.name} | " in table
    assert f" | {claims['false_rollbacks_240min']:.3f} | {claims['false_rollbacks_both_arms_worse']:.3f} | " in table
    assert claims["false_rollbacks_240min"] <= ALPHA


def test_the_rollout_in_the_docs_is_a_right_one():
    text = Path("docs/release-spec.md").read_text().split("## Rollout")[1]
    plan = Rollout.model_validate(yaml.safe_load(text.split("```yaml")[1].split("```")[0])["rollout"])
    assert [item.name for item in watched(plan.watch)] == ["errors", "latency", "guards", "distribution", "business"]
