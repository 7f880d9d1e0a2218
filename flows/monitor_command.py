"""Looking at what serves: monitor."""

import sys
from typing import Any

import click

from flows.answering import COULD_NOT_ASK, DONE, NO, Command, answer, as_json, store_option

SIGNS = {"quiet": "✓", "alarm": "✗", "cannot tell": "~"}


@click.command(cls=Command)
@click.argument("model", required=False)
@store_option
@as_json
def monitor(model: str | None, store_url: str, json_: bool) -> None:
    """Look once at what was asked of each model that serves: what moved, and what follows from it.

    Exit code 0: no alarm is on. 1: one is. 2: a model could not be watched.

    Example: seatrial monitor ames-price --store ./store
    """
    from flows.monitor import turns

    done = turns(store_url, model)
    answer(json_, done, "\n".join(line for one in done for line in _lines(one)) or "Nothing serves.")
    for one in done:
        for problem in one["problems"]:
            click.echo(f"✗ {one['model']}: {problem}", err=True)
    sys.exit(_code(done))


def _code(done: list[dict[str, Any]]) -> int:
    if any(one["problems"] for one in done):
        return COULD_NOT_ASK
    return NO if any(one["outcome"] == "alarm" for one in done) else DONE


def _lines(one: dict[str, Any]) -> list[str]:
    if one["problems"]:
        return [f"{one['model']}: could not be watched."]
    head = f"{one['model']}: {one['release']} serves, mode {one['mode']}; {one['rows']:,} rows seen."
    told = [f"  {SIGNS[seen['standing']]} {seen['words']}" for seen in one["alarms"]]
    return [head, *told, *(f"  → {line}" for line in one["changes"])]
