"""Traffic: the rollout that moves it, and what people say about it: promote, rollback, mode, go-ahead."""

import shlex
import sys
from typing import Any

import click

from expectations.state import MODES
from flows import settings
from flows.answering import DONE, NO, STATUS_WORDS, Command, answer, as_json, person_option, store_option

why_option = click.option("--why", required=True, help="The reason; it is kept in the ledger.")


@click.command(cls=Command)
@click.argument("model")
@store_option
@click.option("--release", "release_", help="Which release, if several are approved.")
@person_option
@click.option(
    "--without-rollout", "why", required=True, help="Why no rollout moves the traffic, e.g. served elsewhere."
)
@as_json
def promote(model: str, store_url: str, release_: str | None, person: str, why: str, json_: bool) -> None:
    """Make an approved release the champion at once, without a rollout.

    Example: seatrial promote ames-price --store ./store --as vera@example.com --without-rollout "batch scoring only"
    """
    from tasks import traffic
    from tasks.job import open_ledger

    done = traffic.promote(open_ledger(store_url), model, release_, person, why)
    answer(json_, {"release": done.id, "status": done.status}, f"{done.id} {STATUS_WORDS[done.status]}.")


@click.command(cls=Command)
@click.argument("model")
@store_option
@person_option
@why_option
@as_json
def rollback(model: str, store_url: str, person: str, why: str, json_: bool) -> None:
    """Take back the rollout that runs, or else the last promotion. Gateways follow within two seconds.

    Example: seatrial rollback ames-price --store ./store --as vera@example.com --why "prices far too low"
    """
    from tasks import traffic
    from tasks.job import open_ledger

    ledger = open_ledger(store_url)
    done = traffic.roll_back(ledger, model, person, why)
    serves = traffic.serving(ledger.state(), model).champion
    value = {"release": done.id, "status": done.status, "champion": serves}
    answer(json_, value, f"{done.id} {STATUS_WORDS[done.status]}. {serves} serves.")


@click.command(cls=Command)
@click.argument("model")
@click.argument("mode", type=click.Choice(MODES))
@store_option
@click.option("--fallback", help="The release that answers in mode fallback, and where the guards say so.")
@person_option
@why_option
@as_json
def mode(model: str, mode: str, store_url: str, fallback: str | None, person: str, why: str, json_: bool) -> None:
    """How a model is served: normal, warn, fallback, refuse or off.

    Example: seatrial mode ames-price refuse --store ./store --as vera@example.com --why "source of prices is wrong"
    """
    from tasks import traffic
    from tasks.job import open_ledger

    now = traffic.set_mode(open_ledger(store_url), model, mode, fallback, person, why)
    other = f" Fallback: {now.fallback}." if now.fallback else ""
    answer(json_, {"model": model, "mode": now.mode, "fallback": now.fallback}, f"{model}: mode {now.mode}.{other}")


@click.command("go-ahead", cls=Command)
@click.argument("model")
@store_option
@person_option
@click.option("--why", default="", help="The reason; it is kept in the ledger.")
@as_json
def go_ahead(model: str, store_url: str, person: str, why: str, json_: bool) -> None:
    """Say that the rollout may enter the next stage that waits for a person.

    Example: seatrial go-ahead ames-price --store ./store --as vera@example.com
    """
    from tasks import traffic
    from tasks.job import open_ledger

    rollout, stage = traffic.give_go_ahead(open_ledger(store_url), model, person, why)
    share = rollout.stages[stage].share
    said = f"{rollout.release}: {person} says go ahead with stage {stage + 1} of {len(rollout.stages)} ({share:.0%})."
    follow = f"Next: seatrial status {model} --store {shlex.quote(store_url)}"
    answer(json_, {"release": rollout.release, "stage": stage}, f"{said}\n{follow}")


@click.command(cls=Command)
@click.argument("model")
@store_option
@click.option("--release", "release_", help="Which release, if several are approved.")
@click.option("--every", "every_s", default=10.0, show_default=True, help="Seconds between two looks at the log.")
@as_json
def rollout(model: str, store_url: str, release_: str | None, every_s: float, json_: bool) -> None:
    """Move traffic to the approved release, stage by stage; rolls back by itself. Run again, it goes on.

    Example: seatrial rollout ames-price --store ./store
    """
    from tasks.job import open_ledger

    open_ledger(store_url)
    done = _run(store_url, model, release_, every_s)
    said = {"finished": "serves", "rolled back": "was rolled back"}[done["status"]]
    answer(json_, done, f"{done['release']} {said}: {done['why']}\nTimeline: {done['page']}")
    sys.exit(DONE if done["status"] == "finished" else NO)


def _run(store_url: str, model: str, release: str | None, every_s: float) -> dict[str, Any]:
    wait_for_server = settings.start_server_beside_imports()
    from flows.rollout import rollout as run

    settings.show_progress(lambda line: click.echo(line, err=True))
    wait_for_server()
    result: dict[str, Any] = run(store_url, model, release, every_s)
    return result
