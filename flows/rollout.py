"""The rollout flow: traffic moves to an approved release stage by stage, or comes back to what served.

It starts from the ledger, and a killed one is resumed from it: the same command again goes on where it stood.
"""

import logging
import time
from typing import Any, cast
from uuid import UUID

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact

from expectations.errors import Away
from infra.rollout_page import stage_words
from tasks.again import AGAIN
from tasks.rollout.drive import Drive, open_drive, utc_now
from tasks.rollout.moves import Act, Move

PROGRESS = logging.getLogger("seatrial.progress")


@flow(name="rollout", validate_parameters=False)
def rollout(store: str, model: str, release: str | None = None, every_s: float = 10.0) -> dict[str, Any]:
    """Runs, or resumes, the rollout of the approved release. Returns its end: release, status, why, timeline, page."""
    with open_drive(store, model, release) as drive:
        while drive.stage is not None:
            watch_stage.with_options(task_run_name=_name(drive))(drive, every_s)
        told = end(drive)
        create_markdown_artifact(_timeline(told), key="rollout", description=f"Rollout of {drive.release}")
        return told


@task(name="watch")
def watch_stage(drive: Drive, every_s: float) -> None:
    """Looks, judges and renews the lease until this stage is over, whichever way."""
    stage = drive.stage
    shown = cast(UUID, create_progress_artifact(progress=drive.progress, description=_name(drive)))
    while stage is not None and drive.stage == stage:
        move = _look(drive)
        PROGRESS.info("%-11s %s", _name(drive), move.words)
        update_progress_artifact(shown, progress=drive.progress, description=f"{_name(drive)}: {move.words}"[:500])
        if drive.stage == stage:
            time.sleep(every_s)


def _look(drive: Drive) -> Move:
    """While the store is away nothing can be decided; gateways go back to the champion when the lease has run out."""
    try:
        return drive.look(utc_now())
    except Away as away:
        return Move(Act.HOLD, f"the store is away, the lease runs until {drive.rollout.lease_until}: {away}"[:300])


@task(name="end", **AGAIN)
def end(drive: Drive) -> dict[str, Any]:
    """How it ended, kept as a page."""
    return drive.told()


def _name(drive: Drive) -> str:
    stage = drive.rollout.stage
    return stage_words(drive.rollout.stages[stage]) if stage >= 0 else "no traffic"


def _timeline(told: dict[str, Any]) -> str:
    rows = [f"| {line['time'][:19]} | {line['stage'] + 1} | {line['why']} |" for line in told["timeline"]]
    return "\n".join([f"**{told['status']}**: {told['why']}", "", "| time | stage | why |", "|---|---|---|", *rows])
