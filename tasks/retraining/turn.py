"""What the ledger is told of a model that is trained anew: that it began, how it ended, or why it did not begin."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from expectations.errors import CannotAsk
from expectations.history import Release, State
from expectations.monitoring_spec import Retraining as Rules
from expectations.retraining import standing_refusal
from expectations.state import Record, Retraining
from expectations.verdicts import Finding, Outcome
from infra.keys import home
from infra.ledger import Ledger
from tasks.job import open_ledger
from tasks.rollout.lease import only_one
from tasks.rollout.plan import approved_spec
from tasks.traffic import Said

MOST_WORDS = 1500


@dataclass(frozen=True)
class Asked:
    """What asks for a model trained anew: the alarm's words, or that it is time. `since`: when the alarm began."""

    store: str
    model: str
    spec: str
    cause: str
    since: str | None = None

    def ledger(self) -> Ledger:
        """The store's ledger. Raises CannotAsk where nothing is there."""
        return open_ledger(self.store)

    def alone(self) -> AbstractContextManager[None]:
        """For as long as it lasts no other process of this account does the same. Raises Taken where one does."""
        return only_one(home(), self.store, self.model, "retraining")

    def serving(self) -> Release:
        """The release that serves. Raises CannotAsk where none does."""
        state = self.ledger().state()
        if self.model not in state.models:
            raise CannotAsk(f"{self.model}: nothing serves, so nothing is trained anew. Release a first one.")
        return state.releases[state.models[self.model]]

    def rules(self) -> Rules:
        """How it is trained anew, as it was approved with what serves."""
        ledger = self.ledger()
        return approved_spec(ledger.store, ledger, self.serving()).monitoring.retrain


def going_on(asked: Asked) -> Retraining | None:
    """The one that was begun and never ended; whoever began it is dead. One for what serves no more is ended."""
    last = asked.ledger().state().retrainings.get(asked.model)
    if last is None or last.status != "begun":
        return None
    if last.release == asked.serving().id:
        return last
    _end(asked, last, {"why": f"{last.release} serves no more, and it was to be better than that."})
    return None


def stands_against(asked: Asked, moment: datetime) -> str | None:
    """Why the ledger says that nothing is trained anew now."""
    state = asked.ledger().state()
    # Of what does not serve nobody has approved any rules.
    return _against(state, asked, asked.rules() if asked.model in state.models else Rules(), moment)


def _against(state: State, asked: Asked, rules: Rules, moment: datetime) -> str | None:
    over = "the alarm that asked for it is over, and none is on. One that comes back asks again."
    stands = standing_refusal(state, asked.model, rules, moment)
    return stands or (over if asked.since and not state.alarms.get(asked.model) else None)


def begin(asked: Asked, moment: datetime) -> Retraining | str:
    """Appends that it began, of data as of now; or why not, where something stands against it by now."""
    rules, against = asked.rules(), ""

    def say(state: State) -> Said | None:
        nonlocal against
        against = _under_way(state, asked.model) or _against(state, asked, rules, moment) or ""
        if against:
            return None
        body = {"release": state.models[asked.model], "cause": asked.cause, "since": asked.since}
        until = datetime.now(UTC) + timedelta(hours=rules.budget_hours)
        return "retraining begun", asked.model, {**body, "until": _written(until), "as_of": as_of(moment)}

    ledger = asked.ledger()
    ledger.decide_and_append(say)
    return against or ledger.state().retrainings[asked.model]


def _under_way(state: State, model: str) -> str | None:
    last = state.retrainings.get(model)
    return f"one is under way since {last.began}." if last and last.status == "begun" else None


def refuse(asked: Asked, why: str, evidence: str | None = None) -> Record | None:
    """Appends why nothing is trained anew; None where the ledger's last word on it is the same."""
    why = why[:MOST_WORDS]

    def say(state: State) -> Said | None:
        last = state.refusals.get(asked.model)
        if asked.model not in state.models or (last and (last.cause, last.why) == (asked.cause, why)):
            return None
        return "retraining refused", asked.model, {"cause": asked.cause, "why": why, "evidence": evidence}

    return asked.ledger().decide_and_append(say)


def end(asked: Asked, begun: Retraining, told: dict[str, Any], findings: Sequence[Finding]) -> Record | None:
    """Appends what came of it. `told`: the release flow's answer, or why there is none as `why`."""
    release = asked.ledger().state().releases.get(str(told.get("release")))
    echo = [f"{one.expected}; found {one.found}" for one in findings if one.step == "echo" and _speaks(one)]
    why = told.get("why") or _why(release, findings)
    return _end(asked, begun, {"candidate": release.id if release else None, "why": why[:MOST_WORDS], "echo": echo})


def give_up(asked: Asked, begun: Retraining, why: str) -> Record | None:
    """Appends that it ended without a candidate."""
    return _end(asked, begun, {"candidate": None, "why": why[:MOST_WORDS], "echo": []})


def _end(asked: Asked, begun: Retraining, body: dict[str, Any]) -> Record | None:
    began = datetime.fromisoformat(begun.since or begun.began)
    seconds = (datetime.now(UTC) - began).total_seconds()
    budget = asked.rules().budget_hours * 3600
    timed = {"seconds": round(seconds, 3), "budget_seconds": budget, "within_budget": seconds <= budget}

    def say(state: State) -> Said | None:
        last = state.retrainings.get(asked.model)
        under_way = last and last.status == "begun" and last.began == begun.began
        return ("retraining ended", asked.model, {"began": begun.began, **body, **timed}) if under_way else None

    return asked.ledger().decide_and_append(say)


def _why(release: Release | None, findings: Sequence[Finding]) -> str:
    if release is not None and release.status == "waiting":
        return f"{release.id} waits for {release.approvals_needed} decision(s)."
    against = [one for one in findings if not one.outcome.lets_through]
    stands = f"{release.id} is {release.status}" if release else "no candidate"
    return f"{stands}: {words_of(against)}" if against else f"{stands}."


def _speaks(finding: Finding) -> bool:
    return finding.outcome not in (Outcome.PASSED, Outcome.NOT_APPLICABLE)


def words_of(findings: Sequence[Finding]) -> str:
    """What is against it, in short; the whole of it is in the dossier."""
    return "; ".join(f"{one.step}: {one.expected}, found {one.found}" for one in findings[:3])


def as_of(moment: datetime) -> str:
    """As a release writes it: UTC without saying so, to the second."""
    return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat()


def _written(moment: datetime) -> str:
    """As the ledger writes times."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
