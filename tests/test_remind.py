"""The turns of `remind`, and `work`, against a real Prefect server."""

import json
import os
import signal
import subprocess
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import people
import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Pending
from test_release import SPEC
from waiting import SEATRIAL, Waiting, until, working

from flows.deployments import deployment_name, deployments
from flows.remind import remind
from flows.tell import tell
from infra.prefect_runs import runs_of

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.fixture
def account(prefect_url, tmp_path, monkeypatch):
    """A store with deployments that nobody serves; the flows run in this process."""
    written = Waiting(tmp_path)
    monkeypatch.setenv("SEATRIAL_HOME", str(written.home))
    monkeypatch.setenv("PREFECT_API_URL", prefect_url)
    monkeypatch.setattr("tasks.wait.GRACE", timedelta(0))
    with temporary_settings({PREFECT_API_URL: prefect_url}):
        for one in deployments(written.url):
            one.apply()
        yield written


def turn(written, **hours):
    return remind(written.url, deployment_name(written.url), **hours)


def open_forms(written):
    runs = runs_of("decide", deployment_name(written.url))
    return [run.parameters["release"] for run in runs if run.is_open]


def told(written):
    return sorted(run.parameters["told"] for run in runs_of("tell", deployment_name(written.url)))


def test_each_release_that_waits_is_asked_about_once_and_told_of_once(account):
    account.begin("houses-1")
    account.begin("houses-2")
    assert len(turn(account)) == 4
    assert turn(account) == []
    assert sorted(open_forms(account)) == ["houses-1", "houses-2"]
    assert told(account) == ["due", "due"]


def test_the_same_release_in_another_store_has_a_form_of_its_own(account, tmp_path):
    account.begin("houses-1")
    turn(account)
    other = Waiting(tmp_path / "other")
    other.begin("houses-1")
    with pytest.MonkeyPatch.context() as there:
        there.setenv("SEATRIAL_HOME", str(other.home))
        for one in deployments(other.url):
            one.apply()
        turn(other)
    assert open_forms(other) == ["houses-1"]


def test_a_new_empty_prefect_database_is_asked_anew(account):
    """All that is known is in the ledger: what Prefect forgets is started again."""
    account.begin("houses-1")
    turn(account)
    name = deployment_name(account.url)
    with get_client(sync_client=True) as client:
        for flow in ("decide", "tell"):
            found = client.read_deployment_by_name(f"{flow}/{name}")
            client.delete_deployment(found.id)
            for run in runs_of(flow, name):
                client.delete_flow_run(run.id)
        for run in client.read_flow_runs(deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[name]))):
            client.delete_flow_run(run.id)
    for one in deployments(account.url):
        one.apply()
    assert any(line.startswith("ask houses-1") for line in turn(account))


def test_hours_later_people_are_reminded_and_others_are_told(account):
    account.begin("houses-1")
    turn(account, remind_hours=1e-9, escalate_hours=1e-9)
    assert told(account) == ["due", "escalation", "reminder"]


def test_a_decision_made_another_way_ends_what_was_begun_to_ask(account):
    account.begin("houses-1")
    turn(account)
    people.say(account.ledger, account.model, "houses-1", "vera")
    assert "waits no more" in tell(account.url, "houses-1", "reminder", "words")


def test_a_retraining_whose_process_never_began_is_asked_for_once_more(account, tmp_path, monkeypatch):
    """As a worker leaves it that is killed in the seconds in which a run begins."""
    monkeypatch.setattr("tasks.wait.UNBORN", timedelta(0))
    account.serving("houses-1")
    (tmp_path / "release.yaml").write_text(SPEC.replace("name: loan", "name: houses"))
    for one in deployments(account.url, specs=[tmp_path / "release.yaml"]):
        one.apply()
    name = f"houses in {deployment_name(account.url)}"
    asked = {"cause": "alarm inputs: moved", "since": "2026-01-01T00:00:00+00:00"}
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(f"retrain/{name}").id
        lost = client.create_flow_run_from_deployment(deployment, parameters=asked).id
        client.set_flow_run_state(lost, Pending(), force=True)
    assert [line.partition(" houses-1")[0] for line in turn(account)][-2:] == ["give up", "train anew"]
    EventsWorker.drain_all(10)
    [again] = until(lambda: [run for run in runs_of("retrain", name) if run.id != str(lost)])
    assert {key: again.parameters[key] for key in asked} == asked
    assert not [line for line in turn(account) if "train anew" in line]


def is_paused(name):
    """Whether nothing is started by the clock meanwhile."""
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(f"remind/{name}")
    return found.paused


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def webhook():
    """Somebody's chat: a local server, and a notification block that leads there."""
    server = HTTPServer(("127.0.0.1", 0), Hook)
    server.heard = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def test_a_notification_block_tells_people(account, webhook):
    account.begin("houses-1")
    url = f"http://127.0.0.1:{webhook.server_port}/"
    block = CustomWebhookNotificationBlock(
        name="ops", url=url, json_data={"text": "{{subject}}: {{body}}"}, allow_private_urls=True
    )
    block.save("ops", overwrite=True)
    tell(account.url, "houses-1", "due", "houses-1 waits for a decision", "custom-webhook/ops")
    [heard] = webhook.heard
    assert heard["text"].startswith("Seatrial: due: houses-1 waits for a decision. Model houses")


def test_a_report_of_misbehaviour_is_told_once(account):
    account.begin("houses-1")
    people.say(account.ledger, account.model, "houses-1", "vera")
    account.ledger.decide_and_append(lambda _: ("promoted", account.model, {"release": "houses-1"}))
    told = {"words": "odd prices", "by": "ann"}
    account.ledger.decide_and_append(lambda _: ("misbehaviour reported", account.model, told))
    reported = "tell misbehaviour houses-1: houses: ann reports: odd prices"
    assert [reported in turn(account) for _ in range(2)] == [True, False]


def test_a_form_is_closed_when_the_decision_came_another_way(account, tmp_path):
    """With the flows served: the form opens by itself, and closes by itself."""
    log = tmp_path / "work.log"
    account.begin("houses-1")
    name = deployment_name(account.url)
    with working(account.url, account.home, log, "--every", "3600"):
        turn(account)
        until(lambda: any(run.asks for run in runs_of("decide", name)), log)
        people.say(account.ledger, account.model, "houses-1", "vera")
        assert [line.split(":")[0] for line in turn(account)] == ["close houses-1", "roll out houses-1"]
    assert open_forms(account) == []
    assert is_paused(name)
    for one in deployments(account.url):
        one.apply()
    assert not is_paused(name)
    assert "Ended. What waits is in the ledger" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_a_service_managers_way_to_end_it_is_as_good_as_ctrl_c(account, tmp_path):
    """Also where Ctrl-C was switched off, as it is for a script's background jobs."""
    log = tmp_path / "work.log"
    deaf = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with working(account.url, account.home, log, "--every", "3600", end=signal.SIGTERM):
            pass
    finally:
        signal.signal(signal.SIGINT, deaf)
    assert "Ended. What waits is in the ledger" in log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:9/api"])
def test_without_a_server_nothing_is_served_and_a_sentence_says_so(tmp_path, url):
    written = Waiting(tmp_path)
    environment = {**os.environ, "SEATRIAL_HOME": str(written.home), "PREFECT_HOME": str(tmp_path / "prefect")}
    environment.pop("PREFECT_API_URL", None)
    if url:
        environment["PREFECT_API_URL"] = url
    done = subprocess.run(
        [SEATRIAL, "work", "--store", written.url], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 2
    assert "expected" in done.stderr
    assert "prefect server start" in done.stderr
    assert "Traceback" not in done.stderr
