"""Deciding in the Prefect UI: a real server, real flows in processes of their own, a real browser; and attacks."""

import contextlib
import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.flow_runs import resume_flow_run
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Scheduled
from prefect_ui import answer, browser_page, need_chromium, open_form
from waiting import Waiting, until, working

from flows import events
from flows.deployments import deployment_name
from infra.prefect_runs import close, runs_of

pytestmark = pytest.mark.xdist_group("prefect")
SECONDS = 180
RELEASES = ["houses-2", "houses-3", "houses-4", "houses-5"]


class Desk:
    """A store with releases that wait, the flows that are served for it, and the Prefect server."""

    def __init__(self, written, url, log):
        self.written, self.url, self.log = written, url, log
        self.name = deployment_name(written.url)

    def runs(self, release):
        return [run for run in runs_of("decide", self.name) if run.parameters.get("release") == release]

    def form(self, release, after=()):
        """The run whose form is open; another form of it than those that were answered."""
        return until(
            lambda: next((r.id for r in self.runs(release) if r.asks and r.since not in after), None),
            self.log,
            seconds=SECONDS,
        )

    def since(self, run):
        return next(one.since for one in runs_of("decide", self.name) if one.id == run)

    def page(self, run):
        """What stands above the form."""
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(run).state
            return client.read_flow_run_input(run, state.state_details.run_input_keyset["description"])

    def post(self, run, release="houses-4", **answer):
        """An answer through the API."""
        told = {"decision": "approve", "dossier": self.written.release(release).dossier_digest, **answer}
        before = self.since(run)
        resume_flow_run(run, run_input=told)
        return before

    def asked_again(self, release, before):
        """The reason that is given."""
        return self.page(self.form(release, after=[before]))


@pytest.fixture(scope="module")
def desk(prefect_url, tmp_path_factory):
    folder = tmp_path_factory.mktemp("desk")
    written = Waiting(folder)
    written.serving("houses-1")
    for name in RELEASES:
        written.begin(name)
    log = folder / "work.log"
    account = {"SEATRIAL_HOME": str(written.home), "PREFECT_API_URL": prefect_url}
    with pytest.MonkeyPatch.context() as environment, temporary_settings({PREFECT_API_URL: prefect_url}):
        for name, value in account.items():
            environment.setenv(name, value)
        # On a busy machine Prefect may end a run before its form is saved: `remind` then opens another.
        with working(written.url, written.home, log, "--every", "20"):
            for name in RELEASES:
                events.tell_waiting(written.url, written.release(name))
            yield Desk(written, prefect_url, log)


def wrong_for(app):
    """Six digits that are no code for the next minutes."""
    now = datetime.now(UTC)
    near = {app.at(now + timedelta(seconds=30 * step)) for step in range(-2, 12)}
    return next(code for code in ("000000", "111111", "222222") if code not in near)


def test_a_person_reads_the_verdict_errs_is_asked_again_and_approves(desk, tmp_path):
    need_chromium()
    run, vera = desk.form("houses-2"), desk.written.apps["vera"]
    with browser_page() as page:
        dialog = open_form(page, desk.url, run)
        # The question is drawn after the fields.
        dialog.get_by_text("May houses-2 go to production?").first.wait_for()
        text = dialog.inner_text()
        assert "rmse of houses-1, which serves" in text
        assert desk.written.release("houses-2").dossier_digest in text
        before = desk.since(run)
        answer(page, desk.url, run, "approve", "vera", lambda: wrong_for(vera))
        reason = desk.asked_again("houses-2", before)
        assert "4 tries left" in reason
        assert "Asked again" in open_form(page, desk.url, run).inner_text()
        picture = os.environ.get("SEATRIAL_SCREENSHOT") or tmp_path / "approval.png"
        answer(page, desk.url, run, "approve", "vera", vera.now, "read it all", picture)
        until(lambda: desk.written.release("houses-2").status == "approved", desk.log, seconds=SECONDS)
    assert desk.written.ledger.read()[-1].body["comment"] == "read it all"
    # The approval starts the rollout of this release, and of no other.
    started = until(lambda: runs_of("rollout", desk.name), desk.log, seconds=SECONDS)
    assert [one.parameters["release"] for one in started] == ["houses-2"]


def test_another_release_is_rejected(desk):
    need_chromium()
    run, rita = desk.form("houses-3"), desk.written.apps["rita"]
    with browser_page() as page:
        answer(page, desk.url, run, "reject", "rita", rita.now, "too dear")
        until(lambda: desk.written.release("houses-3").status == "rejected", desk.log, seconds=SECONDS)
    assert desk.written.release("houses-3").rejected_by == "rita"


def test_no_way_around_the_form_decides_anything(desk):
    """Through the API: no answer, another's name, a code that was used, a state that was forced."""
    run, decided = desk.form("houses-4"), desk.written.kinds().count("decided")
    with pytest.raises(RuntimeError, match="Cannot resume"):
        resume_flow_run(run, run_input={})
    assert desk.form("houses-4") == run
    before = desk.post(run, name="rita", one_time_code=desk.written.apps["dev"].now())
    assert "not rita's" in desk.asked_again("houses-4", before)
    before = desk.post(run, name="dev", one_time_code=desk.written.apps["dev"].now())
    assert "developed houses-4 and cannot approve it" in desk.asked_again("houses-4", before)
    before = desk.since(run)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Scheduled(name="Resuming"), force=True)
    assert "without an answer" in desk.asked_again("houses-4", before)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Completed(), force=True)
    assert desk.written.release("houses-4").status == "waiting"
    assert desk.written.kinds().count("decided") == decided


def test_a_code_that_was_read_in_prefects_database_serves_no_other_release(desk):
    """Whoever can read the server sees every code that was ever typed."""
    run = desk.form("houses-5")
    with get_client(sync_client=True) as client:
        seen = [
            found.decoded_value["one_time_code"]
            for name in RELEASES[:2]
            for one in desk.runs(name)
            for found in client.filter_flow_run_input(one.id, "suspended-ask-", 50, set())
            if found.key.endswith("-response")
        ]
        if not seen:
            pytest.skip("nobody could type a code: there is no Chromium")
        # Not by the form: put where the answer belongs, and the run moved on by force.
        answer = {"decision": "approve", "name": "vera", "one_time_code": seen[-1], "dossier": "x"}
        client.create_flow_run_input(run, "suspended-ask-1-response", json.dumps(answer))
        before = desk.since(run)
        client.set_flow_run_state(run, Scheduled(name="Resuming"), force=True)
    reason = desk.asked_again("houses-5", before)
    assert "used before" in reason or "not vera's" in reason
    assert desk.written.release("houses-5").status == "waiting"
    assert not any(code in desk.log.read_text() for code in seen)


def test_the_ledger_is_sound_afterwards_and_work_ends_at_once(desk):
    with contextlib.suppress(PrefectHTTPStatusError):
        close(desk.form("houses-5"), "the tests end")
    assert desk.written.ledger.problems() == []
