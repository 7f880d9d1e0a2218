"""Which model feeds which, as the ledger has it, and the tier that follows."""

import itertools
import json

import people
import pytest
from exposure import ANSWERS
from hypothesis import given
from hypothesis import strategies as st
from planted.base import SPEC
from pydantic import ValidationError
from test_history import DIGESTS, JUDGED, NOW, ROLLOUT, STARTED

from expectations.errors import CannotAsk
from expectations.graph import (
    chain_through,
    cycle_of,
    cycles,
    downstream,
    feeds_of,
    place_of,
    serving_below,
    standing,
    turned,
    upstream,
)
from expectations.history import Record, fold, refusal, state_from_json
from expectations.raising import LONGEST, raised_by_graph
from expectations.risk import tier_words
from expectations.spec import ReleaseSpec
from expectations.state import Fed
from expectations.upstream_spec import consumed

FOUNDED = [("identity set", "", body) for body in people.founded()]
NAMES = "abcdef"
EDGES = st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=10)


def graph(edges):
    names = {name for edge in edges for name in edge}
    return {name: frozenset(b for a, b in edges if a == name) for name in sorted(names)}


def fed(*models):
    return [{"model": name, "column": f"of_{name}", "output": "prediction", "inputs": []} for name in models]


def life(model, *models, until="promoted"):
    """The records of a release that consumes what these models answer."""
    name, told = f"{model}1", {"owner": f"owner of {model}", "consumes": fed(*models)}
    steps = [
        ("release started", model, {**STARTED, **told, "release": name}),
        ("release judged", model, {**JUDGED, "release": name, "downstream_asked": {n: f"{n}1" for n in NAMES}}),
        ("decided", model, people.decided(name, model=model, at=NOW, **DIGESTS)),
        ("promoted", model, {"release": name}),
    ]
    return steps[: [kind for kind, *_ in steps].index(until) + 1]


def folded(*lives):
    steps = [*FOUNDED, *(step for steps in lives for step in steps)]
    return fold(Record(at, "", NOW, kind, model, body, "") for at, (kind, model, body) in enumerate(steps))


# The ledger.


def test_the_ledger_knows_who_feeds_whom():
    state = folded(life("a"), life("b", "a"), life("c", "a", "b", until="decided"))
    assert feeds_of(state) == {"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset()}
    assert state.releases["b1"].consumes == (Fed("a", "of_a"),)
    assert state.releases["b1"].owner == "owner of b"


@pytest.mark.parametrize(("until", "counts"), [("release started", 0), ("release judged", 0), ("decided", 1)])
def test_what_nobody_said_yes_to_does_not_count(until, counts):
    assert len(feeds_of(folded(life("a"), life("b", "a", until=until))).get("a", ())) == counts


def test_the_release_that_serves_stands_before_one_that_wants_to():
    state = folded(life("a"))
    assert standing(state, "a").id == "a1"
    assert standing(state, "b") is None


def test_a_candidate_takes_the_place_of_what_its_model_consumed():
    state = folded(life("a"), life("b", "a"))
    assert feeds_of(state, {"b": ()}) == {"a": frozenset(), "b": frozenset()}
    assert cycle_of(feeds_of(state, {"a": [Fed("b", "x")]}), "a") == ("a", "b")


def test_a_state_with_feeds_can_be_written_down_and_records_without_them_are_read():
    state = folded(life("a"), life("b", "a"))
    assert state_from_json(json.loads(json.dumps(state.as_json()))) == state
    old = folded([("release started", "m", STARTED)])
    assert (old.releases["r1"].consumes, old.releases["r1"].owner) == ((), "")
    older = state.as_json()
    del older["releases"][0]["consumes"]
    with pytest.raises(KeyError):
        state_from_json(older)


@pytest.mark.parametrize("consumes", ["abc", 5, [{}], [{"model": "a"}], [None], [{**fed("a")[0], "inputs": ["x"]}]])
def test_what_is_no_list_of_outputs_is_refused(consumes):
    assert folded([("release started", "m", {**STARTED, "consumes": consumes})]).releases == {}


@given(st.permutations("abcd"), st.permutations("abcd"), EDGES)
def test_the_graph_does_not_depend_on_the_order_of_the_releases(one, other, edges):
    feeds = graph(edges)
    lives = {name: life(name, *(turned(feeds).get(name, ()))) for name in "abcd"}
    assert feeds_of(folded(*map(lives.get, one))) == feeds_of(folded(*map(lives.get, other)))


# The graph.


@given(EDGES)
def test_upstream_is_downstream_seen_from_the_other_side(edges):
    feeds = graph(edges)
    for one, other in itertools.product(feeds, feeds):
        assert (other in downstream(feeds, one)) == (one in upstream(feeds, other))
    assert turned(turned(feeds)) == feeds


@given(EDGES)
def test_a_model_is_in_a_cycle_exactly_if_it_is_downstream_of_itself(edges):
    feeds = graph(edges)
    for name in feeds:
        assert (name in downstream(feeds, name)) == bool(cycle_of(feeds, name))
    members = [name for group in cycles(feeds) for name in group]
    assert len(members) == len(set(members))


@given(EDGES, st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)))
def test_one_more_feed_never_takes_anything_away(edges, more):
    before, after = graph(edges), graph(edges | {more})
    for name in before:
        assert set(downstream(before, name)) <= set(downstream(after, name))
        assert len(chain_through(before, name)) <= len(chain_through(after, name))


def ways(feeds, start):
    longer = [way for name in feeds.get(start, ()) for way in ways(feeds, name)]
    return [(start, *way) for way in longer] or [(start,)]


@given(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda e: e[0] < e[1]), max_size=12))
def test_without_cycles_the_longest_chain_is_that_of_trying_all(edges):
    feeds = graph({(f"m{a}", f"m{b}") for a, b in edges})
    for name in feeds:
        below, above = max(map(len, ways(feeds, name))), max(map(len, ways(turned(feeds), name)))
        chain = chain_through(feeds, name)
        assert len(chain) == below + above - 1
        assert all(two in feeds[one] for one, two in itertools.pairwise(chain))


@given(EDGES)
def test_a_chain_holds_each_model_once_whatever_the_cycles(edges):
    feeds = graph(edges)
    for name in feeds:
        chain = chain_through(feeds, name)
        assert name in chain
        assert len(set(chain)) == len(chain)
        assert set(cycle_of(feeds, name)) <= set(chain)


def test_a_chain_of_a_thousand_models_is_walked():
    feeds = graph({(f"m{at:04}", f"m{at + 1:04}") for at in range(300)})
    assert len(chain_through(feeds, "m0150")) == 301


def test_a_model_that_nobody_knows_stands_alone():
    assert place_of({}, "a").chain == ("a",)
    assert downstream({}, "a") == upstream({}, "a") == cycles({}) == ()


# The tier.


def spec(name="a", *models, **risk):
    more = {"upstream": [{"model": one, "column": f"of_{one}"} for one in models]}
    held = {"tier": 1, "answers": ANSWERS, **risk}
    return ReleaseSpec.model_validate(
        {**SPEC, "model": {**SPEC["model"], "name": name}, "data": {**SPEC["data"], **more}, "risk": held}
    )


def raised(state, name, *models, **risk):
    return raised_by_graph(spec(name, *models, **risk), state).risk


def test_models_downstream_raise_the_tier_though_the_spec_names_none():
    told = raised(folded(life("b", "a"), life("c", "b")), "a").told()
    assert (told["declared"], told["effective"]) == (1, 2)
    assert told["raised_by"] == ["its outputs feed 2 models: b, c (graph)"]
    assert raised(folded(life("b", "a")), "b").level == 1


def test_who_takes_the_outputs_raises_once_whoever_says_so():
    risk = raised(folded(life("b", "a")), "a", chained=["billing"])
    assert risk.level == 2
    assert "billing take its outputs (risk.chained), and its outputs feed a model: b (graph)" in tier_words(risk.told())


def test_a_cycle_that_the_candidate_closes_raises_it():
    risk = raised(folded(life("b", "a")), "a", "b")
    assert risk.level == 3
    assert "it is part of a cycle: a, b (graph)" in risk.why
    assert "it is part of a cycle: a (graph)" in raised(folded(), "a", "a").why


def test_a_chain_is_too_long_beyond_the_limit_and_not_at_it():
    at_it = folded(life("b", "a"))
    assert raised(at_it, "c", "b").level == 1
    assert LONGEST == 3
    beyond = raised(folded(life("b", "a"), life("c", "b")), "d", "c")
    assert beyond.why == ("it is part of a chain of 4 models (graph)",)


def test_what_the_spec_left_open_is_then_what_the_raised_tier_says():
    state = folded(life("b", "a"))
    high = raised_by_graph(spec("a", tier=2), state)
    assert (high.tier.level, high.rollout.shadow_minutes, high.serving.on_distrust) == (3, 60, "fallback")
    assert high.rollout.steps[0].minutes == 60
    assert ReleaseSpec.model_validate(high.model_dump(mode="json")) == high
    assert raised_by_graph(high, state) == high


def test_a_plan_that_is_too_fast_for_the_raised_tier_is_told_with_the_reason():
    fast = {"shadow_minutes": 5, "steps": [{"share": 1, "minutes": 60}]}
    quick = ReleaseSpec.model_validate({**spec("a", tier=2).model_dump(mode="json"), "rollout": fast})
    with pytest.raises(CannotAsk) as error:
        raised_by_graph(quick, folded(life("b", "a")))
    assert "tier 3 asks for at least 60, found 5" in error.value.problems[0]
    assert "its outputs feed a model: b (graph)" in error.value.problems[0]


@given(EDGES, st.sampled_from([1, 2, 3, 4]))
def test_the_graph_never_lowers_a_tier(edges, tier):
    state = folded(*(life(name, *names) for name, names in turned(graph(edges)).items() if name != "a"))
    before = spec("a", tier=tier)
    after = raised_by_graph(before, state)
    assert after.tier.level >= before.tier.level
    assert set(after.tier.checks) >= set(before.tier.checks)


# The spec.


def test_what_a_spec_consumes_is_what_the_ledger_is_told():
    more = {"upstream": [{"model": "a", "column": "income", "inputs": {"wage": "amount"}, "version": "a-1"}]}
    made = ReleaseSpec.model_validate({**SPEC, "data": {**SPEC["data"], **more}})
    assert consumed(made.data.upstream) == (Fed("a", "income", "prediction", (("wage", "amount"),), "a-1"),)


@pytest.mark.parametrize(
    ("upstream", "data", "words"),
    [
        ([{"model": "a", "column": "repaid"}], {}, "repaid is the target, and no feature"),
        ([{"model": "a", "column": "noise"}], {"ignore": ["noise"]}, "noise is under data.ignore, and no feature"),
        ([{"model": "a", "column": "x"}, {"model": "b", "column": "x"}], {}, "x is named twice"),
        ([{"model": "a", "column": "x", "output": "predictions"}], {}, "the nearest is 'prediction'"),
        ([{"model": "a", "column": "x", "output": "probability"}], {}, "the nearest is 'probability:LABEL'"),
        ([{"model": "a", "column": "x", "output": "zzz"}], {}, "there are prediction, lower"),
    ],
)
def test_a_column_that_cannot_be_an_output_is_an_error_that_says_so(upstream, data, words):
    with pytest.raises(ValidationError, match=words):
        ReleaseSpec.model_validate({**SPEC, "data": {**SPEC["data"], **data, "upstream": upstream}})


# What was not asked.


def again(model, asked):
    """A second release of a model that serves, judged after these models downstream were asked."""
    name = f"{model}2"
    return [
        ("release started", model, {**STARTED, "release": name}),
        ("release judged", model, {**JUDGED, "release": name, "champion_compared": f"{model}1", **asked}),
    ]


def yes(release, model):
    return people.decided(release, model=model, at=NOW, **DIGESTS)


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ({"downstream_asked": {"b": "b1"}}, None),
        ({"downstream_asked": {"b": "b0"}}, "a2: b1 hangs on its outputs and was not asked"),
        ({"downstream_asked": {}}, "a2: b1 hangs on its outputs and was not asked"),
        ({}, "a2: b1 hangs on its outputs and was not asked"),
        ({"downstream_asked": ["b"]}, "a2: b1 hangs on its outputs and was not asked"),
    ],
)
def test_nobody_says_yes_before_all_that_serves_downstream_was_asked(asked, refused):
    state = folded(life("a"), life("b", "a"), again("a", asked))
    told = refusal(state, "decided", "a", yes("a2", "a"), NOW)
    assert told is None if refused is None else refused in told


def test_a_model_that_came_to_serve_after_the_yes_is_asked_before_traffic_moves():
    steps = [life("a"), again("a", {"downstream_asked": {}}), [("decided", "a", yes("a2", "a"))]]
    forced = {"release": "a2", "without_rollout": "a test"}
    assert refusal(folded(*steps), "promoted", "a", forced, NOW) is None
    later = folded(*steps, life("b", "a"))
    assert later.releases["a2"].status == "approved"
    assert "b1 hangs on its outputs and was not asked" in refusal(later, "promoted", "a", forced, NOW)
    told = refusal(later, "rollout started", "a", {**ROLLOUT[1], "release": "a2"}, NOW)
    assert "b1 hangs on its outputs and was not asked" in told


@given(EDGES)
def test_what_serves_below_is_what_the_graph_of_all_says(edges):
    feeds = turned(graph(edges))
    state = folded(*(life(name, *feeds.get(name, ())) for name in NAMES))
    for name in NAMES:
        assert set(serving_below(state, name)) == set(downstream(feeds_of(state), name)) - {name}
