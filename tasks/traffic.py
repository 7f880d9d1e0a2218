"""Records what people and rollouts decide about traffic: promotions, rollbacks, modes, go-aheads."""

from typing import Any

from expectations.errors import CannotAsk
from expectations.history import Record, Release, State
from expectations.state import Rollout
from expectations.traffic import Route, route
from infra.ledger import Ledger

Said = tuple[str, str, dict[str, Any]]


def serving(state: State, model: str) -> Route:
    """Who answers for a model now. Raises CannotAsk where nobody does."""
    found = route(state, model)
    if found is None:
        known = ", ".join(sorted(state.models)) or "none"
        raise CannotAsk(f"{model}: nothing serves. Models that are served from this store: {known}.")
    return found


def running(state: State, model: str) -> Rollout:
    """The model's rollout. Raises CannotAsk where none is running."""
    found = state.running(model)
    if found is None:
        raise CannotAsk(f"{model}: no rollout is running. `seatrial status {model}` tells what serves.")
    return found


def approved(state: State, model: str, release: str | None) -> Release:
    """The release that was approved and waits for traffic. Raises CannotAsk where none does, or several."""
    mine = [item for item in state.releases.values() if item.model == model]
    found = [item for item in mine if item.status == "approved" and release in (None, item.id)]
    if not found:
        stands = ", ".join(f"{item.id} ({item.status})" for item in mine[-3:]) or "no release"
        raise CannotAsk(f"{release or model}: nothing is approved and waits for traffic; there is {stands}.")
    if len(found) > 1:
        raise CannotAsk(f"{model}: several are approved; name one with --release: {', '.join(i.id for i in found)}.")
    return found[0]


def promote(ledger: Ledger, model: str, release: str | None, person: str, why: str) -> Release:
    """Makes an approved release champion without a rollout; why there was none is kept."""
    chosen = approved(ledger.state(), model, release).id
    return _say(ledger, chosen, ("promoted", model, {"release": chosen, "without_rollout": why, "by": person}))


def roll_back(ledger: Ledger, model: str, by: str, why: str, evidence: str | None = None) -> Release:
    """Takes back the rollout that runs, else the last promotion."""
    state = ledger.state()
    rollout = state.running(model)
    chosen = rollout.release if rollout else serving(state, model).champion
    return _say(ledger, chosen, ("rolled back", model, {"release": chosen, "by": by, "why": why, "evidence": evidence}))


def set_mode(ledger: Ledger, model: str, mode: str, fallback: str | None, by: str, why: str) -> Route:
    """How the model is served from now on. A fallback that was named before stays unless another is named."""

    def say(state: State) -> Said:
        kept = fallback or serving(state, model).fallback
        return "mode set", model, {"mode": mode, "fallback": kept, "by": by, "why": why}

    ledger.decide_and_append(say)
    return serving(ledger.state(), model)


def give_go_ahead(ledger: Ledger, model: str, person: str, why: str) -> tuple[Rollout, int]:
    """A person's go-ahead for the next stage that waits for one. Returns the rollout and that stage."""

    def say(state: State) -> Said:
        rollout = running(state, model)
        at = _waiting_stage(rollout)
        return "go ahead given", model, {"release": rollout.release, "stage": at, "person": person, "why": why}

    record = ledger.decide_and_append(say)
    return running(ledger.state(), model), _stage_of(record)


def _waiting_stage(rollout: Rollout) -> int:
    ahead = range(rollout.stage + 1, len(rollout.stages))
    for at in ahead:
        if rollout.stages[at].go_ahead and at not in rollout.go_aheads:
            return at
    raise CannotAsk(f"{rollout.release}: no stage ahead waits for a go-ahead.")


def _stage_of(record: Record | None) -> int:
    return int(record.body["stage"]) if record else -1


def _say(ledger: Ledger, release: str, said: Said) -> Release:
    ledger.decide_and_append(lambda _state: said)
    return ledger.state().releases[release]
