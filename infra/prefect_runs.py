"""Runs on the Prefect server: which are open, when an answer came, starting one and ending one.

Nothing is believed because Prefect says so: the forms are there, the truth is in the ledger.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events import ResourceSpecification
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Crashed, Scheduled

from expectations.errors import Away, CannotAsk

OPEN = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED]
BUSY = (StateType.PENDING, StateType.RUNNING)
FAILED = (StateType.FAILED, StateType.CRASHED)
MOST = 200
SILENT = "Seatrial: a run whose process is gone has crashed"
BEAT = "prefect.flow-run.heartbeat"
# The tag of runs that are long enough to be watched so; a server can be others' too, with runs of the same names.
WATCHED = "seatrial-watched"


@dataclass(frozen=True)
class Run:
    """A run, since when it is in its state, and when it was asked for.

    `is_pending`: a process is to begin; `crashed`: it is gone. `asks`: it is suspended and its form can be filled in.
    `key` is what made its start count once.
    """

    id: str
    parameters: dict[str, Any]
    since: datetime
    asked: datetime
    is_open: bool = False
    is_busy: bool = False
    is_pending: bool = False
    is_suspended: bool = False
    asks: bool = False
    failed: bool = False
    crashed: bool = False
    key: str = ""


def runs_of(flow: str, deployment: str) -> list[Run]:
    """The open runs of a deployment and the newest others, without those that wait for their hour. Raises Away."""
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=OPEN)))
    with _client() as client:
        open_ones = _read(client, flow, deployment, wanted, FlowRunSort.EXPECTED_START_TIME_ASC)
        newest = _read(client, flow, deployment, None, FlowRunSort.EXPECTED_START_TIME_DESC)
        found = {one.id: one for one in [*newest, *open_ones] if not _waits(one)}
        return [_run(client, one, one.state, f"{deployment}/") for one in found.values() if one.state]


def _waits(one: FlowRun) -> bool:
    return one.auto_scheduled and one.state_type == StateType.SCHEDULED


def _read(
    client: SyncPrefectClient, flow: str, deployment: str, wanted: FlowRunFilter | None, sort: FlowRunSort
) -> list[FlowRun]:
    return client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])),
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[deployment])),
        flow_run_filter=wanted,
        sort=sort,
        limit=MOST,
    )


def _run(client: SyncPrefectClient, one: FlowRun, state: State[Any], before: str) -> Run:
    kind = state.type
    suspended = kind == StateType.PAUSED
    return Run(
        str(one.id),
        dict(one.parameters),
        state.timestamp,
        one.created or state.timestamp,
        is_open=kind in OPEN,
        is_busy=kind in BUSY,
        is_pending=kind == StateType.PENDING,
        is_suspended=suspended,
        asks=suspended and _has_form(client, one.id, state),
        failed=kind in FAILED,
        crashed=kind == StateType.CRASHED,
        key=(one.idempotency_key or "").removeprefix(before),
    )


def _has_form(client: SyncPrefectClient, run: UUID, state: State[Any]) -> bool:
    """A process that dies between suspending and saving the form leaves a run that nobody can resume."""
    keys = state.state_details.run_input_keyset
    return keys is not None and bool(client.filter_flow_run_input(run, keys["schema"], 1, set()))


def answered_at(run: str, key: str) -> datetime | None:
    """When the answer to the form `key` was kept, by the server's clock; None where there is none. Raises Away."""
    with _client() as client:
        found = client.filter_flow_run_input(UUID(run), key, 10, set())
    times = [one.created for one in found if one.key == key and one.created]
    return times[0].astimezone(UTC) if times else None


def start(flow: str, deployment: str, parameters: dict[str, Any], key: str) -> None:
    """Schedules a run now, once for each `key`. Raises Away; CannotAsk where the deployment is not there."""
    with _client() as client:
        try:
            found = client.read_deployment_by_name(f"{flow}/{deployment}")
        except ObjectNotFound:
            raise CannotAsk(f"{flow}/{deployment}: no such deployment; `seatrial work` makes it.") from None
        # Prefect counts keys by the flow, and the same release can wait in two stores.
        once = f"{deployment}/{key}"
        client.create_flow_run_from_deployment(found.id, parameters=parameters, idempotency_key=once, state=Scheduled())


def close(run: str, words: str) -> None:
    """Ends a run that waits for an answer that nobody needs any more. Raises Away."""
    with _client() as client:
        client.set_flow_run_state(UUID(run), Completed(name="Closed", message=words), force=True)


def give_up(run: str, words: str) -> None:
    """Marks a run whose process is gone. Raises Away."""
    with _client() as client:
        client.set_flow_run_state(UUID(run), Crashed(message=words), force=True)


def crash_silent_runs(heartbeat_s: int) -> None:
    """Has the server mark a release or a rollout as crashed that has told nothing for three heartbeats: its process is
    gone. Declared once on a server, whoever works for how many stores.

    Never a form: it suspends so soon that its one heartbeat can come after that, and would crash a form that waits.
    """
    ends = ("Completed", "Failed", "Cancelled", "Crashed", "Cancelling", "AwaitingRetry")
    wanted = AutomationCore(
        name=SILENT,
        description="A run of Seatrial that was killed together with who served it: retry it, and it goes on.",
        trigger=EventTrigger(
            after={BEAT},
            expect={BEAT, *(f"prefect.flow-run.{end}" for end in ends)},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            match_related=ResourceSpecification({"prefect.resource.id": f"prefect.tag.{WATCHED}"}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=3 * heartbeat_s),
        ),
        actions=[
            ChangeFlowRunState(
                name="Crashed",
                state=StateType.CRASHED,
                message="Silent for too long: its process is gone.",
                force=False,
            )
        ],
    )
    with _client() as client:
        if not client.read_automations_by_name(SILENT):
            client.create_automation(wanted)


@contextmanager
def _client() -> Iterator[SyncPrefectClient]:
    try:
        with get_client(sync_client=True) as client:
            yield client
    except httpx.TransportError as error:
        raise Away(f"the Prefect server: expected an answer, found none ({type(error).__name__}).") from None
