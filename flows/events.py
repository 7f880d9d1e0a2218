"""What is told to Prefect, for whoever waits and for what starts by it. Best effort: the ledger is the truth, and
`remind` tells again what was lost.
"""

import logging

from prefect.events import emit_event
from prefect.settings import get_current_settings

from expectations.history import Release
from infra.keys import place_name

WAITING = "seatrial.release.waiting"
APPROVED = "seatrial.release.approved"
REJECTED = "seatrial.release.rejected"
DUE = "seatrial.approval.due"
REMINDER = "seatrial.approval.reminder"
ESCALATED = "seatrial.approval.escalated"
MISBEHAVIOUR = "seatrial.misbehaviour.reported"
ALARM = "seatrial.alarm.raised"
ALARM_ENDED = "seatrial.alarm.ended"
RETRAINING_WANTED = "seatrial.retraining.wanted"
RETRAINING_REFUSED = "seatrial.retraining.refused"
RETRAINING_ENDED = "seatrial.retraining.ended"

PROGRESS = logging.getLogger("seatrial.progress")


def tell_waiting(store: str, release: Release) -> None:
    """Emits that a release waits for a decision, if it does."""
    if release.status == "waiting":
        tell(WAITING, store, release)


def tell(event: str, store: str, release: Release, words: str = "") -> None:
    """Emits an event about a release of a store; where there is no Prefect server it does nothing, and never raises."""
    if get_current_settings().api.url is None:
        return
    resource = {
        "prefect.resource.id": f"seatrial.release.{release.id}",
        "prefect.resource.name": release.id,
        "seatrial.store": place_name(store),
        "seatrial.model": release.model,
    }
    payload = {"model": release.model, "release": release.id, "status": release.status, "words": words}
    try:
        emit_event(event, resource, payload=payload)
    except Exception as error:  # noqa: BLE001  Whatever it is, no release fails for it.
        PROGRESS.info("%-11s %s", "event", f"{event} was not told: {type(error).__name__}")
