"""The deployments of one store, declared once: what releases, asks, rolls out, watches, retrains and audits; by which
events and by which clock.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import httpx
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.runner import Runner
from prefect.schedules import Cron, Interval, Schedule
from prefect.settings import get_current_settings
from prefect.types.entrypoint import EntrypointType

from expectations.errors import Away, CannotAsk
from flows import events
from flows.audit import audit
from flows.decide import decide
from flows.monitor import monitor
from flows.naming import absolute, deployment_name
from flows.release import SCHEDULED, release
from flows.remind import remind
from flows.retrain import retrain
from flows.review import review
from flows.rollout import rollout
from flows.tell import tell
from infra import prefect_runs
from infra.keys import place_name
from infra.spec_file import expect_one_of_each, read_spec

__all__ = ["absolute", "deployment_name", "deployments", "expect_server", "serve"]
LOOK_S = 2.0
# A rollout runs for hours, and must not keep a form from being read.
MOST_AT_ONCE = 32
ROLLOUT_LOOK_S = 10.0
# A run begins each minute at most: until it does, seconds of CPU are gone.
RUN_S = 60.0
# So long an end may take: schedules are paused and runs let go.
END_S = 20.0
# The least that Prefect takes.
HEARTBEAT_S = 30
WATCHED = [prefect_runs.WATCHED]
BY_EVENT = {"model": "{{ event.payload.model }}", "release": "{{ event.payload.release }}"}
BY_ALARM = {
    "model": "{{ event.payload.model }}",
    "cause": "{{ event.payload.cause }}",
    "since": "{{ event.payload.since }}",
}
# By hand and by the clock, which cannot say more.
BY_CLOCK = "schedule"
# In UTC: at night, and before the week begins.
DAILY, WEEKLY = "30 3 * * *", "0 5 * * 1"
# After a while without a worker the turns that were missed are not made up for.
NOT_TWO, NOT_THREE = (
    ConcurrencyLimitConfig(limit=most, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW) for most in (1, 2)
)


def deployments(
    store: str, every_s: float = 60.0, specs: Iterable[Path] = (), monitor_every_s: float = 300.0, **settings: Any
) -> list[RunnerDeployment]:
    """All that is served for a store, and what is of some specs; `settings` are parameters of `remind`.

    `prefect.yaml` declares the same for a work pool.
    """
    store, specs = absolute(store), [*specs]
    expect_one_of_each(map(read_spec, specs))
    name = deployment_name(store)
    turn = {"store": store, "deployment": name, **settings}
    # Where it is watched more often than a rollout looks by itself, the rollout looks as often.
    look = {"every_s": monitor_every_s} if monitor_every_s < ROLLOUT_LOOK_S else {}
    return [
        *(made for spec in specs for made in _of_spec(spec, name, store)),
        *_approving(name, store, every_s, look, turn),
        *_watching(name, store, monitor_every_s, settings.get("notify")),
    ]


def _approving(
    name: str, store: str, every_s: float, look: dict[str, Any], turn: dict[str, Any]
) -> list[RunnerDeployment]:
    asked = {"store": store}
    ask, roll_out = (
        _by(events.WAITING, store, f"Ask when a release in {name} waits"),
        _by(events.APPROVED, store, f"Roll out what is approved in {name}"),
    )
    keep_asking = "Opens a form for each release that waits, closes the others, and reminds."
    often = Interval(timedelta(seconds=every_s))
    return [
        _of(decide, name, "Asks people whether a release may go to production.", asked, triggers=[ask]),
        _of(
            rollout,
            name,
            "Moves traffic to an approved release, stage by stage.",
            asked | look,
            [roll_out],
            tags=WATCHED,
        ),
        _of(tell, name, "Tells people that a decision is due.", asked),
        _of(remind, name, keep_asking, turn, schedules=[often], concurrency_limit=NOT_TWO),
    ]


def _watching(name: str, store: str, monitor_every_s: float, notify: str | None) -> list[RunnerDeployment]:
    asked: dict[str, Any] = {"store": store}
    alone: dict[str, Any] = {"concurrency_limit": NOT_TWO, "tags": WATCHED}
    looking, often = _turns(monitor_every_s)
    # The next run takes its place seconds before its minute, while the one before looks its last.
    overlapping = alone | ({"concurrency_limit": NOT_THREE} if looking else {})
    look = "Looks at what serves: alarms, and what follows from them."
    look_back = "Looks back: what operation costs, and what decays slowly."
    prove = "Proves that all that is kept is as it was written, and that it can be brought back."
    return [
        _of(monitor, name, look, asked | looking, schedules=[often], **overlapping),
        _of(review, name, look_back, asked, schedules=[_cron(WEEKLY)], **alone),
        _of(audit, name, prove, {**asked, "notify": notify}, schedules=[_cron(DAILY)], **alone),
    ]


def _turns(every_s: float) -> tuple[dict[str, float], Schedule]:
    """How often monitoring looks; more often than each minute, one run looks for as long as a minute."""
    if every_s >= RUN_S:
        return {}, Interval(timedelta(seconds=every_s))
    minute = Interval(timedelta(seconds=RUN_S), anchor_date=datetime.now(UTC) + timedelta(seconds=LOOK_S))
    return {"every_s": every_s, "for_s": RUN_S}, minute


def _of_spec(spec: Path, name: str, store: str) -> list[RunnerDeployment]:
    """What one spec is released by, and trained anew by: by hand, by the clock and by alarms."""
    told = read_spec(spec).spec
    of, model, clock = f"{told.model.name} in {name}", told.model.name, told.monitoring
    asked = {"store": store, "spec": str(spec.resolve())}
    words = f"Takes {model} from its data to a verdict; run again, it goes on."
    anew = f"Trains {model} on new data, and takes it to a verdict, unless the cause lies upstream."
    by_clock = {"model": model, "cause": BY_CLOCK}
    wanted = _by(events.RETRAINING_WANTED, store, f"Train {of} anew", asked | BY_ALARM, {"seatrial.model": model})
    crons = {
        "release": [_cron(clock.release_cron, as_of=SCHEDULED)] if clock.release_cron else [],
        "retrain": [_cron(clock.retrain.cron)] if clock.retrain.cron else [],
    }
    one_by_one: dict[str, Any] = {"concurrency_limit": 1, "tags": WATCHED}
    return [
        _of(release, of, words, {**asked, "as_of": None}, schedules=crons["release"], **one_by_one),
        _of(retrain, of, anew, asked | by_clock, [wanted], schedules=crons["retrain"], **one_by_one),
    ]


def _cron(when: str, **parameters: Any) -> Schedule:
    return Cron(when, timezone="UTC", parameters=parameters)


def _of(
    flow: Flow[..., Any],
    name: str,
    words: str,
    parameters: dict[str, Any],
    triggers: Sequence[DeploymentEventTrigger] = (),
    **more: Any,
) -> RunnerDeployment:
    # What the end of the last `work` paused goes on.
    more |= {"paused": False, "entrypoint_type": EntrypointType.MODULE_PATH, "triggers": [*triggers]}
    made = flow.to_deployment(name, description=words, parameters=parameters, **more)
    return cast(RunnerDeployment, made)


def _by(
    event: str,
    store: str,
    name: str,
    parameters: Mapping[str, Any] = MappingProxyType(BY_EVENT),
    match: Mapping[str, str] = MappingProxyType({}),
) -> DeploymentEventTrigger:
    found: dict[str, str | list[str]] = {"seatrial.store": place_name(store), **match}
    return DeploymentEventTrigger(name=name, expect={event}, match=found, parameters={"store": store, **parameters})


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
    # A run outlives a worker that is killed. Its words are in Prefect; a terminal that is gone would end it.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    prefect_runs.crash_silent_runs(HEARTBEAT_S)
    runner = Runner(name="seatrial", query_seconds=LOOK_S, limit=MOST_AT_ONCE, heartbeat_seconds=HEARTBEAT_S)
    # Prefect's own way out of a SIGTERM ends in a traceback; and a script's background job is born deaf to SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    vars(runner)["handle_sigterm"] = _end
    signal.signal(signal.SIGTERM, runner.handle_sigterm)
    for one in served:
        runner.add_deployment(one)
    up()
    try:
        asyncio.run(runner.start())
    except httpx.TransportError as error:
        away = f"the Prefect server went away ({type(error).__name__}). What waits is in the ledger; run this again."
        raise Away(away) from None


def _end(*_: object) -> None:
    # Where the server is gone too, Prefect's runner waits for it, and for ever for some of its own threads.
    late = threading.Timer(END_S, _end_hard)
    late.daemon = True
    late.start()
    signal.raise_signal(signal.SIGINT)


def _end_hard() -> None:
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
