"""What is told to Prefect, for whoever waits and for what starts by it. Best effort: the ledger is the truth, and
`remind` tells again what was lost.

Each payload is a CloudEvent (1.0, JSON format) with a few words more; docs/retraining.md says what it holds.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from prefect.events import emit_event
from prefect.settings import get_current_settings

from expectations.history import Release
from expectations.state import Alarm
from infra.keys import place_name
from infra.ledger import now

WAITING = "seatrial.release.waiting"
APPROVED = "seatrial.release.approved"
REJECTED = "seatrial.release.rejected"
DUE = "seatrial.approval.due"
REMINDER = "seatrial.approval.reminder"
ESCALATED = "seatrial.approval.escalated"
MISBEHAVIOUR = "seatrial.misbehaviour.reported"
ALARM = "seatrial.alarm.raised"
ALARM_ENDED = "seatrial.alarm.ended"
MODE_SET = "seatrial.mode.set"
PERSON_WANTED = "seatrial.person.wanted"
RETRAINING_WANTED = "seatrial.retraining.wanted"
RETRAINING_REFUSED = "seatrial.retraining.refused"
RETRAINING_ENDED = "seatrial.retraining.ended"
AUDIT_FAILED = "seatrial.audit.failed"

# Without a cool-down an alarm asks each minute, and no oftener.
LEAST_HOURS = 1 / 60

PROGRESS = logging.getLogger("seatrial.progress")


def tell_waiting(store: str, release: Release) -> None:
    """Emits that a release waits for a decision, if it does."""
    if release.status == "waiting":
        tell(WAITING, store, release)


def wanted_turn(alarm: Alarm, cool_down_hours: float, at: datetime) -> str:
    """Names the asking for a model trained anew: one while an alarm is on, and one more each time that a cool-down has
    passed. `at` with its time zone."""
    lasted = at - datetime.fromisoformat(alarm.since)
    return f"{alarm.seq}/{int(lasted / timedelta(hours=max(cool_down_hours, LEAST_HOURS)))}"


def tell_wanted(store: str, release: Release, alarm: Alarm, turn: str) -> bool:
    """Emits that an alarm asks for a model trained anew. Returns whether there was a server to tell."""
    more = {"alarm": alarm.name, "since": alarm.since, "cause": f"alarm {alarm.name}: {alarm.words}"}
    return tell(RETRAINING_WANTED, store, release, alarm.words, turn, **more)


def tell(
    event: str, store: str, release: Release, words: str = "", record: int | str | None = None, **more: str
) -> bool:
    """Emits an event about a release of a store; where there is no Prefect server it does nothing, and never raises.
    Returns whether it was emitted.

    `record`: which of the ledger's it tells of, by number. Told of the same record twice it is the same event, and
    starts nothing twice. Without one it is an event of its own.
    """
    resource = {
        "prefect.resource.id": f"seatrial.release.{release.id}",
        "prefect.resource.name": release.id,
        "seatrial.store": place_name(store),
        "seatrial.model": release.model,
    }
    said = {"model": release.model, "release": release.id, "status": release.status, "words": words, **more}
    return _emit(event, resource, cloud_event(event, place_name(store), said, record))


def tell_audit(store: str, problems: Sequence[str]) -> None:
    """Emits that what a store keeps is not as it was written; never raises."""
    place = place_name(store)
    resource = {"prefect.resource.id": f"seatrial.store.{place}", "seatrial.store": place}
    _emit(AUDIT_FAILED, resource, cloud_event(AUDIT_FAILED, place, {"words": "\n".join(problems)}, None))


def _emit(event: str, resource: dict[str, str], payload: dict[str, Any]) -> bool:
    if get_current_settings().api.url is None:
        return False
    try:
        emit_event(event, resource, payload=payload, id=event_id(payload))
        return True
    except Exception as error:  # noqa: BLE001  Whatever it is, no run fails for it.
        PROGRESS.info("%-11s %s", "event", f"{event} was not told: {type(error).__name__}")
        return False


def cloud_event(event: str, store: str, said: dict[str, str], record: int | str | None) -> dict[str, Any]:
    """The payload: what is said, as `data` and beside it, so that templates of automations find it by short names.

    Source and id together name an event: one id for one record of one store, whenever and however often it is told.
    """
    about = {
        "specversion": "1.0",
        "id": f"{event}/{uuid4() if record is None else record}",
        "source": f"/seatrial/{store}",
        "type": event,
        "subject": "/".join(said[name] for name in ("model", "release") if name in said),
        "time": now(),
        "datacontenttype": "application/json",
    }
    return {**said, **about, "data": said}


def event_id(payload: dict[str, Any]) -> UUID:
    """The same for the same source and id: Prefect knows an event by it, and takes each one once."""
    return uuid5(NAMESPACE_URL, f"{payload['source']}/{payload['id']}")
