"""`seatrial up` as a team runs it: real processes, each killed in turn; one start for the whole file."""

import json
import os
import signal
import socket
import urllib.request
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.events import emit_event
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings
from served import Written, price_graph
from serving import alive
from team import Team
from test_release import MODEL, SPEC, TASKS, loans
from test_zombies import SLOW
from waiting import until

from expectations.spec import ReleaseSpec
from flows import events
from flows.naming import deployment_name
from infra.keys import place_name
from infra.prediction_log import LogReader

pytestmark = pytest.mark.xdist_group("up")
# What other releases read of a model that serves.
CARS = ReleaseSpec.model_validate(
    {
        "model": {"name": "cars", "task": "regression", "owner": "o"},
        "candidate": {"train": "t:f"},
        "data": {"target": "price", "sources": {"cars": {"path": "cars.csv"}}},
    }
).model_dump(mode="json")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A store in which cars are served, and a spec of another model."""
    folder = tmp_path_factory.mktemp("up")
    written = Written(folder)
    written.approved("r1", price_graph(), spec=CARS)
    written.append("promoted", release="r1", without_rollout="a test")
    (folder / "infra").mkdir()
    (folder / "infra" / "__init__.py").write_text("")
    (folder / "infra" / "model.py").write_text(MODEL)
    (folder / "tasks.py").write_text(TASKS + SLOW)
    (folder / "release.yaml").write_text(SPEC.replace("tasks:fit", "tasks:fit_slowly"))
    (folder / "wait").write_text("")
    loans().to_csv(folder / "loans.csv", index=False)
    return SimpleNamespace(folder=folder, written=written, spec=folder / "release.yaml")


def begin(project):
    written = project.written
    return Team(project.folder, written.url, written.home, "--spec", project.spec, "--monitor-every", "3600")


@pytest.fixture(scope="module")
def up(project):
    team = begin(project)
    # One that an earlier test began tells another server.
    EventsWorker.drain_all(10)
    with temporary_settings({PREFECT_API_URL: f"{team.places['ui']}/api"}):
        yield team
    EventsWorker.drain_all(10)
    if team.process.poll() is None:
        team.process.kill()


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.status, answer.read()


def ask(up, n=1):
    """So many answered requests."""
    body = json.dumps({"records": [{"year": 2005.0, "weight kg": 1825.0, "make": "Saab"}]}).encode()
    for _ in range(n):
        request = urllib.request.Request(
            f"{up.places['gateway']}/v2/models/cars/records", body, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert json.load(answer)["release"] == "r1"


def runs(flow):
    """Those that were asked for, not those that wait for their hour."""
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])))
    return [run for run in found if not run.auto_scheduled]


def test_all_come_up_and_say_where_they_are(up, project):
    assert get(f"{up.places['gateway']}/v2/health/ready")[0] == 200
    assert b"<html" in get(up.places["ui"])[1].lower()
    ask(up)
    logs = sorted(path.name for path in (project.written.home / "up").glob("*/*.log"))
    assert logs == ["gateway.log", "server.log", "worker.log"]
    for path in (project.written.home / "up").glob("*/*.log"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_schedules_and_triggers_are_there(up, project):
    name = deployment_name(project.written.url)
    with get_client(sync_client=True) as client:
        flows = {flow.id: flow.name for flow in client.read_flows()}
        every = {(flows[one.flow_id], one.name): one for one in client.read_deployments()}
        automations = client.request("POST", "/automations/filter", json={}).json()
    of_the_store = {(flow, name) for flow in ("audit", "decide", "monitor", "remind", "review", "rollout", "tell")}
    assert set(every) == of_the_store | {(flow, f"loan in {name}") for flow in ("release", "retrain")}
    by_clock = {flow for (flow, _), one in every.items() if any(item.active for item in one.schedules)}
    assert by_clock == {"audit", "monitor", "remind", "retrain", "review"}
    by_events = sorted(event for one in automations for event in one["trigger"]["expect"] if "seatrial" in event)
    assert by_events == [events.APPROVED, events.WAITING, events.RETRAINING_WANTED]


def test_a_second_one_for_the_same_store_is_told_which_is_there(up, project, seatrial, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(project.written.home))
    done = seatrial("up", "--store", project.written.url)
    assert done.code == 2
    assert f"runs already, as process {up.process.pid}" in done.err


def test_a_gateway_that_is_killed_comes_back_and_what_it_answered_is_written_down(up, project):
    ask(up, 40)
    up.kill("gateway")
    ask(up, 10)
    since = datetime.now(UTC) - timedelta(hours=1)
    until(lambda: len(LogReader(project.written.store, "predictions", "cars", since).some(1000, 0)) == 51, seconds=40)


@pytest.fixture(scope="module")
def training(up, project):
    """A release that trains until the file `wait` is gone: its run."""
    name = f"release/loan in {deployment_name(project.written.url)}"
    with get_client(sync_client=True) as client:
        run = client.create_flow_run_from_deployment(client.read_deployment_by_name(name).id).id
    until((project.folder / "training").exists, seconds=180)
    return run


def test_an_event_while_the_worker_is_killed_starts_one_run(up, project, training):
    resource = {
        "prefect.resource.id": "seatrial.release.r0",
        "seatrial.store": place_name(project.written.url),
        "seatrial.model": "loan",
    }
    payload = {"model": "loan", "release": "r0", "cause": "alarm inputs: moved", "since": "2026-01-01T00:00:00Z"}
    at = len(up.said)
    os.kill(int(up.told("worker", "begun")[-1]["words"].rpartition(" ")[2]), signal.SIGKILL)
    emit_event(events.RETRAINING_WANTED, resource, payload=payload)
    EventsWorker.instance().drain()
    until(lambda: runs("retrain"))
    up.until("worker", "up", at)
    [one] = until(lambda: [run for run in runs("retrain") if run.state.is_final()], seconds=180)
    assert one.parameters["cause"] == "alarm inputs: moved"
    assert one.parameters["model"] == "loan"
    # Killed while it runs nothing, and begun again: no run is made up for.
    up.kill("worker")
    assert len(runs("retrain")) == 1


def test_a_run_whose_worker_was_killed_goes_on_to_its_end(up, project, training):
    (project.folder / "wait").unlink()
    with get_client(sync_client=True) as client:
        ended = until(lambda: (found := client.read_flow_run(training).state).is_final() and found, seconds=180)
    assert ended.is_completed(), ended
    kinds = [record.kind for record in project.written.ledger.read() if record.model == "loan"]
    assert kinds.count("release started") == kinds.count("release judged") == 1


def test_a_server_that_is_killed_comes_back_with_what_it_knew(up):
    before = {run.id for run in runs("retrain")}
    up.kill("server")
    assert {run.id for run in runs("retrain")} >= before
    ask(up)


def test_killed_itself_it_leaves_nothing_and_the_next_one_ends_cleanly_by_ctrl_c(up, project):
    """Last: afterwards nothing runs."""
    family = up.family()
    assert len(family) >= 4
    up.process.kill()
    up.process.wait()
    # A run that outlived its worker may go on until the next one ends it.
    until(lambda: len([pid for pid in family if alive(pid)]) <= 1, seconds=60)
    again = begin(project)
    assert not [pid for pid in family if alive(pid)]
    family = again.family()
    again.process.send_signal(signal.SIGINT)
    assert again.process.wait(90) == 0
    ended = [told["process"] for told in again.said if told["event"] == "ended"]
    assert ended == ["gateway", "worker", "server", "all"]
    assert not [pid for pid in family if alive(pid)]
    assert not [told for told in again.said if told["event"] == "?"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--database", "postgresql+asyncpg://ann:secret@db/prefect"], "expected no password in it, found one"),
        (["--database", "mysql://db/prefect"], "expected postgresql+asyncpg://USER@HOST/NAME"),
        (["--database", "postgresql+asyncpg://ann@127.0.0.1:9/prefect"], "ann@127.0.0.1:9/prefect cannot be opened"),
        (["--monitor-every", "0"], "x>=1"),
        (["--spec", "{spec}", "--spec", "{twin}"], "expected a spec of a model of its own"),
        (["--spec", "nowhere.yaml"], "expected a release spec, found no such file"),
        (["--host", "203.0.113.7"], "cannot listen there"),
        (["--port", "{taken}"], "expected a free port, found another program"),
    ],
)
def test_what_cannot_be_is_told_before_anything_starts(seatrial, tmp_path, monkeypatch, options, words):

    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        here = {"taken": taken.getsockname()[1], "spec": tmp_path / "release.yaml", "twin": tmp_path / "twin.yaml"}
        for name in ("spec", "twin"):
            here[name].write_text(SPEC)
        given = [option.format(**here) for option in options]
        done = seatrial("up", "--store", tmp_path / "store", "--port", "0", "--ui-port", "0", *given)
    assert done.code == 2
    assert words in done.err
    assert "secret" not in done.out + done.err


def test_a_server_that_is_named_and_not_there_is_told(seatrial, tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    done = seatrial("up", "--store", tmp_path / "store", "--port", "0")
    assert done.code == 2
    assert "expected a Prefect server, found none" in done.err
