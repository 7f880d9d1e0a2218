"""Serving the flows that Prefect starts by events and by the clock: work."""

import json
import shlex
from pathlib import Path

import click

from flows import settings
from flows.answering import Command, answer, as_json, store_option


@click.command(cls=Command)
@store_option
@click.option(
    "--spec", "specs", multiple=True, type=click.Path(path_type=Path), help="A release that the UI can run; repeatable."
)
@click.option(
    "--every",
    "every_s",
    default=60.0,
    show_default=True,
    type=click.FloatRange(1),
    help="Seconds between two looks at what waits.",
)
@click.option(
    "--monitor-every",
    "monitor_every_s",
    default=300.0,
    show_default=True,
    type=click.FloatRange(1),
    help="Seconds between two looks at what serves.",
)
@click.option("--form-hours", default=168.0, show_default=True, help="How long a form is open; then another is.")
@click.option("--remind-hours", default=24.0, show_default=True, help="When a reminder is sent, and again after it.")
@click.option("--escalate-hours", default=72.0, show_default=True, help="When others are told that nobody decides.")
@click.option("--notify", help="A Prefect notification block that tells people, e.g. slack-webhook/ops.")
@click.option("--environment", "only_tell", is_flag=True, help="Serve nothing; print what prefect.yaml asks for.")
@as_json
def work(
    store_url: str,
    specs: tuple[Path, ...],
    every_s: float,
    monitor_every_s: float,
    form_hours: float,
    remind_hours: float,
    escalate_hours: float,
    notify: str | None,
    only_tell: bool,
    json_: bool,
) -> None:
    """Run what Prefect starts by events and by the clock, until Ctrl-C: decisions, rollouts, monitoring, retraining.

    PREFECT_API_URL names the Prefect server. Several stores can be worked for beside one another.

    Example: seatrial work --store ./store --notify slack-webhook/ops
    """
    settings.tell_runs()
    from tasks.job import open_ledger

    # Neither a store nor a ledger that is not there is worked for.
    open_ledger(store_url).state()
    from flows import deployments

    if only_tell:
        told = environment(store_url, specs)
        answer(json_, told, "\n".join(f"export {name}={shlex.quote(value)}" for name, value in told.items()))
        return
    url = deployments.expect_server()
    hours = {"form_hours": form_hours, "remind_hours": remind_hours, "escalate_hours": escalate_hours}
    served = deployments.deployments(store_url, every_s, specs, monitor_every_s, notify=notify, **hours)
    name = deployments.deployment_name(deployments.absolute(store_url))
    ui = url.removesuffix("/api")

    def up() -> None:
        told = f"Working for {store_url} as {name!r}: releases, forms, rollouts, monitoring. UI: {ui}. Ctrl-C ends it."
        click.echo(json.dumps({"working": name, "server": url, "ui": ui}) if json_ else told)

    try:
        deployments.serve(served, up)
    except KeyboardInterrupt:
        if not json_:
            click.echo("Ended. What waits is in the ledger; the next `seatrial work` asks again.")


def environment(store_url: str, specs: tuple[Path, ...]) -> dict[str, str]:
    """What `prefect.yaml` takes from the environment: of the store, and of the first spec."""
    from flows.naming import absolute, deployment_name
    from infra.keys import place_name
    from infra.spec_file import read_spec

    store = absolute(store_url)
    told = {"SEATRIAL_STORE": store, "SEATRIAL_STORE_ID": place_name(store), "SEATRIAL_NAME": deployment_name(store)}
    for spec in specs[:1]:
        told |= {"SEATRIAL_SPEC": str(spec.resolve()), "SEATRIAL_MODEL": read_spec(spec).spec.model.name}
    return told
