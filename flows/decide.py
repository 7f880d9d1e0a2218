"""The flow that only asks: a form in the Prefect UI, whose answer is verified here and recorded in the ledger.

It is started by a release that waits and suspends, so that no process waits. Prefect starts it from the top at each
answer and gives the former ones again: the ledger and the remembered verdicts make that harmless. Whatever is done to
the run, its state or its stored answers, only a verified answer changes the ledger.
"""

from datetime import UTC, datetime

from prefect import flow, suspend_flow_run
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import ValidationError

from expectations.errors import CannotAsk
from expectations.history import Release
from flows import events
from infra.keys import home
from infra.ledger import Ledger, now
from infra.prefect_runs import answered_at
from infra.store import open_store
from tasks.ask import Answer, form, question, question_id, waits
from tasks.hear import hear
from tasks.job import open_ledger

RESPONSE = "suspended-ask-{}-response"
NO_ANSWER = "the run went on without an answer that the form allows. That decides nothing."


@flow(name="decide", flow_run_name="{release}", validate_parameters=False)
def decide(store: str, model: str, release: str, hours: float = 168.0) -> State:
    """Asks until the release no longer waits; a form is open for `hours`, then `remind` opens another."""
    ledger = open_ledger(store)
    reason, at = "", 0
    while True:
        state = ledger.state()
        mine = state.releases.get(release)
        if mine is None or mine.model != model:
            raise CannotAsk(f"{release}: no such release of {model} in {store}.")
        if not waits(state, mine, now()):
            return _ended(store, mine)
        at += 1
        text = question(open_store(store), state, mine, reason, now())
        reason = _heard(ledger, mine, at, _ask(at, mine, text, hours))
        get_run_logger().info(reason)


def _ask(at: int, release: Release, text: str, hours: float) -> Answer | None:
    """The answer to the form with this number; the process ends here until there is one."""
    if answered_at(str(flow_run.id), RESPONSE.format(at)) is None:
        # The form shows few lines at a time; the same page is an artifact of the run.
        create_markdown_artifact(text, key="question", description=f"What is decided on {release.id}")
    try:
        return suspend_flow_run(wait_for_input=form(release, text), key=f"ask-{at}", timeout=int(hours * 3600))
    except ValidationError:
        # Its words would repeat what was typed, code and all.
        return None


def _heard(ledger: Ledger, release: Release, at: int, answer: Answer | None) -> str:
    """What is said of an answer."""
    run = str(flow_run.id)
    came = answered_at(run, RESPONSE.format(at))
    if answer is None or came is None:
        return NO_ANSWER
    return hear(ledger, home(), release, answer, came, question_id(run, at, answer), datetime.now(UTC)).words


def _ended(store: str, release: Release) -> State:
    """The release waits no more: here, or another way, it was decided."""
    event = {"approved": events.APPROVED, "rejected": events.REJECTED}.get(release.status)
    if event:
        events.tell(event, store, release)
    words = f"{release.id} is {release.status}: nothing is asked any more."
    return Completed(name=release.status.capitalize(), message=words)
