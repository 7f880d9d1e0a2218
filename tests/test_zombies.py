"""A release that was killed together with whoever served it: noticed, retried in Prefect, and gone on with."""

import os
import signal
import subprocess
from pathlib import Path

import people
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import AwaitingRetry
from test_release import MODEL, SPEC, TASKS, loans
from waiting import SEATRIAL, until, working

from flows.deployments import absolute, deployment_name
from infra.ledger import Ledger
from infra.local_store import LocalStore

pytestmark = pytest.mark.xdist_group("zombies")
# Trains for as long as the file `wait` is there.
SLOW = """
def fit_slowly(features, target):
    import pathlib, time
    pathlib.Path("training").write_text("")
    while pathlib.Path("wait").exists():
        time.sleep(0.1)
    return fit(features, target)
"""


@pytest.fixture
def project(tmp_path, monkeypatch, prefect_url):
    with temporary_settings({PREFECT_API_URL: prefect_url}):
        yield _made(tmp_path, monkeypatch, prefect_url)


def _made(tmp_path, monkeypatch, prefect_url):
    monkeypatch.setenv("PREFECT_API_URL", prefect_url)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra" / "__init__.py").write_text("")
    (tmp_path / "infra" / "model.py").write_text(MODEL)
    (tmp_path / "tasks.py").write_text(TASKS + SLOW)
    (tmp_path / "release.yaml").write_text(SPEC.replace("tasks:fit", "tasks:fit_slowly"))
    (tmp_path / "wait").write_text("")
    loans().to_csv(tmp_path / "loans.csv", index=False)
    people.found(Ledger(LocalStore(tmp_path / "store"), tmp_path / "home"))
    return tmp_path


def family(pid):
    """A process and all that it started."""
    stats = {int(path.parent.name): path for path in Path("/proc").glob("[0-9]*/stat")}
    parents = {}
    for one, path in stats.items():
        try:
            parents[one] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def kill_all(process):
    for pid in family(process.pid):
        os.kill(pid, signal.SIGKILL)
    process.wait()


def state_of(run):
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run).state


def test_a_release_killed_with_its_runner_is_noticed_and_a_retry_goes_on_where_it_stood(project):
    store, log = str(project / "store"), project / "work.log"
    options = ["--spec", str(project / "release.yaml"), "--every", "3600"]
    with log.open("w") as out:
        first = subprocess.Popen(
            [SEATRIAL, "work", "--store", store, *options],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "SEATRIAL_HOME": str(project / "home")},
        )
    until(lambda: "Working for" in log.read_text(), log, first)
    with get_client(sync_client=True) as client:
        named = f"release/loan in {deployment_name(absolute(store))}"
        run = client.create_flow_run_from_deployment(client.read_deployment_by_name(named).id).id
    until(lambda: (project / "training").exists(), log, first, seconds=120)
    kill_all(first)
    assert state_of(run).type is StateType.RUNNING
    # Three heartbeats of thirty seconds, and the server's own look.
    until(lambda: state_of(run).type is StateType.CRASHED, log, seconds=180)
    (project / "wait").unlink()
    with working(store, project / "home", project / "again.log", *options):
        with get_client(sync_client=True) as client:
            # What the button "Retry" of the UI does.
            client.set_flow_run_state(run, AwaitingRetry(), force=True)
        until(lambda: state_of(run).type is StateType.COMPLETED, project / "again.log", seconds=120)
    ledger = Ledger(LocalStore(project / "store"), project / "home")
    kinds = [record.kind for record in ledger.read() if record.model == "loan"]
    assert kinds == ["release started", "release judged"]
    assert (project / "fitted.txt").read_text() == "once\n"
    assert ledger.problems() == []
