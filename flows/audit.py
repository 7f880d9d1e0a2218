"""The flow that proves, once a day, that what is kept is as it was written and can be brought back."""

import logging
from collections.abc import Sequence
from typing import Any, cast

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.blocks.core import Block

from expectations.errors import CannotAsk
from flows import events
from tasks.again import AGAIN
from tasks.auditing import Audited, measure_audit

PROGRESS = logging.getLogger("seatrial.progress")


@flow(name="audit", validate_parameters=False)
def audit(store: str, notify: str | None = None) -> list[str]:
    """Returns what was found sound, in words. Raises CannotAsk with every problem, after people were told of them."""
    try:
        found = look(store)
    except Exception as error:
        tell(store, [f"{store}: it could not be audited: {type(error).__name__}: {error}"[:1000]], notify)
        raise
    for line in (*found.sound, *found.problems):
        PROGRESS.info("%-11s %s", "audit", line)
    create_markdown_artifact(_page(found), key="audit", description=f"Audit of {store}")
    if found.problems:
        tell(store, found.problems, notify)
        raise CannotAsk.all_of(found.problems)
    return list(found.sound)


@task(name="look", **AGAIN)
def look(store: str) -> Audited:
    """Everything that is kept, and a restore of what serves."""
    return measure_audit(store)


def tell(store: str, problems: Sequence[str], notify: str | None) -> None:
    """An event, and a message where a notification block is named. A block that is away keeps no audit from failing."""
    events.tell_audit(store, problems)
    if notify:
        try:
            cast(Any, Block.load(notify)).notify("\n".join(problems), f"Seatrial: the audit of {store} failed")
        except Exception as error:  # noqa: BLE001  Whatever it is, what the audit found is told first.
            PROGRESS.info("%-11s %s", "audit", f"{notify} was not told: {type(error).__name__}")


def _page(found: Audited) -> str:
    lines = [*(f"- ✗ {line}" for line in found.problems), *(f"- ✓ {line}" for line in found.sound)]
    return "\n".join(lines) or "Nothing is kept yet."
