"""The deployments of one store, declared once: what asks, what reminds, what rolls out, and by which events."""

import asyncio
import signal
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.runner import Runner
from prefect.settings import get_current_settings
from prefect.types.entrypoint import EntrypointType

from expectations.errors import Away, CannotAsk
from flows import events
from flows.decide import decide
from flows.release import release
from flows.remind import remind
from flows.rollout import rollout
from flows.tell import tell
from infra import prefect_runs
from infra.keys import place_name
from infra.spec_file import read_spec

LOOK_S = 2.0
# A rollout runs for hours, and must not keep a form from being read.
MOST_AT_ONCE = 32
# The least that Prefect takes.
HEARTBEAT_S = 30
WATCHED = [prefect_runs.WATCHED]
BY_EVENT = {"model": "{{ event.payload.model }}", "release": "{{ event.payload.release }}"}


def deployment_name(store: str) -> str:
    """The same for the same store, and another for any other: several can be served from one Prefect server."""
    last = "".join(character if character.isalnum() else "-" for character in store.split("?")[0].rstrip("/")[-40:])
    return f"{last.rpartition('-')[2] or 'store'}-{place_name(store)[:6]}"


def absolute(store: str) -> str:
    """A store's URL that means the same wherever a run is started."""
    return store if "://" in store else str(Path(store).resolve())


def deployments(
    store: str, every_s: float = 60.0, specs: Iterable[Path] = (), **settings: Any
) -> list[RunnerDeployment]:
    """All that is served for a store, and the releases of some specs; `settings` are parameters of `remind`."""
    store = absolute(store)
    name, asked = deployment_name(store), {"store": store}
    ask, roll_out = (
        _by(events.WAITING, store, f"Ask when a release in {name} waits"),
        _by(events.APPROVED, store, f"Roll out what is approved in {name}"),
    )
    # After a while without a worker the turns that were missed are not made up for.
    one_at_a_time = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
    turn = {**asked, "deployment": name, **settings}
    return [
        *(_release(spec, name, store) for spec in specs),
        _of(decide, name, "Asks people whether a release may go to production.", asked, triggers=[ask]),
        _of(
            rollout,
            name,
            "Moves traffic to an approved release, stage by stage.",
            asked,
            triggers=[roll_out],
            tags=WATCHED,
        ),
        _of(tell, name, "Tells people that a decision is due.", asked),
        _of(
            remind,
            name,
            "Opens a form for each release that waits, closes the others, and reminds.",
            turn,
            interval=timedelta(seconds=every_s),
            concurrency_limit=one_at_a_time,
        ),
    ]


def _release(spec: Path, name: str, store: str) -> RunnerDeployment:
    file = read_spec(spec)
    asked = {"store": store, "spec": str(spec.resolve()), "as_of": None}
    words = f"Takes {file.spec.model.name} from its data to a verdict; run again, it goes on."
    return _of(release, f"{file.spec.model.name} in {name}", words, asked, tags=WATCHED)


def _of(flow: Flow[..., Any], name: str, words: str, parameters: dict[str, Any], **more: Any) -> RunnerDeployment:
    # What the end of the last `work` paused goes on.
    more |= {"paused": False, "entrypoint_type": EntrypointType.MODULE_PATH}
    made = flow.to_deployment(name, description=words, parameters=parameters, **more)
    return cast(RunnerDeployment, made)


def _by(event: str, store: str, name: str) -> DeploymentEventTrigger:
    return DeploymentEventTrigger(
        name=name, expect={event}, match={"seatrial.store": place_name(store)}, parameters={"store": store, **BY_EVENT}
    )


def expect_server() -> str:
    """The URL of the Prefect server's API. Raises CannotAsk where none is named or none answers."""
    url = get_current_settings().api.url
    start = "Start one with `prefect server start` and set PREFECT_API_URL, e.g. to http://127.0.0.1:4200/api."
    if url is None:
        raise CannotAsk(f"PREFECT_API_URL: expected the URL of a Prefect server, found none. {start}")
    with get_client(sync_client=True) as client:
        error = client.api_healthcheck()
    if error is not None:
        raise CannotAsk(f"{url}: expected a Prefect server, found none ({type(error).__name__}). {start}")
    return url


def serve(served: list[RunnerDeployment], up: Callable[[], None]) -> None:
    """Runs what is due, each in a process of its own, until Ctrl-C; then schedules pause until it is served again.

    `up` is called once Prefect knows the deployments and the events that start them.
    """
    prefect_runs.crash_silent_runs(HEARTBEAT_S)
    runner = Runner(name="seatrial", query_seconds=LOOK_S, limit=MOST_AT_ONCE, heartbeat_seconds=HEARTBEAT_S)
    # Prefect's own way out of a SIGTERM ends in a traceback; and a script's background job is born deaf to SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    vars(runner)["handle_sigterm"] = lambda *_: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGTERM, runner.handle_sigterm)
    for one in served:
        runner.add_deployment(one)
    up()
    try:
        asyncio.run(runner.start())
    except httpx.TransportError as error:
        away = f"the Prefect server went away ({type(error).__name__}). What waits is in the ledger; run this again."
        raise Away(away) from None
