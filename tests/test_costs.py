"""What errors cost, by whom, and what predictions cost."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from planted.base import SPEC, Planted
from planted.costs import FAULTS
from planted.risk import FAULTS as RISKS
from planted.run import again, against, findings_of, subject_of
from qualified import values

from expectations.judge import judge
from expectations.records import Evidence
from expectations.spec import Compression, Cost, ReleaseSpec
from expectations.suites.costs import costs_suite, is_stated
from expectations.tiers import TIERS
from expectations.verdicts import Outcome
from tasks.cost import price_of
from tasks.qualification.costs import cheapest_constant, measure_costs, measure_running, plots
from tasks.quality import tail_of

MATRIX = {"bad": {"good": 10.0}, "good": {"bad": 1.0}}
MEASURED = {"cpu_us": 36.0, "batch_cpu_us": 3.6, "memory_mb": 12.0, "p95_ms": 0.1}


def price(**cost):
    return price_of(Cost.model_validate(cost), None, pd.DataFrame())


def labels(share_bad=0.3, n=1000, seed=0):
    return np.where(np.random.default_rng(seed).random(n) < share_bad, "bad", "good").astype(object)


def wrong(actual, share, seed=1):
    other = np.where(actual == "bad", "good", "bad").astype(object)
    return np.where(np.random.default_rng(seed).random(len(actual)) < share, other, actual).astype(object)


def errors(model=0.1, champion=None, n=1000, **cost):
    actual = labels(n=n)
    said = {"model": wrong(actual, model), "guessing": np.full(n, "bad", dtype=object)}
    if champion is not None:
        said["champion"] = wrong(actual, champion, seed=2)
    return measure_costs(actual, said, price(**(cost or {"matrix": MATRIX})), TIERS[3])


def outcomes(evidence, tier=3, running=None, **spec):
    whole = ReleaseSpec.model_validate({**SPEC, "risk": {**SPEC["risk"], "tier": tier}, **spec})
    run = measure_running(running if running is not None else {"model": MEASURED}, whole.compression)
    one = Evidence("costs", pd.concat([evidence.metrics, run], ignore_index=True), evidence.records, {})
    suite = costs_suite(whole, [str(name) for name in one.metrics["metric"]])
    return {found.expectation: found.outcome.value for found in judge(one, suite, strict=True)}


STATED = {"cost": {"matrix": MATRIX}}


def test_errors_are_priced_beside_guessing_and_a_perfect_model():
    found = values(errors(0.1))
    assert found.loc["expected_cost:perfect", "value"] == 0
    assert found.loc["expected_cost:model", "value"] == pytest.approx(0.1 * (0.3 * 10 + 0.7), abs=0.1)
    assert found.loc["expected_cost:guessing", "value"] == pytest.approx(0.7, abs=0.05)
    lower, upper = found.loc["saved_over_guessing", ["lower", "upper"]]
    assert 0 < lower < found.loc["saved_over_guessing", "value"] < upper
    assert outcomes(errors(0.1), **STATED)["saved_over_guessing"] == "passed"


def test_the_tail_is_the_mean_of_the_costliest_hundredth():
    cost = np.zeros(400)
    cost[:2], cost[2] = 100.0, 40.0
    once = np.ones((1, 400))
    assert tail_of(cost)(once)[0] == pytest.approx((100 + 100 + 40 + 0) / 4)
    assert values(errors(0.1)).loc["tail_1pct:model", "value"] == 10
    assert values(errors(0.1)).loc["worst:model", "value"] == 10


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1e6)), st.floats(0.01, 1))
def test_the_tail_lies_between_mean_and_worst(cost, share):
    once = np.ones((1, len(cost)))
    tail = tail_of(cost, share)(once)[0]
    assert cost.mean() - 1e-6 * (1 + cost.max()) <= tail <= cost.max() + 1e-6 * (1 + cost.max())


def test_a_model_that_costs_more_than_one_answer_for_all_fails_where_prices_are_stated():
    dear = errors(0.4)
    assert outcomes(dear, tier=1, **STATED)["saved_over_guessing"] == "failed"
    assert outcomes(dear, tier=4, **STATED)["saved_over_guessing"] in ("failed", "inconclusive")


def test_where_no_price_is_stated_every_error_costs_one_and_a_person_is_told():
    actual = labels()
    said = {"model": wrong(actual, 0.6), "guessing": np.full(len(actual), "good", dtype=object)}
    found = measure_costs(actual, said, price(), TIERS[3])
    assert outcomes(found)["saved_over_guessing"] == "warned"
    assert not is_stated(Cost(unit="errors"))
    assert is_stated(Cost(over=0.5))


def test_as_dear_as_guessing_is_the_boundary_and_passes():
    actual = labels()
    same = np.full(len(actual), "good", dtype=object)
    found = measure_costs(actual, {"model": same, "guessing": same}, price(matrix=MATRIX), TIERS[3])
    assert outcomes(found, **STATED)["saved_over_guessing"] == "passed"


@pytest.mark.parametrize(("tier", "word"), [(2, "warned"), (3, "failed"), (4, "failed")])
def test_surely_costlier_than_the_champion_stops_where_much_is_at_stake(tier, word):
    assert outcomes(errors(0.2, champion=0.1), tier, **STATED)["surely_costlier_than_champion"] == word
    assert outcomes(errors(0.1, champion=0.1), tier, **STATED)["surely_costlier_than_champion"] == "passed"


def test_chance_raises_no_alarm_about_an_equal_champion():
    bounds = []
    for seed in range(20):
        actual = labels(n=400, seed=seed)
        said = {"model": wrong(actual, 0.1, 100 + seed), "champion": wrong(actual, 0.1, 900 + seed)}
        said["guessing"] = np.full(len(actual), "bad", dtype=object)
        found = measure_costs(actual, said, price(matrix=MATRIX), TIERS[3])
        bounds.append(values(found).loc["surely_costlier_than_champion", "value"])
    # Twenty trials at 5 %: more than four alarms come in three of a thousand such tests.
    assert sum(bound > 0.02 for bound in bounds) <= 4


def test_a_champion_without_cost_is_beaten_by_none_and_equalled_by_one():
    actual = labels()
    perfect = {"model": actual, "champion": actual, "guessing": np.full(len(actual), "bad", dtype=object)}
    found = measure_costs(actual, perfect, price(matrix=MATRIX), TIERS[3])
    assert values(found).loc["surely_costlier_than_champion", "value"] == 0
    worse = measure_costs(actual, perfect | {"model": wrong(actual, 0.1)}, price(matrix=MATRIX), TIERS[3])
    assert outcomes(worse, **STATED)["surely_costlier_than_champion"] == "failed"


def test_too_few_records_cannot_tell_and_none_at_all_is_no_traceback():
    assert outcomes(errors(0.1, n=299), **STATED)["saved_over_guessing"] == "inconclusive"
    assert outcomes(errors(0.1, n=300), **STATED)["saved_over_guessing"] == "passed"
    assert outcomes(errors(0.1, champion=0.1, n=0), **STATED, running={})["saved_over_guessing"] == "inconclusive"


def test_an_answer_that_is_no_number_cannot_be_priced():
    actual = np.arange(400.0)
    said = {"model": np.where(actual == 7, np.nan, actual), "guessing": np.full(400, 200.0)}
    found = measure_costs(actual, said, price(under=1, over=2), TIERS[3])
    numbers = {**SPEC, "model": {"name": "m", "task": "regression", "owner": "o"}, "cost": {"under": 1, "over": 2}}
    suite = costs_suite(ReleaseSpec.model_validate(numbers), [])[:1]
    assert judge(found, suite, strict=True)[0].outcome is Outcome.INCONCLUSIVE


def test_guessing_takes_the_cheapest_constant_of_training():
    known = np.array(["bad"] * 30 + ["good"] * 70, dtype=object)
    assert cheapest_constant(price(matrix=MATRIX), known, np.array(["bad", "good"], dtype=object)) == "bad"
    assert cheapest_constant(price(), known, np.array(["bad", "good"], dtype=object)) == "good"
    numbers = np.arange(101.0)
    assert cheapest_constant(price(under=3, over=1), numbers, np.arange(0.0, 101.0, 5.0)) == 75


def test_a_limit_of_the_spec_is_held_and_prices_come_from_it():
    asked = Compression(watts_per_core=10, price_per_core_hour=0.04, price_per_kwh=0.3)
    found = measure_running({"model": MEASURED, "champion": {**MEASURED, "cpu_us": 9.0}}, asked).set_index("metric")
    assert found.loc["cpu_s_per_million", "value"] == 36
    assert found.loc["kwh_per_million", "value"] == pytest.approx(1e-4)
    assert found.loc["money_per_million", "value"] == pytest.approx(36 / 3600 * 0.04 + 1e-4 * 0.3)
    assert found.loc["running_over_champion", "value"] == 4
    limits = {"cpu_s_per_million": 35, "money_per_million": 1, "per_record": 0.5}
    told = outcomes(errors(0.1), **STATED, checks={"costs": limits})
    assert (told["cpu_s_per_million"], told["money_per_million"]) == ("failed", "passed")
    assert told["expected_cost:model"] == "passed"


def test_a_package_that_needs_more_memory_than_it_is_given_fails_and_one_that_was_not_measured_cannot_tell():
    big = {"model": {**MEASURED, "memory_mb": 3000.0}}
    assert outcomes(errors(0.1), **STATED, running=big)["memory_mb"] == "failed"
    assert outcomes(errors(0.1), **STATED, running={})["memory_mb"] == "inconclusive"


def test_plots_tell_in_words_what_they_show():
    drawn = plots(errors(0.1, champion=0.2), {"cost": {"unit": "dollars"}})
    assert [plot.title for plot in drawn if plot] == [
        "What errors cost on average",
        "What errors cost in the worst 1 % of records",
    ]
    assert "champion" in drawn[0].alt


@pytest.fixture(scope="module", params=[("logistic", 0), ("boosting", 1)], ids=["logistic", "boosting"])
def clean(request, tmp_path_factory):
    train, seed = request.param
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SEATRIAL_HOME", str(tmp_path_factory.mktemp("home")))
        yield subject_of(Planted("clean", "costs", "", train=train), tmp_path_factory.mktemp("clean"), seed)


@pytest.mark.parametrize("fault", [*FAULTS, *RISKS], ids=lambda one: one.name)
def test_a_planted_fault_is_caught(fault, clean):
    found = against(findings_of(again(clean, fault), fault.caught_by))
    assert [one.outcome for one in found if fault.says in one.expectation] == [Outcome.FAILED], found


def test_of_a_clean_release_nothing_is_said(clean):
    assert against(findings_of(clean, "costs", "risk")) == []
