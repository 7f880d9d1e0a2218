"""Models that feed models: the example's chain is played, and the pure parts are tried one by one."""

import shutil
import sys
from datetime import date
from pathlib import Path

import chained
import numpy as np
import pandas as pd
import people
import pytest
from guarded import guarded
from hypothesis import given, settings
from hypothesis import strategies as st
from qualified import parted
from sklearn.linear_model import LinearRegression, LogisticRegression
from test_graph import folded, life

from expectations.errors import CannotAsk
from expectations.graph import place_of
from expectations.judge import judge
from expectations.people import identity
from expectations.risk import InGraph, Risk, Waiver
from expectations.spec import ReleaseSpec
from expectations.state import Fed
from expectations.suites.interactions import interactions_suite
from expectations.tiers import TIERS
from expectations.verdicts import Finding, Outcome
from expectations.waivers import Waivers, waivers_of
from flows.graph_command import relation_words
from infra.evidence_store import get_evidence
from tasks import compare, steps
from tasks.cost import price_of
from tasks.job import open_job
from tasks.qualification.feeding import Link, agrees, as_theirs, output_of, refreshed
from tasks.qualification.interactions import CHECK, measure_interactions, plots
from tasks.qualification.interactions_downstream import Downstream, Requalified, requalify
from tasks.qualification.interactions_upstream import Served, confirm, undeclared

EXAMPLE = Path(__file__).parent.parent / "examples" / "chain"
sys.path.insert(0, str(EXAMPLE))
import score  # noqa: E402

pytestmark = pytest.mark.xdist_group("interactions")
DESK = "downstream:ames-desk"


# The example, played: two models serve, and two releases want to take the first one's place.


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """The folder of the example and its store, in which both models serve."""
    with pytest.MonkeyPatch.context() as patched:
        folder = tmp_path_factory.mktemp("chain")
        patched.setenv("SEATRIAL_HOME", str(folder / "home"))
        shutil.copytree(EXAMPLE, folder / "chain")
        store, at = str(folder / "store"), folder / "chain"
        first = chained.packaged(at / "value.yaml", store)
        alone = chained.asked(first)[0]
        chained.promoted(first)
        score.score(store, "ames-value", "Estimated_Price", str(at / "houses.parquet"), str(at / "scored.parquet"))
        desk = chained.packaged(at / "desk.yaml", store)
        asked = chained.asked(desk)
        chained.promoted(desk)
        yield at, store, alone, asked


@pytest.fixture(scope="module")
def hurting(chain):
    return chained.packaged(chain[0] / "value_net.yaml", chain[1])


def test_a_model_that_stands_alone_is_told_why_nothing_is_asked(chain):
    [one] = chain[2]
    assert one.outcome is Outcome.NOT_APPLICABLE
    assert one.found.startswith("no model takes its outputs, its spec declares no upstream")


def test_a_declared_column_is_confirmed_by_the_release_that_made_it(chain):
    findings, facts = chain[3]
    assert {f.expectation: f.outcome.value for f in findings} == {
        "confirmed:Estimated_Price": "passed",
        "undeclared_columns": "passed",
    }
    [declared] = facts["declared"]
    assert list(declared["rows_made_by"].values()) == [2000]


def test_a_release_that_helps_itself_and_hurts_who_takes_its_outputs_is_stopped(hurting):
    found = {f.expectation: f for f in chained.asked(hurting)[0]}
    assert found[DESK].outcome is Outcome.FAILED
    assert "only its owner can waive this" in found[DESK].remedy
    better = steps.measure.fn(compare.CHECK, hurting)
    assert better["facts"]["label"] == "better"


def test_a_declared_column_or_input_that_the_table_lacks_is_told_before_anything_is_made(chain):
    at = chain[0]
    spec = (
        (at / "desk.yaml").read_text().replace("column: Estimated_Price", "column: Estimate, inputs: {Lot_Area: Lott}")
    )
    (at / "lacking.yaml").write_text(spec)
    job = open_job(at / "lacking.yaml", chain[1], None)
    found = [f.found for f in steps.access.fn(job) if f.outcome is Outcome.FAILED]
    assert "Estimate" in found[0]
    assert "Lott" in found[0]


def test_its_tier_is_raised_and_its_identity_is_not_changed(chain, hurting):
    job = hurting.job
    assert job.spec.risk.told()["raised_by"] == ["its outputs feed a model: ames-desk (graph)"]
    assert (job.tier.level, job.approvals) == (2, 1)
    elsewhere = open_job(chain[0] / "value_net.yaml", str(chain[0] / "other"), None)
    assert elsewhere.tier.level == 1
    assert elsewhere.release == job.release


def test_the_report_says_who_is_hurt_by_how_much_and_how_far_it_hangs_on_the_outputs(hurting):
    evidence = get_evidence(hurting.job.store(), steps.measure.fn(CHECK, hurting))
    [told] = evidence.records.to_dict("records")
    assert (told["model"], told["owner"], told["label"], told["steps"]) == ("ames-desk", "dora@example.com", "worse", 1)
    assert told["share_of_answers"] > 0.5
    assert told["after"] > told["before"]
    assert "ames-desk" in plots(evidence, {})[0].alt


def test_a_release_that_helps_both_passes_and_is_asked_again_once_more_is_on_its_way(chain):
    better = chained.packaged(chain[0] / "value_longer.yaml", chain[1])
    found = {f.expectation: f.outcome for f in chained.asked(better)[0]}
    assert set(found.values()) == {Outcome.PASSED}
    assert DESK in found
    before = CHECK.depends_on(better)
    people.say(better.job.ledger(), "ames-value", chained.judged(better))
    assert CHECK.depends_on(better) != before


def waived(hurting, by):
    waiver = {"check": "interactions", "expectation": DESK, "by": by, "until": "2999-12-31"}
    waiver["reason"] = "The desk is released anew on net prices tomorrow."
    risk = hurting.job.spec.risk.model_copy(update={"waivers": (Waiver.model_validate(waiver),)})
    waivers = waivers_of(risk, hurting.job.ledger().state(), date(2026, 1, 1))
    finding = next(f for f in chained.asked(hurting)[0] if f.expectation == DESK)
    [one] = waivers.let_through([finding])
    return one.outcome.value, waivers.told([one])[0].found


def test_the_owner_of_the_model_downstream_waives_and_nobody_else(hurting):
    ledger, dora = hurting.job.ledger(), "dora@example.com"
    assert waived(hurting, "vera") == ("failed", f"void: ames-desk is {dora}'s: vera cannot speak for it")
    assert waived(hurting, dora)[0] == "failed"
    body = identity(ledger.state(), people.person(dora, "owner"), people.FOUNDER, people.signer(people.FOUNDER))
    ledger.decide_and_append(lambda _: ("identity set", "", body))
    assert waived(hurting, dora) == ("warned", f"used: {dora}, until 2999-12-31")
    assert waived(hurting, "otto")[0] == "failed"


def test_the_command_shows_who_feeds_whom(chain, seatrial, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(chain[0].parent / "home"))
    shown = seatrial("graph", "--store", chain[1])
    assert "└─ ames-desk" in shown.out
    assert "Estimated_Price is its prediction" in shown.out
    told = seatrial("graph", "--store", chain[1], "--json").json["models"]
    assert told["ames-value"]["downstream"] == ["ames-desk"]


# The parts: packages of small models, made in memory.


def table(n=900, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n), "c": rng.normal(size=n)})
    frame["level"] = 3 * frame["a"] + frame["b"] + rng.normal(0, 0.3, n)
    frame["due"] = frame["level"] + frame["c"] + rng.normal(0, 0.3, n)
    return frame


def package(frame, columns, target, model=None):
    return guarded(model or LinearRegression(), parted(frame[[*columns, target]]), target)[0]


@pytest.fixture(scope="module")
def links():
    """first (a, b) -> level; second (level*, c) -> due; third (due*, b) -> is it dear?"""
    frame = table()
    first = package(frame, ["a", "b"], "level")
    frame["guess"] = output_of(first, frame, "prediction", "first")
    second = package(frame, ["guess", "c"], "due")
    frame["said"] = output_of(second, frame, "prediction", "second")
    frame["dear"] = np.where(frame["due"] > 0, "yes", "no")
    third = package(frame, ["said", "b"], "dear", LogisticRegression())
    made = {
        "first": Link(first),
        "second": Link(second, (Fed("first", "guess"),)),
        "third": Link(third, (Fed("second", "said"),)),
    }
    return made, frame


def another(links, change):
    """The links with a first model that was trained on another target."""
    made, frame = links
    other = package(frame.assign(level=change(frame["level"])), ["a", "b"], "level")
    return {**made, "first": Link(other)}


def below(frame, model, columns, target, **changed):
    rows = frame.iloc[600:].reset_index(drop=True)
    numbers = frame[target].dtype.kind == "f"
    actual = rows[target].to_numpy() if numbers else rows[target].to_numpy(dtype=object)
    given = {
        "model": model, "release": f"{model}1", "owner": "dora", "steps": 1, "columns": columns, "test": rows,
        "target": target, "actual": actual, "price": price_of(ReleaseSpec.model_validate(SPEC).cost, Path(), rows),
        "positive": None if numbers else "yes", "metric": None, "margin": 0.02,
    }  # fmt: skip
    return Downstream(**{**given, **changed})


SPEC = {
    "model": {"name": "first", "task": "regression", "owner": "o"},
    "candidate": {"train": "t:f"},
    "data": {"target": "level", "sources": {"s": {"path": "s.csv"}}},
    "risk": {"tier": 2},
}


def outcome_of(requalified, tier=2):
    spec = ReleaseSpec.model_validate({**SPEC, "risk": {"tier": tier}})
    evidence = measure_interactions(place(), [], [], [requalified], 0, 0)
    names = list(evidence.metrics["metric"])
    [one] = judge(evidence, interactions_suite(spec, names), strict=TIERS[tier].strict)
    return one.outcome.value


def place():
    return place_of({"first": frozenset({"second"}), "second": frozenset()}, "first")


ALL = ("first", "second", "third")


@pytest.mark.parametrize(
    ("change", "label", "outcome"),
    [
        (lambda level: level, "equivalent", "passed"),
        (lambda level: level + 0.001, "equivalent", "passed"),
        (lambda level: level * 1.5, "worse", "failed"),
        (lambda level: level / 1000, "worse", "failed"),
        (lambda level: level.sample(frac=1, random_state=0).to_numpy(), "worse", "failed"),
    ],
    ids=["the same", "nearly", "half as much again", "another unit", "shuffled"],
)
def test_what_becomes_of_a_model_downstream_is_told(links, change, label, outcome):
    one = requalify(below(links[1], "second", ("guess",), "due"), links[0], another(links, change), ALL, 100)
    assert (one.told["label"], outcome_of(one)) == (label, outcome)


def test_a_model_that_hangs_on_the_outputs_through_another_is_asked_too(links):
    far = below(links[1], "third", ("said",), "dear", steps=2)
    one = requalify(far, links[0], another(links, lambda level: -level), ALL, 100)
    assert (one.told["label"], one.told["metric"]) == ("worse", "log_loss")
    assert one.told["columns_moved"] > 0.5
    untouched = requalify(far, links[0], another(links, lambda level: -level), ("second", "third"), 100)
    assert untouched.told["label"] == "equivalent"


def test_too_few_records_cannot_tell_and_never_pass(links):
    small = below(links[1].iloc[:640], "second", ("guess",), "due")
    one = requalify(small, links[0], another(links, lambda level: level), ALL, 100)
    assert outcome_of(one) == "inconclusive"


def test_a_difference_that_chance_could_make_is_inconclusive(links):
    some = below(links[1].iloc[:720], "second", ("guess",), "due")
    rng = np.random.default_rng(3)
    noisy = another(links, lambda level: level + rng.normal(0, 1.5, len(level)))
    one = requalify(some, links[0], noisy, ALL, 100)
    assert (one.told["label"], outcome_of(one)) == ("inconclusive", "inconclusive")


def test_inputs_that_the_data_downstream_lacks_cannot_tell_and_say_which(links):
    bare = below(links[1].drop(columns="a"), "second", ("guess",), "due")
    one = requalify(bare, links[0], another(links, lambda level: level), ALL, 100)
    assert outcome_of(one) == "inconclusive"
    assert "the model needs the columns a" in one.told["why_not"]


def test_answers_of_another_kind_cannot_tell(links):
    frame = links[1]
    labels = package(
        frame.assign(level=np.where(frame["level"] > 0, "up", "down")), ["a", "b"], "level", LogisticRegression()
    )
    after = {**links[0], "first": Link(labels)}
    one = requalify(below(frame, "second", ("guess",), "due"), links[0], after, ALL, 100)
    assert "guess holds numbers, and first answers" in one.told["why_not"]


def test_at_the_margin_itself_it_passes_and_beyond_it_fails():
    def at(value):
        return outcome_of(
            Requalified(
                (("downstream:x", value, value, value, 500, 100),), {"model": "x", "release": "x1", "label": ""}
            )
        )

    assert (at(0.0), at(-1e-9), at(float("nan"))) == ("passed", "failed", "inconclusive")


@settings(max_examples=5)
@given(st.floats(-3, 3), st.floats(0.2, 3))
def test_the_same_answers_change_nothing_and_other_names_change_nothing(links, shift, stretch):
    made, frame = links
    same = another(links, lambda level: level * stretch + shift)
    rows = frame.iloc[:50]
    assert refreshed(same, "second", rows, ()).equals(rows)
    renamed = rows.rename(columns={"a": "x"})
    fed = Fed("first", "guess", inputs=(("a", "x"),))
    other = {**same, "second": Link(made["second"].scorer, (fed,))}
    told = refreshed(other, "second", renamed, ALL)["guess"]
    assert told.to_numpy() == pytest.approx(refreshed(same, "second", rows, ALL)["guess"].to_numpy())


def test_a_cycle_is_walked_once(links):
    made, frame = links
    turned = another(links, lambda level: -level)["first"].scorer
    found = refreshed({**made, "first": Link(turned, (Fed("third", "b"),))}, "third", frame.iloc[:20], ALL)
    assert not found["said"].equals(frame["said"].iloc[:20])
    assert refreshed({"self": Link(made["first"].scorer, (Fed("self", "a"),))}, "self", frame, ["self"]).equals(frame)


def test_an_output_or_an_input_that_is_not_there_is_told(links):
    made, frame = links
    with pytest.raises(CannotAsk, match="gives no probability:maybe; its labels are no, yes"):
        output_of(made["third"].scorer, frame, "probability:maybe", "third")
    with pytest.raises(CannotAsk, match="gives no upper; its outputs are prediction"):
        output_of(made["third"].scorer, frame, "upper", "third")
    with pytest.raises(CannotAsk, match="first is to be given nowhere, which the data lacks"):
        as_theirs(frame, Fed("first", "guess", inputs=(("a", "nowhere"),)))
    assert set(output_of(made["third"].scorer, frame, "prediction", "third")) == {"yes", "no"}
    assert len(output_of(made["first"].scorer, frame, "upper", "first")) == len(frame)
    assert len(output_of(made["first"].scorer, frame.iloc[:0], "prediction", "first")) == 0


# Where columns come from.


def served(links, *names, target=""):
    return [Served(name, f"{name}-1", lambda name=name: links[name].scorer, target) for name in names]


def judged_upstream(declared=(), found=(), asked=1, tier=2):
    spec = ReleaseSpec.model_validate({**SPEC, "risk": {"tier": tier}})
    evidence = measure_interactions(place(), declared, found, [], asked, 900)
    suite = interactions_suite(spec, list(evidence.metrics["metric"]))
    return {f.expectation: f.outcome.value for f in judge(evidence, suite, strict=True)}, evidence


def test_each_row_is_confirmed_by_the_release_that_gave_it(links):
    made, frame = links
    older = another(links, lambda level: level / 2)["first"].scorer
    mixed = frame.assign(
        guess=np.where(np.arange(900) < 600, frame["guess"], output_of(older, frame, "prediction", ""))
    )
    both = [Served("first", "now", lambda: made["first"].scorer), Served("first", "before", lambda: older)]
    assert confirm(Fed("first", "guess"), mixed, both).made_by == {"now": 600, "before": 300}
    one = confirm(Fed("first", "guess"), mixed, both[:1])
    assert one.share == pytest.approx(2 / 3)
    assert judged_upstream([one])[0]["confirmed:guess"] == "warned"
    assert judged_upstream([one], tier=3)[0]["confirmed:guess"] == "failed"


def test_a_column_that_was_stored_in_less_digits_is_the_same(links):
    made, frame = links
    stored = frame.assign(guess=frame["guess"].astype(np.float32))
    assert confirm(Fed("first", "guess"), stored, served(made, "first")).share > 0.999


@pytest.mark.parametrize(
    ("fed", "names", "words"),
    [
        (Fed("first", "nowhere"), ["first"], "nowhere is no column of the data"),
        (Fed("first", "guess"), [], "no release of first ever served here"),
        (Fed("first", "guess", version="first-9"), [], "no release first-9 of first ever served here"),
        (Fed("first", "guess", inputs=(("a", "z"),)), ["first"], "which the data lacks"),
        (Fed("first", "guess", "probability:x"), ["first"], "gives no probability:x"),
    ],
)
def test_what_nobody_can_confirm_is_no_yes(links, fed, names, words):
    one = confirm(fed, links[1], served(links[0], *names))
    assert words in one.why_not
    found, evidence = judged_upstream([one], tier=3)
    assert found[f"confirmed:{fed.column}"] == "inconclusive"
    assert words in evidence.facts["declared"][0]["why_not"]


def test_of_no_rows_nothing_is_confirmed(links):
    one = confirm(Fed("first", "guess"), links[1].iloc[:0], served(links[0], "first"))
    assert judged_upstream([one], tier=3)[0]["confirmed:guess"] == "inconclusive"


def test_a_column_that_nobody_declared_is_found_by_its_values(links):
    made, frame = links
    found, asked = undeclared(frame, ["guess", "c", "b"], served(made, "first", "second"))
    assert [(one.column, one.model, one.share) for one in found] == [("guess", "first", 1.0)]
    assert asked == 2
    assert judged_upstream(found=found)[0] == {"undeclared:guess = first": "warned"}
    assert judged_upstream(found=found, tier=3)[0] == {"undeclared:guess = first": "failed"}


def test_a_probability_and_a_label_are_found_too(links):
    made, frame = links
    chances = output_of(made["third"].scorer, frame, "probability:yes", "third")
    rows = frame.assign(chance=chances, label=output_of(made["third"].scorer, frame, "prediction", "third"))
    found, _ = undeclared(rows, ["chance", "label", "dear"], served(made, "third", target="dear"))
    assert {(one.column, one.output) for one in found} == {("chance", "probability:yes"), ("label", "prediction")}


def test_what_is_like_the_answers_and_not_the_answers_is_not_found(links):
    made, frame = links
    near = frame.assign(near=frame["guess"] * 1.001, fixed=1.0)
    assert undeclared(near, ["near", "fixed", "level"], served(made, "first"))[0] == []
    assert undeclared(frame.drop(columns="a"), ["guess"], served(made, "first")) == ([], 0)
    assert judged_upstream()[0] == {"undeclared_columns": "passed"}


@given(st.integers(1, 40), st.integers(0, 40))
def test_a_column_is_the_models_own_beyond_the_limit_and_not_at_it(links, n, wrong):
    made, frame = links
    rows = frame.head(n)
    mixed = rows.assign(guess=np.where(np.arange(n) < wrong, rows["guess"] + 1, rows["guess"]))
    found, _ = undeclared(mixed, ["guess"], served(made, "first"))
    assert bool(found) == (max(n - wrong, 0) / n > 0.95 and n > 1)


def test_agreement_knows_gaps_and_texts():
    column = pd.Series([1.0, np.nan, 3.0])
    assert list(agrees(column, np.array([1.0, np.nan, 3.1]))) == [True, True, False]
    assert list(agrees(pd.Series(["a", "b"]), np.array(["a", "c"], dtype=object))) == [True, False]
    assert list(agrees(pd.Series(["a", "2"]), np.array([1.0, 2.0]))) == [False, True]


# Who may say yes for whom.


def test_where_nobody_knows_the_owner_nobody_waives():
    told = {"check": "interactions", "expectation": "downstream:b", "by": "vera", "until": date(2999, 1, 1)}
    waiver = Waiver(reason="The model downstream is trained anew tomorrow.", **told)
    finding = Finding("interactions", "downstream:b", Outcome.FAILED, "critical", "", "")
    known = {"vera": frozenset({"validator"})}
    one = Waivers((waiver,), TIERS[2], known, date(2026, 1, 1))
    assert one.void(waiver) == "this ledger does not know who owns b"
    assert one.let_through([finding])[0].outcome is Outcome.FAILED
    other = waiver.model_copy(update={"expectation": "undeclared_columns"})
    assert one.void(other) == ""


def test_the_owners_are_those_of_the_ledger():
    state = folded(life("a"), life("b", "a"))
    risk = Risk(graph=InGraph(feeds=("b",)))
    assert waivers_of(risk, state, date(2026, 1, 1)).owners == {"b": "owner of b"}


def test_the_relation_is_told_in_words():
    state = folded(life("a"), life("b", "a"), life("c", "b"))
    assert relation_words(state, "a") == ["Its outputs feed b, c."]
    assert relation_words(state, "b") == ["It takes of_a from a.", "Its outputs feed c."]
    assert relation_words(state, "z") == []
