"""The flow that tells people of a decision that is due, or of a report of misbehaviour: a Prefect event, and a
notification block where one is named.

A run of its own for each message: Prefect starts it once for its key, and asks again when the other side is away.
"""

from typing import Any, cast

from prefect import flow
from prefect.blocks.core import Block
from prefect.logging import get_run_logger

from flows import events
from infra.ledger import now
from tasks.ask import waits
from tasks.job import open_ledger
from tasks.wait import NEWS, REPORT

EVENTS = {
    "due": events.DUE,
    "reminder": events.REMINDER,
    "escalation": events.ESCALATED,
    REPORT: events.MISBEHAVIOUR,
}


@flow(name="tell", flow_run_name="{told}: {release}", validate_parameters=False, retries=3, retry_delay_seconds=60)
def tell(store: str, release: str, told: str, words: str, notify: str | None = None) -> str:
    """Tells once, unless the release waits no more. Returns what was said. Raises where the block cannot be reached."""
    state = open_ledger(store).state()
    found = state.releases.get(release)
    of_release = told not in (REPORT, *NEWS)
    if found is None or (of_release and not waits(state, found, now())):
        return f"{release} waits no more: nobody was told."
    if told in EVENTS:
        events.tell(EVENTS[told], store, found, words)
    if notify:
        block = cast(Any, Block.load(notify))
        follow = "`seatrial history` tells more." if not of_release else "Decide in the Prefect UI."
        block.notify(f"{words}. Model {found.model}, store {store}. {follow}", f"Seatrial: {told}")
    get_run_logger().info(words)
    return words
