"""The tier that holds, the questions, the waivers and the coverage of the origins of risk."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import people
import pytest
import yaml
from exposure import ANSWERS
from hypothesis import given
from hypothesis import strategies as st
from planted.base import SPEC
from pydantic import ValidationError

from expectations.coverage import ORIGINS, coverage, judge_coverage
from expectations.judge import judge
from expectations.risk import PLACEHOLDER, QUESTIONS, WORDS, Risk, Waiver, tier_words
from expectations.spec import ReleaseSpec
from expectations.state import State
from expectations.suites.risk import risk_suite
from expectations.tiers import ALL_CHECKS, TIERS
from expectations.verdicts import Finding, Outcome, worst
from expectations.waivers import Waivers, used, waivers_of
from tasks.coverage import build_coverage
from tasks.qualification.registry import CHECKS
from tasks.qualification.risk import measure_risk, unanswered

TODAY = date(2026, 3, 1)
WHY = "The slice has eleven people and is looked at by hand."


def spec(risk=None, **parts):
    return ReleaseSpec.model_validate({**SPEC, "risk": {"tier": 3, "answers": ANSWERS, **(risk or {})}, **parts})


def words_of(error):
    return error.value.errors()[0]["msg"]


# The tier that holds.


@pytest.mark.parametrize(
    ("risk", "level"),
    [
        ({"tier": 1}, 1),
        ({"tier": 1, "reach": "many"}, 2),
        ({"tier": 1, "reach": "many", "pace": "fast"}, 3),
        ({"tier": 2, "chained": ["price", "stock"]}, 3),
        ({"tier": 3, "reach": "many", "pace": "fast", "chained": ["price"]}, 4),
        ({"tier": 4, "reach": "many"}, 4),
    ],
)
def test_each_amplifier_raises_the_tier_by_one_and_never_above_four(risk, level):
    one = Risk.model_validate(risk)
    assert one.level == one.held_to.level == level
    assert one.told()["declared"] == risk["tier"]


def test_declared_and_effective_tier_and_why_are_told_in_words():
    told = tier_words(Risk(tier=2, pace="fast", also=("fairness",)).told())
    assert told.startswith("Tier 2 is declared, tier 3 holds, since the world that it predicts changes fast")
    assert tier_words(Risk(tier=4, reach="many").told()).startswith("Tier 4, the highest; it would be raised")


@given(
    st.builds(
        Risk,
        tier=st.sampled_from([1, 2, 3, 4]),
        reach=st.sampled_from(["few", "many"]),
        pace=st.sampled_from(["slow", "fast"]),
        chained=st.sampled_from([(), ("a",)]),
        also=st.lists(st.sampled_from(ALL_CHECKS), max_size=3).map(tuple),
    )
)
def test_a_team_overrides_only_upwards(risk):
    held, declared = risk.held_to, TIERS[risk.tier]
    assert held.level >= declared.level
    assert set(declared.checks) <= set(held.checks) >= set(risk.also)
    assert held.min_records >= declared.min_records
    assert held.approvals >= declared.approvals


def test_every_tier_asks_for_all_that_the_one_below_asks_for():
    for low, high in zip(TIERS.values(), list(TIERS.values())[1:], strict=False):
        assert set(low.checks) <= set(high.checks)
        assert (low.min_records, low.approvals, low.power) <= (high.min_records, high.approvals, high.power)
        assert set(low.roles) <= set(high.roles)
        assert low.pace.step_minutes <= high.pace.step_minutes


def test_the_checks_of_the_tiers_are_those_that_there_are():
    assert set(ALL_CHECKS) == {check.step for check in CHECKS}


def test_an_unknown_check_is_told_with_the_nearest():
    with pytest.raises(ValidationError, match="did you mean 'fairness'"):
        Risk(also=("fairnes",))


# The pace of a rollout, and what guards do.


def test_without_a_word_rollout_and_guards_go_by_the_tier():
    four, two = spec({"tier": 4}), spec({"tier": 2})
    assert [step.minutes for step in four.rollout.steps] == [240] * 5
    assert (four.rollout.shadow_minutes, four.serving.on_distrust) == (480, "refuse")
    assert (two.rollout.shadow_minutes, two.serving.on_distrust) == (60, "flag")
    assert ReleaseSpec.model_validate(four.model_dump(mode="json")) == four


def test_a_plan_that_is_faster_than_its_tier_is_an_error_and_a_slower_one_is_not():
    fast = {"shadow_minutes": 5, "steps": [{"share": 0.5, "minutes": 60}, {"share": 1, "minutes": 59}]}
    with pytest.raises(ValidationError) as error:
        spec(rollout=fast)
    told = words_of(error)
    assert "rollout.shadow_minutes: tier 3 asks for at least 60, found 5" in told
    assert "rollout.steps.0.share: tier 3 asks for at most 0.05, found 0.5" in told
    assert "rollout.steps.1.minutes: tier 3 asks for at least 60, found 59" in told
    assert "steps.0.minutes" not in told
    spec(rollout={"shadow_minutes": 60, "steps": [{"share": 0.05, "minutes": 60}, {"share": 1, "minutes": 60}]})
    spec({"tier": 2}, rollout=fast)


# The uncomfortable questions.


def outcomes(answers, tier=2):
    found = judge(measure_risk({**ANSWERS, **answers}), risk_suite(spec({"tier": tier}), []), strict=True)
    return {one.expectation.removeprefix("own_words:"): one for one in found}


def test_answers_in_words_of_ones_own_pass():
    assert {one.outcome for one in outcomes({}).values()} == {Outcome.PASSED}
    assert len(outcomes({})) == len(QUESTIONS)


@pytest.mark.parametrize(
    "answer",
    ["", "   ", "none", "n/a", PLACEHOLDER, f"TODO {PLACEHOLDER}", QUESTIONS["legal"], "low " * 50, "… — !"],
)
def test_an_answer_that_says_nothing_fails_and_says_what_to_write(answer):
    found = outcomes({"legal": answer})["legal"]
    assert found.outcome is Outcome.FAILED
    assert "Answer in risk.answers" in found.remedy


def test_one_text_for_two_questions_answers_neither():
    found = outcomes({"legal": ANSWERS["safety"].upper()})
    assert {key for key, one in found.items() if one.outcome is Outcome.FAILED} == {"legal", "safety"}


def test_the_boundary_is_the_stated_number_of_words():
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota"]
    assert outcomes({"legal": " ".join(words[:WORDS])})["legal"].outcome is Outcome.PASSED
    assert outcomes({"legal": " ".join(words[: WORDS - 1])})["legal"].outcome is Outcome.FAILED


def test_an_answer_in_a_script_without_spaces_counts_by_its_signs():
    assert outcomes({"legal": "模型可能拒绝合格的申请人"})["legal"].outcome is Outcome.PASSED


@given(st.text(max_size=60))
def test_no_answer_breaks_the_check_and_copies_of_it_count_nothing(text):
    found = measure_risk({key: text for key in QUESTIONS}).metrics["value"]
    assert (found == 0).all()


def test_below_tier_two_nothing_is_asked():
    assert unanswered(Risk(tier=1)) == []
    assert len(unanswered(Risk(tier=1, reach="many"))) == len(QUESTIONS)


def test_an_unknown_question_is_an_error():
    with pytest.raises(ValidationError):
        Risk.model_validate({"answers": {"worst": "x"}})


# Waivers.


def finding(outcome=Outcome.FAILED, step="slices", name="worst"):
    return Finding(step, name, outcome, "critical", "small", "large", "Mend it.")


def waiver(**changed):
    given = {"check": "slices", "expectation": "worst", "by": "vera", "reason": WHY, "until": TODAY, **changed}
    return Waiver.model_validate(given)


def waived(found, *given, tier=3, today=TODAY, who=frozenset({"validator"})):
    return Waivers(given, TIERS[tier], {"vera": who, "dev": frozenset({"developer"})}, today).let_through([found])[0]


def test_a_named_waiver_warns_until_its_last_day_and_says_by_whom_and_why():
    found = waived(finding(), waiver())
    assert found.outcome is Outcome.WARNED
    assert (found.found, found.remedy) == ("large (failed)", f"Waived by vera until 2026-03-01: {WHY}")
    assert waived(finding(Outcome.INCONCLUSIVE), waiver()).outcome is Outcome.WARNED
    assert used([found])[0]["waived"] == found.waived


def test_an_expired_waiver_counts_no_more():
    assert waived(finding(), waiver(), today=date(2026, 3, 2)).outcome is Outcome.FAILED


def test_a_waiver_is_of_one_finding_alone_and_never_of_an_error():
    assert waived(finding(name="other"), waiver()).outcome is Outcome.FAILED
    assert waived(finding(step="fairness"), waiver()).outcome is Outcome.FAILED
    assert waived(finding(Outcome.ERRORED), waiver()).outcome is Outcome.ERRORED
    assert waived(finding(Outcome.PASSED), waiver()) == finding(Outcome.PASSED)
    assert waived(finding(step="package"), waiver(check="package")).outcome is Outcome.FAILED


def test_at_tier_four_what_nobody_knows_is_not_waived():
    assert waived(finding(Outcome.INCONCLUSIVE), waiver(), tier=4).outcome is Outcome.INCONCLUSIVE
    assert waived(finding(), waiver(), tier=4).outcome is Outcome.WARNED


def test_who_has_no_role_that_approves_waives_nothing():
    assert waived(finding(), waiver(by="mallory")).outcome is Outcome.FAILED
    assert waived(finding(), waiver(by="dev")).outcome is Outcome.FAILED
    assert waived(finding(), waiver(), who=frozenset({"auditor"})).outcome is Outcome.FAILED
    assert waived(finding(), waiver(by=" VERA ")).outcome is Outcome.WARNED


def test_a_developer_cannot_write_a_waiver_of_their_own():
    with pytest.raises(ValidationError, match="is a developer of the model and cannot waive slices: worst"):
        spec({"waivers": [waiver(by="Dev").model_dump()]}, model={**SPEC["model"], "developers": ["dev "]})


@pytest.mark.parametrize(
    ("found", "today", "told"),
    [
        (finding(), TODAY, "used: vera"),
        (finding(), date(2026, 3, 2), "void: it expired on 2026-03-01"),
        (finding(Outcome.PASSED), TODAY, "not needed: it passed"),
        (finding(name="other"), TODAY, "not used: no finding has this name"),
        (finding(Outcome.ERRORED), TODAY, "void: errored is not waived at tier 3"),
    ],
)
def test_what_became_of_each_waiver_is_told(found, today, told):
    waivers = Waivers((waiver(),), TIERS[3], {"vera": frozenset({"validator"})}, today)
    [one] = waivers.told(waivers.let_through([found]))
    assert one.outcome is Outcome.WARNED
    assert told in one.found


def test_the_people_of_a_waiver_are_those_of_the_ledger():
    risk = Risk(waivers=(waiver(),))
    assert waivers_of(risk, State(), TODAY).let_through([finding()])[0].outcome is Outcome.FAILED
    known = State(people={"vera": people.person("vera")})
    assert waivers_of(risk, known, TODAY).let_through([finding()])[0].outcome is Outcome.WARNED


# Coverage.


def passed(*steps):
    return [Finding(step, "all", Outcome.PASSED, "critical", "", "") for step in steps]


ADVERSE = ("robustness", "gaming", "poisoning", "leakage")
EVERY_STEP = ("data", "conversion", "package", "quality", "guards", "latency", "comparison", *ALL_CHECKS)


def covered(findings, tier=3):
    rows = coverage(findings, TIERS[tier].checks)
    return {one.expectation: one for one in judge_coverage(rows, TIERS[tier])}


def test_what_every_check_lets_through_is_covered():
    found = covered(passed(*EVERY_STEP))
    assert {one.outcome for one in found.values()} == {Outcome.PASSED}
    assert set(found) == {origin.key for origin in ORIGINS}


@pytest.mark.parametrize(("tier", "outcome"), [(1, "not applicable"), (2, "warned"), (3, "failed"), (4, "failed")])
def test_an_origin_whose_checks_had_nothing_to_ask_of_is_uncovered(tier, outcome):
    reasons = [Finding(name, name, Outcome.NOT_APPLICABLE, "critical", "", "nothing to ask of") for name in ADVERSE]
    others = passed(*(step for step in EVERY_STEP if step not in ADVERSE))
    found = covered([*others, *reasons] if tier > 1 else others, tier)["adversaries"]
    assert found.outcome.value == outcome
    if tier > 2:
        assert found.found.startswith("robustness not applicable; gaming not applicable")
        assert "Give robustness, gaming" in found.remedy


def test_an_origin_that_a_low_tier_asks_about_and_that_is_uncovered_is_warned_of():
    found = [*passed("quality"), Finding("costs", "x", Outcome.FAILED, "critical", "", "")]
    assert covered(found, 2)["costly_errors"].outcome is Outcome.WARNED


def test_one_check_that_lets_through_covers_and_one_that_does_not_covers_nothing():
    bad = Finding("costs", "x", Outcome.INCONCLUSIVE, "critical", "", "")
    assert covered([*passed(*EVERY_STEP), bad])["costly_errors"].outcome is Outcome.FAILED
    assert covered([*passed(*EVERY_STEP), replace(bad, step="leakage")])["adversaries"].outcome is Outcome.PASSED


def test_of_no_findings_every_origin_is_open():
    assert worst(one.outcome for one in covered([]).values()) is Outcome.FAILED
    table = build_coverage(coverage([], TIERS[3].checks))
    assert not table.records["covered"].any()
    assert table.metrics["value"].tolist() == [0.0]


@given(st.sets(st.sampled_from(EVERY_STEP)), st.sets(st.sampled_from(EVERY_STEP)))
def test_more_checks_that_let_through_never_uncover(some, more):
    before, after = covered(passed(*some)), covered(passed(*(some | more)))
    assert all(after[key].outcome is Outcome.PASSED for key, one in before.items() if one.outcome is Outcome.PASSED)


# The command.


def test_the_command_tells_the_tiers_and_what_a_spec_is_held_to(seatrial, tmp_path):
    table = seatrial("tiers", "--json").json["tiers"]
    assert [table[level]["approvals"] for level in "1234"] == [1, 1, 2, 2]
    assert "Reputation" in seatrial("tiers").out
    path = tmp_path / "release.yaml"
    path.write_text(yaml.safe_dump({**SPEC, "risk": {"tier": 2, "reach": "many", "answers": {"legal": "none"}}}))
    told = seatrial("tiers", path)
    assert "Tier 2 is declared, tier 3 holds, since its answers reach many (risk.reach)." in told.out
    assert "risk.answers.legal: too short" in told.out
    assert json.loads(seatrial("tiers", path, "--json").out)["effective"] == 3


def test_the_examples_answer_their_questions():
    for path in (Path(__file__).parent.parent / "examples").glob("*/*.yaml"):
        held = ReleaseSpec.model_validate(yaml.safe_load(path.read_text()))
        assert unanswered(held.risk) == [], path
