"""The templates for Kubernetes and ECS: well formed, and as closed as they say. None of them is run here."""

import json
import re
from pathlib import Path

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.cli import main

pytestmark = pytest.mark.xdist_group("prefect")
INFRA = Path(__file__).parent.parent / "infra"
PLACEHOLDER = re.compile(r"\{\{ (\w+) \}\}")
DOCUMENTS = [
    pytest.param(document, id=f"{path.stem}-{document['kind']}")
    for path in sorted((INFRA / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
]
# What a work pool's variables become in a run.
FILLED = {"cpu": "2", "memory": "4096", "command": ["prefect", "flow-run", "execute"], "env": [], "labels": []}


def pool(kind):
    return json.loads((INFRA / kind / "work-pool.json").read_text())


def filled(value, properties):
    """The template as a worker fills it in: defaults, and something of its type for the rest."""
    if isinstance(value, dict):
        return {key: filled(one, properties) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, properties) for one in value]
    if isinstance(value, str) and (found := PLACEHOLDER.fullmatch(value)):
        name = found[1]
        return FILLED.get(name, properties[name].get("default", f"some-{name}"))
    return value


def pod(document):
    """The pod of a Deployment, a StatefulSet or a Job; None where it has none."""
    return document.get("spec", {}).get("template", {}).get("spec")


def is_closed(spec):
    """Not root, a read-only root, nothing gained, bounded."""
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted <= {volume["name"] for volume in spec["volumes"]} | {"home"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_kubernetes_document_is_whole_and_each_pod_is_closed(document):
    assert {"apiVersion", "kind", "metadata"} <= set(document)
    assert document["metadata"]["name"]
    spec = pod(document)
    if spec is not None:
        is_closed(spec)
        selected = document["spec"]["selector"]["matchLabels"]
        assert selected.items() <= document["spec"]["template"]["metadata"]["labels"].items()


def test_the_gateway_is_asked_whether_it_lives_and_is_ready_where_it_answers_that():
    [gateway] = [one.values[0] for one in DOCUMENTS if one.values[0]["kind"] == "StatefulSet"]
    [container] = pod(gateway)["containers"]
    [port] = container["ports"]
    asked = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe["port"] for probe in asked.values()} == {port["name"]}
    assert asked["livenessProbe"]["path"] == "/v2/health/live"
    assert asked["readinessProbe"]["path"] == "/v2/health/ready"
    assert f"--port={port['containerPort']}" in container["command"]


@pytest.mark.parametrize("kind", ["kubernetes", "ecs"])
def test_a_work_pool_is_taken_by_a_real_server(kind, prefect_url):
    """Its variables are a JSON schema, and each placeholder is one of them."""
    template = pool(kind)
    properties = template["variables"]["properties"]
    Draft202012Validator.check_schema(template["variables"])
    used = set(PLACEHOLDER.findall(json.dumps(template["job_configuration"])))
    assert used == set(properties)
    with temporary_settings({PREFECT_API_URL: prefect_url}), get_client(sync_client=True) as client:
        made = WorkPoolCreate(name=f"template-{kind}", type=kind, base_job_template=template)
        assert client.create_work_pool(made, overwrite=True).base_job_template == template


def test_runs_on_kubernetes_are_closed_jobs():
    template = pool("kubernetes")
    job = filled(template["job_configuration"]["job_manifest"], template["variables"]["properties"])
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    # A run that died is begun again by Seatrial's own rules, never by the cluster's.
    assert job["spec"]["backoffLimit"] == 0
    assert pod(job)["restartPolicy"] == "Never"
    is_closed(pod(job))


def register(task):
    """What AWS's own description of the call says against it."""
    model = botocore.session.get_session().get_service_model("ecs")
    return ParamValidator().validate(task, model.operation_model("RegisterTaskDefinition").input_shape)


def test_the_ecs_task_of_the_gateway_is_one_that_aws_describes():
    task = json.loads((INFRA / "ecs" / "gateway-task.json").read_text())
    assert not register(task).has_errors()
    is_closed_task(task)
    task["containerDefinitions"][0]["colour"] = "blue"
    task["cpu"] = 2048
    assert register(task).has_errors()


def test_runs_on_ecs_are_closed_tasks_that_aws_describes():
    template = pool("ecs")
    task = filled(template["job_configuration"]["task_definition"], template["variables"]["properties"])
    assert not register(task).has_errors(), register(task).generate_report()
    is_closed_task(task)


def is_closed_task(task):
    [container] = task["containerDefinitions"]
    assert container["readonlyRootFilesystem"] is True
    assert container["user"] not in ("", "root", "0", "0:0")
    assert {mount["sourceVolume"] for mount in container["mountPoints"]} == {one["name"] for one in task["volumes"]}


def commands():
    found = [one.values[0] for one in DOCUMENTS if pod(one.values[0])]
    kubernetes = [container["command"] for one in found for container in pod(one)["containers"]]
    ecs = json.loads((INFRA / "ecs" / "gateway-task.json").read_text())["containerDefinitions"][0]["command"]
    return [command for command in (*kubernetes, ecs) if command[0] == "seatrial"]


def test_each_command_of_ours_has_the_options_that_it_is_given():
    assert len(commands()) == 2
    for _, name, *options in commands():
        described = CliRunner().invoke(main, [name, "--help"]).output
        for option in options:
            assert f"{option.split('=')[0]} " in described, option


def test_the_image_runs_as_nobody_and_brings_no_tool_along():
    lines = (INFRA / "container" / "Dockerfile").read_text().splitlines()
    assert "USER 10001:10001" in lines
    assert not [line for line in lines if line.startswith("ADD")]
    assert any("--require-hashes" in line for line in lines)
