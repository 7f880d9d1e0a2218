"""`prefect deploy --all` on a real server declares what `seatrial work` serves, and a real worker runs it."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_URL, temporary_settings
from served import Written, price_graph
from serving import SEATRIAL
from waiting import until

from flows.deployments import deployments
from flows.naming import deployment_name
from infra.keys import place_name

pytestmark = pytest.mark.xdist_group("prefect")
ROOT = Path(__file__).parent.parent
PREFECT = Path(sys.executable).with_name("prefect")
# A new example whose spec says nothing of times: those of prefect.yaml are the spec's defaults.
SPEC = ROOT / "examples" / "ames" / "release.yaml"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    made = Written(tmp_path_factory.mktemp("deployed"))
    made.promoted("r1", price_graph())
    return made


@pytest.fixture(scope="module")
def environment(written, prefect_url):
    """Of somebody who deploys, as `seatrial work --environment` tells it."""
    mine = {**os.environ, "SEATRIAL_HOME": str(written.home), "PREFECT_API_URL": prefect_url, "SEATRIAL_POOL": "pool"}
    command = [SEATRIAL, "work", "--store", written.url, "--spec", SPEC, "--environment"]
    told = subprocess.run(command, env=mine, capture_output=True, text=True, check=True).stdout
    read = subprocess.run(["sh", "-c", f"{told}\nenv"], capture_output=True, text=True, check=True).stdout
    named = dict(line.split("=", 1) for line in read.splitlines() if line.startswith("SEATRIAL_"))
    return {**mine, **named}


@pytest.fixture(scope="module")
def deployed(written, environment, prefect_url):
    """What the server knows after each way, by flow and deployment; after the second the pool is there to run it."""
    with temporary_settings({PREFECT_API_URL: prefect_url}):
        for one in deployments(written.url, specs=[SPEC], form_hours=168.0, remind_hours=24.0, escalate_hours=72.0):
            one.apply()
        served = declared(written)
        prefect(environment, "work-pool", "create", "pool", "--type", "process")
        prefect(environment, "--no-prompt", "deploy", "--all")
        yield served, declared(written)


def prefect(environment, *command):
    done = subprocess.run([PREFECT, *command], env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def declared(written):
    """What counts of each deployment of the store, as the server has it."""
    with get_client(sync_client=True) as client:
        flows = {flow.id: flow.name for flow in client.read_flows()}
        mine = [one for one in client.read_deployments() if one.parameters.get("store") == written.url]
        return {(flows[one.flow_id], one.name): _declared(client, one) for one in mine}


def _declared(client, one):
    owned = client.request(
        "GET", "/automations/related-to/{resource_id}", path_params={"resource_id": f"prefect.deployment.{one.id}"}
    ).json()
    limit = one.global_concurrency_limit.limit if one.global_concurrency_limit else None
    return {
        "entrypoint": one.entrypoint,
        "parameters": {name: value for name, value in one.parameters.items() if value is not None},
        "description": one.description,
        "tags": one.tags,
        "limit": (limit, one.concurrency_options.collision_strategy if one.concurrency_options else None),
        "schedules": [_schedule(item) for item in one.schedules],
        "triggers": [_trigger(automation) for automation in owned],
    }


def _schedule(item):
    told = item.schedule.model_dump(mode="json", exclude={"anchor_date"}, exclude_none=True)
    if told.get("timezone") == "UTC":
        told.pop("timezone")
    return (told, item.active, item.parameters)


def _trigger(automation):
    trigger, [action] = automation["trigger"], automation["actions"]
    return automation["name"], sorted(trigger["expect"]), trigger["match"], trigger["posture"], action["parameters"]


def test_both_ways_declare_the_same(deployed):
    served, by_file = deployed
    assert len(served) == 9
    assert sorted(served) == sorted(by_file)
    for name, expected in served.items():
        assert by_file[name] == expected, name


def test_what_is_declared_is_what_the_project_says(deployed, written):
    served, _ = deployed
    name = deployment_name(written.url)
    every = {flow: told["schedules"][0][0] for (flow, _), told in served.items() if told["schedules"]}
    assert every["monitor"]["interval"] == timedelta(minutes=5).total_seconds()
    crons = {flow: told["cron"] for flow, told in every.items() if "cron" in told}
    assert crons == {"audit": "30 3 * * *", "review": "0 5 * * 1", "retrain": "0 4 1 * *"}
    [wanted] = served["retrain", f"ames-price in {name}"]["triggers"]
    assert wanted[1:3] == (
        ["seatrial.retraining.wanted"],
        {"seatrial.store": place_name(written.url), "seatrial.model": "ames-price"},
    )
    assert wanted[4]["cause"] == "{{ event.payload.cause }}"


def test_a_release_by_the_clock_takes_its_data_as_they_are_then(tmp_path, written):
    spec = tmp_path / "release.yaml"
    spec.write_text(SPEC.read_text() + "\nmonitoring:\n  release_cron: 0 2 * * 1\n  retrain:\n    cron: null\n")
    by_clock, anew, *_ = deployments(written.url, specs=[spec])
    [schedule] = by_clock.schedules
    assert (schedule.schedule.cron, schedule.schedule.timezone) == ("0 2 * * 1", "UTC")
    assert schedule.parameters == {"as_of": "scheduled"}
    assert anew.schedules == []
    assert len(anew.triggers) == 1


def test_a_real_worker_of_a_process_pool_runs_the_audit(deployed, written, environment, tmp_path):
    name = deployment_name(written.url)
    with get_client(sync_client=True) as client:
        run = client.create_flow_run_from_deployment(client.read_deployment_by_name(f"audit/{name}").id).id
        log = tmp_path / "worker.log"
        command = [PREFECT, "worker", "start", "--pool", "pool", "--type", "process"]
        with log.open("w") as out:
            # Elsewhere than the project: nothing is found by where it happens to run.
            worker = subprocess.Popen(
                command, env=environment, stdout=out, stderr=subprocess.STDOUT, cwd=tmp_path, start_new_session=True
            )
        try:
            until(lambda: client.read_flow_run(run).state.is_final(), log, worker, 120)
        finally:
            worker.send_signal(signal.SIGINT)
            worker.wait(30)
        state = client.read_flow_run(run).state
    assert state.type is StateType.COMPLETED, log.read_text()
