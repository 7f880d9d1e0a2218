"""Records what a person decided, and the promotion of a first model when enough people said yes."""

from typing import Any

from expectations.errors import CannotAsk
from expectations.history import Release, State
from infra.ledger import Ledger


def waiting(state: State, model: str, release: str | None) -> Release:
    """The release that waits. Raises CannotAsk where none does, or several and none was named."""
    found = [
        r for r in state.releases.values() if r.model == model and r.status == "waiting" and release in (None, r.id)
    ]
    if not found:
        known = sorted({r.model for r in state.releases.values()}) or ["none"]
        raise CannotAsk(
            f"{release or model}: no release waits for a decision. Models in this store: {', '.join(known)}."
        )
    if len(found) > 1:
        raise CannotAsk(f"{model}: several releases wait; name one with --release: {', '.join(r.id for r in found)}.")
    return found[0]


def decide(ledger: Ledger, model: str, release: str | None, person: str, decision: str, comment: str) -> Release:
    """Appends the decision on the waiting release's dossier digest; promotes it if that was the last yes
    needed and nothing serves yet: else traffic moves to it by a rollout."""
    chosen = waiting(ledger.state(), model, release).id

    def say(state: State) -> tuple[str, str, dict[str, Any]]:
        digest = state.releases[chosen].dossier_digest
        body = {"release": chosen, "person": person, "decision": decision, "dossier_digest": digest, "comment": comment}
        return "decided", model, body

    def promote(state: State) -> tuple[str, str, dict[str, Any]] | None:
        first = state.releases[chosen].status == "approved" and model not in state.models
        return ("promoted", model, {"release": chosen}) if first else None

    ledger.decide_and_append(say)
    ledger.decide_and_append(promote)
    return ledger.state().releases[chosen]
