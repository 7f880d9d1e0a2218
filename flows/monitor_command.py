"""Looking at what serves: monitor."""

import sys
from typing import Any

import click

from flows.answering import COULD_NOT_ASK, DONE, NO, Command, answer, as_json, person_option, store_option

SIGNS = {"quiet": "✓", "alarm": "✗", "cannot tell": "~", "not applicable": "–"}


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


@click.command("end-alarm", cls=Command)
@click.argument("model")
@click.argument("alarm")
@store_option
@person_option
@click.option("--why", required=True, help="The reason; it is kept in the ledger.")
@as_json
def end_alarm(model: str, alarm: str, store_url: str, person: str, why: str, json_: bool) -> None:
    """Say that an alarm is over, as where nobody is answered and so nothing can calm it. It is watched anew.

    Example: seatrial end-alarm ames-price inputs --store ./store --as vera@example.com --why "the source is mended"
    """
    from infra.store import open_store
    from tasks.act import act
    from tasks.job import open_ledger
    from tasks.monitoring.served import served
    from tasks.monitoring.watch import end_alarm as end
    from tasks.rollout.drive import utc_now

    ledger = open_ledger(store_url)
    end(served(open_store(store_url), ledger, model), alarm, person, why)
    done = act(ledger, model, utc_now())
    value = {"model": model, "alarm": alarm, "changes": done}
    answer(json_, value, "\n".join([f"{model}: the alarm {alarm} is over.", *done]))


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
