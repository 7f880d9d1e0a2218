"""The flow that tells people that a decision is due: a Prefect event, and a notification block where one is named.

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

EVENTS = {"due": events.DUE, "reminder": events.REMINDER, "escalation": events.ESCALATED}


@flow(name="tell", flow_run_name="{told}: {release}", validate_parameters=False, retries=3, retry_delay_seconds=60)
def tell(store: str, release: str, told: str, words: str, notify: str | None = None) -> str:
    """Tells once, unless the release waits no more. Returns what was said. Raises where the block cannot be reached."""
    state = open_ledger(store).state()
    found = state.releases.get(release)
    if found is None or not waits(state, found, now()):
        return f"{release} waits no more: nobody was told."
    events.tell(EVENTS[told], store, found, words)
    if notify:
        block = cast(Any, Block.load(notify))
        block.notify(f"{words}. Model {found.model}, store {store}. Decide in the Prefect UI.", f"Seatrial: {told}")
    get_run_logger().info(words)
    return words
