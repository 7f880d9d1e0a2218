"""Which model feeds which: what the releases of a ledger consume, as a graph of models.

Feeds are a mapping from a model to those that take its outputs. A model that is in a cycle is downstream of itself.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from expectations.state import Fed, Release, State

Feeds = Mapping[str, frozenset[str]]
# What serves, and what a person has said yes to: the others may never matter to anybody.
STANDING = ("champion", "rolling out", "approved")


def standing(state: State, model: str) -> Release | None:
    """The release of a model that counts: the one that serves, else one that is on its way to."""
    mine = [one for one in state.releases.values() if one.model == model and one.status in STANDING]
    return min(mine, key=lambda one: STANDING.index(one.status), default=None)


def feeds_of(state: State, instead: Mapping[str, Iterable[Fed]] | None = None) -> dict[str, frozenset[str]]:
    """The graph of all standing releases; with `instead`, of what a model would consume if another release served."""
    taken: dict[str, set[str]] = {}
    for release in state.releases.values():
        if release.status in STANDING and release.model not in (instead or {}):
            taken.setdefault(release.model, set()).update(one.model for one in release.consumes)
    for model, consumes in (instead or {}).items():
        taken[model] = {one.model for one in consumes}
    return _feeds(taken)


def serving_below(state: State, model: str) -> dict[str, str]:
    """Of what serves, the models that hang on this one, each with its champion."""
    serving = [state.releases[name] for name in state.models.values()]
    feeds = _feeds({one.model: {fed.model for fed in one.consumes} for one in serving if one.consumes})
    return {name: state.models[name] for name in downstream(feeds, model) if name != model}


def _feeds(taken: Mapping[str, AbstractSet[str]]) -> dict[str, frozenset[str]]:
    """The graph of what each model takes."""
    above = {name for names in taken.values() for name in names}
    return {name: frozenset(m for m, names in taken.items() if name in names) for name in sorted(above | set(taken))}


def downstream(feeds: Feeds, model: str) -> tuple[str, ...]:
    """All that hang on a model, the nearest first, then by name."""
    found: dict[str, None] = {}
    layer = sorted(feeds.get(model, ()))
    while layer:
        found |= dict.fromkeys(layer)
        layer = sorted({name for one in layer for name in feeds.get(one, ())} - set(found))
    return tuple(found)


def upstream(feeds: Feeds, model: str) -> tuple[str, ...]:
    """All that a model hangs on, the nearest first, then by name."""
    return downstream(turned(feeds), model)


def turned(feeds: Feeds) -> dict[str, frozenset[str]]:
    """The same graph, against the stream."""
    names = {*feeds, *(name for fed in feeds.values() for name in fed)}
    return {name: frozenset(one for one, fed in feeds.items() if name in fed) for name in sorted(names)}


def cycle_of(feeds: Feeds, model: str) -> tuple[str, ...]:
    """The models that hang on this one and that it hangs on, itself among them, by name; () of no cycle."""
    below = downstream(feeds, model)
    return tuple(sorted(set(below) & set(upstream(feeds, model)))) if model in below else ()


def cycles(feeds: Feeds) -> tuple[tuple[str, ...], ...]:
    """Each group of models that feed each other in circles."""
    return tuple(sorted({cycle_of(feeds, name) for name in feeds} - {()}))


def chain_through(feeds: Feeds, model: str) -> tuple[str, ...]:
    """The longest chain that a model is a part of, from the first model to the last.

    Models in a cycle stand beside each other in it, by name: each of them can hang on all the others.
    """
    own = cycle_of(feeds, model) or (model,)
    above, below = _longest(turned(feeds), own), _longest(feeds, own)
    return (*reversed([name for group in above for name in reversed(group)]), *own, *(n for g in below for n in g))


def _longest(feeds: Feeds, start: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The longest way on from a group, without it: groups of one, or of a cycle. Of two as long, the first by name."""
    known: dict[tuple[str, ...], tuple[tuple[str, ...], ...]] = {}
    # Who has fewer below comes first, so that all that hangs on a group is known before it. No recursion: a chain of
    # thousands is no error.
    groups = {cycle_of(feeds, name) or (name,) for one in start for name in (one, *downstream(feeds, one))}
    for group in sorted(groups, key=lambda one: (len({*one, *downstream(feeds, one[0])}), one)):
        after = {cycle_of(feeds, name) or (name,) for one in group for name in feeds.get(one, ())} - {group}
        ways = sorted(((one, *known[one]) for one in after), key=lambda way: (-sum(map(len, way)), way))
        known[group] = ways[0] if ways else ()
    return known[start]


@dataclass(frozen=True)
class Place:
    """Where a model stands in the graph."""

    model: str
    upstream: tuple[str, ...]
    downstream: tuple[str, ...]
    cycle: tuple[str, ...]
    chain: tuple[str, ...]


def place_of(feeds: Feeds, model: str) -> Place:
    """Where a model stands; itself is not told among what hangs on it."""
    others = [tuple(n for n in found if n != model) for found in (upstream(feeds, model), downstream(feeds, model))]
    return Place(model, others[0], others[1], cycle_of(feeds, model), chain_through(feeds, model))
