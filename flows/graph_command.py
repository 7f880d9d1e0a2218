"""Which model feeds which, as the ledger has it."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from flows.answering import STATUS_WORDS, Command, answer, as_json, store_option

if TYPE_CHECKING:
    from expectations.graph import Feeds
    from expectations.state import State


@click.command(cls=Command)
@store_option
@as_json
def graph(store_url: str, json_: bool) -> None:
    """Which model feeds which: of all that serves, or is approved to.

    Example: seatrial graph --store ./store
    """
    from expectations.graph import cycles, feeds_of
    from tasks.job import open_ledger

    state = open_ledger(store_url).state()
    feeds = feeds_of(state)
    lines = [*_trees(state, feeds), *(f"! a cycle: {', '.join(one)}" for one in cycles(feeds))]
    told = {"models": {name: _told(state, feeds, name) for name in feeds}, "cycles": cycles(feeds)}
    answer(json_, told, "\n".join(lines) or "No model serves or is approved to.")


def _told(state: "State", feeds: "Feeds", name: str) -> dict[str, Any]:
    from expectations.graph import place_of, standing

    release, place = standing(state, name), asdict(place_of(feeds, name))
    known = {"release": release.id, "status": release.status, "owner": release.owner} if release else {"release": None}
    return {**known, "consumes": [asdict(one) for one in release.consumes] if release else [], **place}


def relation_words(state: "State", model: str) -> list[str]:
    """What a model takes from others and who takes from it, as sentences; none where it stands alone."""
    from expectations.graph import feeds_of, place_of, standing

    place, release = place_of(feeds_of(state), model), standing(state, model)
    taken = [f"{one.column} from {one.model}" for one in release.consumes] if release else []
    found = [f"It takes {', '.join(taken)}."] if taken else []
    found += [f"Its outputs feed {', '.join(place.downstream)}."] if place.downstream else []
    return [*found, *([f"It is part of a cycle: {', '.join(place.cycle)}."] if place.cycle else [])]


def _trees(state: "State", feeds: "Feeds") -> list[str]:
    """One tree from each model that takes from nobody; then from what only cycles lead to."""
    from expectations.graph import turned

    shown: set[str] = set()
    lines: list[str] = []
    above = turned(feeds)
    for name in sorted(feeds, key=lambda one: (bool(above.get(one)), one)):
        lines += [] if name in shown else _tree(state, feeds, name, shown)
    return lines


def _tree(
    state: "State", feeds: "Feeds", name: str, shown: set[str], head: str = "", rest: str = "", by: str = ""
) -> Iterator[str]:
    """A model and what hangs on it; what was shown before, as a cycle comes round to it, is not shown again."""
    after = [] if name in shown else sorted(feeds.get(name, ()))
    again = "  (as above)" if name in shown and feeds.get(name) else ""
    shown.add(name)
    yield f"{head}{name}  {_words(state, name, by)}{again}"
    for one in after:
        branch, bar = ("└─ ", "   ") if one == after[-1] else ("├─ ", "│  ")
        yield from _tree(state, feeds, one, shown, rest + branch, rest + bar, name)


def _words(state: "State", name: str, by: str) -> str:
    from expectations.graph import standing

    release = standing(state, name)
    if release is None:
        return "nothing of it serves here"
    columns = ", ".join(f"{one.column} is its {one.output}" for one in release.consumes if one.model == by)
    return f"{release.id} {STATUS_WORDS[release.status]}{f'; {columns}' if columns else ''}"
