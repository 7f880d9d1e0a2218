"""Records what a person decided, and the promotion of a first model when enough people said yes.

A decision is signed by the person's own key, or attested by the pipeline's after a one-time code. An account that
does not hold the ledger's key hands a signed one in; whoever holds it takes it into the ledger.
"""

import json
from collections.abc import Callable
from typing import Any

from securesystemslib.signer import Signer

from expectations.approvals import body_of, decision, missing
from expectations.errors import CannotAsk
from expectations.history import Release, State, refusal
from expectations.records import canonical_json, digest_of
from infra.ledger import Ledger, Refused, now
from infra.store import Missing

INBOX = "inbox/decisions/"
Body = dict[str, Any]


def waiting(state: State, model: str, release: str | None) -> Release:
    """The release that waits. Raises CannotAsk where none does, or several and none was named."""
    mine = [r for r in state.releases.values() if r.model == model and release in (None, r.id)]
    # One that is approved can still be stopped, and approved again when its approvals have expired.
    found = [r for r in mine if r.status == "waiting"] or [r for r in mine if r.status == "approved"]
    if not found:
        known = sorted({r.model for r in state.releases.values()}) or ["none"]
        raise CannotAsk(
            f"{release or model}: no release waits for a decision. Models in this store: {', '.join(known)}."
        )
    if len(found) > 1:
        raise CannotAsk(f"{model}: several releases wait; name one with --release: {', '.join(r.id for r in found)}.")
    return found[0]


def sign(
    ledger: Ledger, model: str, release: str | None, person: str, said: str, comment: str, signer: Signer
) -> Release:
    """Appends a decision signed by the person's own key on the digests of the release that waits.

    Promotes it if that was the last yes needed and nothing serves yet: else traffic moves to it by a rollout.
    """
    chosen = waiting(ledger.state(), model, release).id
    return _append(ledger, model, chosen, lambda one: decision(one, person, said, comment, now(), signer))


def attest(ledger: Ledger, model: str, release: str, person: str, said: str, comment: str, code_step: int) -> Release:
    """Appends a decision attested by the pipeline's key: the person gave the one-time code of this time step."""
    signer = ledger.signer()
    return _append(ledger, model, release, lambda one: decision(one, person, said, comment, now(), signer, code_step))


def _append(ledger: Ledger, model: str, chosen: str, body: Callable[[Release], Body]) -> Release:
    ledger.decide_and_append(lambda state: ("decided", model, body(state.releases[chosen])))
    return _promote_first(ledger, model, chosen)


def _promote_first(ledger: Ledger, model: str, chosen: str) -> Release:
    def promote(state: State) -> tuple[str, str, Body] | None:
        first = state.releases[chosen].status == "approved" and model not in state.models
        return ("promoted", model, {"release": chosen}) if first else None

    ledger.decide_and_append(promote)
    return ledger.state().releases[chosen]


def lacking(ledger: Ledger, one: Release) -> str | None:
    """What a waiting release still needs, in words."""
    return missing(ledger.state(), one, now()) if one.status == "waiting" else None


def hand_in(
    ledger: Ledger, model: str, release: str | None, person: str, said: str, comment: str, signer: Signer
) -> Release:
    """Puts a signed decision beside the ledger, for the account that holds its key. Raises Refused as `sign` does."""
    state = ledger.state()
    chosen = waiting(state, model, release)
    body = decision(chosen, person, said, comment, now(), signer)
    if reason := refusal(state, "decided", model, body, now()):
        raise Refused(reason)
    data = canonical_json(body["envelope"])
    ledger.store.put_if_absent(f"{INBOX}{chosen.id}/{digest_of(data)[7:]}.json", data)
    return chosen


def take_in(ledger: Ledger) -> list[tuple[Release, str]]:
    """Appends the decisions that were handed in on releases that wait; each with why it does not count, or "".

    What others wrote there is believed no more than any other decision.
    """
    state, done = ledger.state(), []
    for one in [one for one in state.releases.values() if one.status in ("waiting", "approved")]:
        for key in ledger.store.keys(f"{INBOX}{one.id}/"):
            done.append((one, _taken(ledger, one, key)))
    return done


def _taken(ledger: Ledger, one: Release, key: str) -> str:
    try:
        body = body_of(json.loads(ledger.store.get(key)))
    except (ValueError, Missing):
        return f"{key}: expected a signed decision, found something else."

    def say(state: State) -> tuple[str, str, Body] | None:
        reason = refusal(state, "decided", one.model, body, now())
        if reason is not None:
            raise Refused(reason)
        return "decided", one.model, body

    try:
        ledger.decide_and_append(say)
    except Refused as refused:
        return str(refused)
    ledger.store.remove(key)
    _promote_first(ledger, one.model, one.id)
    return ""
