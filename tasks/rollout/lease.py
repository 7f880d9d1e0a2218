"""One rollout of a model at a time: a lock among this account's processes, a lease in the ledger among all others."""

import socket
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from expectations.errors import CannotAsk
from expectations.history import State
from expectations.records import digest_of
from expectations.state import Rollout
from infra.ledger import Ledger
from infra.processes import lock
from tasks.rollout.plan import Plan
from tasks.traffic import Said


class Taken(CannotAsk):
    """Another process does it already."""


def holder(home: Path) -> str:
    """This account on this machine: whoever resumes a killed rollout here goes on with its lease."""
    return f"{socket.gethostname()}/{digest_of(str(home.resolve()).encode())[7:15]}"


def only_one(home: Path, store_url: str, model: str, what: str = "rollout") -> AbstractContextManager[None]:
    """Holds the lock of a model's rollout; the system lets go of it when the process ends, however it ends.

    Raises Taken where another process of this account has it, and names that process.
    """
    path = home / f"{what}s" / f"{digest_of({'store': store_url, 'model': model})[7:23]}.lock"

    def taken(process: str) -> Taken:
        held = f"process {process or '(starting)'} of this account has its {what} under way"
        return Taken(f"{model}: {held}. `seatrial status {model}` tells how far it is.")

    return lock.only_one(path, taken)


class Lease:
    """Everything that a rollout writes into the ledger. Raises Refused where another holds it, or ended it."""

    def __init__(self, ledger: Ledger, plan: Plan, holder: str) -> None:
        self._ledger, self._plan, self._holder = ledger, plan, holder
        self._length = timedelta(minutes=plan.spec.rollout.lease_minutes)

    def begin(self, salt: str) -> None:
        """Starts the rollout, unless it was started before."""

        def say(state: State) -> Said | None:
            going = state.running(self._model)
            if going and going.release == self._plan.release.id:
                return None
            return "rollout started", self._model, {**self._leased(), "salt": salt, "stages": self._plan.stages_json()}

        self._ledger.decide_and_append(say)

    def move(self, stage: int, why: str, evidence: str | None) -> None:
        """Enters a stage, or renews the lease of the present one."""
        self._say("traffic set", {**self._leased(), "stage": stage, "why": why, "evidence": evidence})

    def withdraw(self, why: str) -> None:
        """Back to before the first stage."""
        self._say("traffic withdrawn", {"release": self._plan.release.id, "holder": self._holder, "why": why})

    def promote(self, why: str, evidence: str | None) -> None:
        """The challenger is champion."""
        self._say("promoted", {"release": self._plan.release.id, "why": why, "evidence": evidence})

    def roll_back(self, why: str, evidence: str | None) -> None:
        """The champion stays."""
        body = {"release": self._plan.release.id, "by": f"rollout on {self._holder}", "why": why, "evidence": evidence}
        self._say("rolled back", body)

    def now(self) -> Rollout:
        """The rollout as the ledger has it. Raises CannotAsk where it is another's by now."""
        found = self._ledger.state().rollouts.get(self._model)
        if found is None or found.release != self._plan.release.id:
            raise CannotAsk(f"{self._plan.release.id}: its rollout is no longer the last one of {self._model}.")
        return found

    def is_due(self, rollout: Rollout, now: datetime) -> bool:
        """Whether a third of the lease is gone."""
        return datetime.fromisoformat(rollout.lease_until) - now < self._length * 2 / 3

    @property
    def _model(self) -> str:
        return self._plan.spec.model.name

    def _leased(self) -> dict[str, Any]:
        until = (datetime.now(UTC) + self._length).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"release": self._plan.release.id, "holder": self._holder, "lease_until": until}

    def _say(self, kind: str, body: dict[str, Any]) -> None:
        """Nothing where somebody ended it since it was looked at: the next look finds that, and why."""

        def say(state: State) -> Said | None:
            last = state.rollouts.get(self._model)
            ended = last and last.release == self._plan.release.id and last.status != "running"
            return None if ended else (kind, self._model, body)

        self._ledger.decide_and_append(say)
