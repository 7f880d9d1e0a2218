"""A tier is raised by what the ledger knows of a model's place among others, whether its spec says so or not."""

from expectations.errors import CannotAsk
from expectations.graph import feeds_of, place_of
from expectations.pace import completed, too_fast
from expectations.risk import InGraph, tier_words
from expectations.spec import ReleaseSpec
from expectations.state import State
from expectations.upstream_spec import consumed

# A fault at the head of a longer chain is seen by people who know nothing of its cause.
LONGEST = 3


def raised_by_graph(spec: ReleaseSpec, state: State) -> ReleaseSpec:
    """The spec, its tier raised by models downstream, a cycle, and a chain of more than LONGEST models.

    Raises CannotAsk where the plan of the spec is faster than the raised tier allows.
    """
    name = spec.model.name
    place = place_of(feeds_of(state, {name: consumed(spec.data.upstream)}), name)
    chain = place.chain if len(place.chain) > LONGEST else ()
    risk = spec.risk.model_copy(update={"graph": InGraph(feeds=place.downstream, cycle=place.cycle, chain=chain)})
    spec = spec.model_copy(update={"risk": risk})
    if wrong := too_fast(spec.rollout, spec.tier):
        raise CannotAsk.all_of(f"{sentence}. {tier_words(risk.told())}" for sentence in wrong)
    rollout, serving = completed(spec.rollout, spec.serving, spec.tier)
    return spec.model_copy(update={"rollout": rollout, "serving": serving})
