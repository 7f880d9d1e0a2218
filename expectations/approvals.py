"""Whose yes counts: a decision is a statement on digests, by a person, and it must still stand when traffic moves.

`signed` is by the person's own key; `attested` is by the pipeline's key, after the person gave a one-time code.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from securesystemslib.signer import Signer

from expectations.people import APPROVES, STOPS
from expectations.state import Approval, Body, Person, Record, Release, State, name_of
from expectations.statements import DECISION, Statement, content_of, is_signed_by, signed_statement, statement

SIGNED, ATTESTED = "signed", "attested"


def digests(release: Release) -> dict[str, str]:
    """What a decision is on: a changed byte of any voids it."""
    named = {
        "dossier": release.dossier_digest,
        "package": release.package_digest,
        "snapshot": release.snapshot_digest,
        "spec": release.spec_digest,
    }
    return {name: digest for name, digest in named.items() if digest}


def decision(
    release: Release, person: str, said: str, comment: str, now: str, signer: Signer, code_step: int | None = None
) -> Body:
    """The body of the record of a person's approve or reject; with a `code_step` the signer is the pipeline's."""
    how = {"strength": SIGNED} if code_step is None else {"strength": ATTESTED, "code_step": code_step}
    told = {
        "release": release.id,
        "model": release.model,
        "person": person.strip(),
        "decision": said,
        "comment": comment,
        "time": now,
        "expires": _text(datetime.fromisoformat(now) + timedelta(days=release.valid_days)),
        **how,
    }
    return body_of(signed_statement(statement(DECISION, digests(release), told), signer))


def _text(moment: datetime) -> str:
    """As the ledger writes times: what is later is greater."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def body_of(envelope: Any) -> Body:
    """The body of the record of a decision that lies in this envelope. Raises ValueError where none does."""
    content = content_of(envelope, DECISION)
    if content is None:
        raise ValueError("no decision")
    told = content["predicate"]
    named = {name: told.get(name, "") for name in ("release", "person", "decision", "comment")}
    return {**named, "envelope": envelope}


def check_decided(state: State, release: Release, body: Body, now: str) -> str | None:
    """Why a decision does not count, or None."""
    content, person = content_of(body["envelope"], DECISION), state.person(body["person"])
    if not body["person"].strip():
        return "a decision needs a person's name."
    if body["decision"] not in ("approve", "reject"):
        return f"expected approve or reject, found {body['decision']!r}."
    if content is None or any(content["predicate"].get(key) != body[key] for key in ("release", "person", "decision")):
        return "the decision is not the one that was signed."
    if reason := _not_open(state, release, body, now) or _on_another(release, content):
        return reason
    if person is None:
        return _unknown(state, body["person"])
    return (
        _not_entitled(person, release, body["decision"])
        or _not_signed(person, body["envelope"], content)
        or _not_in_time(release, content["predicate"], now)
    )


def _not_open(state: State, release: Release, body: Body, now: str) -> str | None:
    counting = [name_of(one.person) for one in still_counting(state, release, now)]
    if name_of(body["person"]) in counting and body["decision"] == "approve":
        return f"{body['person']} has decided on {release.id} before; the first decision counts."
    stops = body["decision"] == "reject" and release.status == "approved"
    again = release.status == "approved" and missing(state, release, now) is not None
    if release.status == "waiting" or stops or again:
        return None
    return f"{release.id} does not wait for a decision: it is {release.status}."


def _on_another(release: Release, content: Statement) -> str | None:
    expected = statement(DECISION, digests(release), {})["subject"]
    subject = content.get("subject")
    if subject == expected:
        return None
    told = subject if isinstance(subject, list) else []
    other = [one["name"] for one in expected if one not in told] or ["list of digests"]
    return f"the decision is on another {' and '.join(other)} than {release.id} has."


def _unknown(state: State, name: str) -> str:
    if not state.people:
        return (
            f"{name}: nobody is known in this store yet. Write identities.yaml and run "
            "`seatrial identity apply identities.yaml` (docs/approval.md)."
        )
    known = ", ".join(sorted(person.name for person in state.people.values()))
    return f"{name}: nobody of that name is known in this store; there are {known}."


def _not_entitled(person: Person, release: Release, said: str) -> str | None:
    # Whoever built it cannot say yes, and may well say no.
    built_it = name_of(person.name) in {name_of(other) for other in release.developers}
    if said == "approve" and built_it:
        return f"{person.name} developed {release.id} and cannot approve it; ask somebody else."
    allowed = APPROVES if said == "approve" else STOPS
    if (said == "reject" and built_it) or allowed & set(person.roles):
        return None
    held = ", ".join(person.roles) or "no role"
    return f"{person.name} is {held}: to {said} takes one of {', '.join(sorted(allowed))}."


def _not_signed(person: Person, envelope: Any, content: Statement) -> str | None:
    told = content["predicate"]
    if told.get("strength") == SIGNED:
        signed = is_signed_by(envelope, person.keys)
        return None if signed else f"the signature is of none of the keys that {person.name} has in this store."
    step = told.get("code_step")
    if told.get("strength") != ATTESTED or not isinstance(step, int) or isinstance(step, bool):
        return f"a decision is {SIGNED} or {ATTESTED} after a one-time code, found {told.get('strength')!r}."
    if person.locked:
        return f"{person.name} is locked out after wrong codes: enrol again, or sign with a key of your own."
    return f"{person.name}: this one-time code was used before." if step <= person.code_step else None


def _not_in_time(release: Release, told: Body, now: str) -> str | None:
    try:
        begins, ends = (datetime.fromisoformat(told[key]) for key in ("time", "expires"))
        at = datetime.fromisoformat(now) if now else begins
        if ends <= at:
            return f"the decision expired on {told['expires'][:16]}."
        if ends - at > timedelta(days=release.valid_days, minutes=10) or ends - begins > timedelta(release.valid_days):
            return f"a decision on {release.id} counts for {release.valid_days:g} days at most."
    except (KeyError, TypeError, ValueError):
        return "a decision says when it was made and when it expires."
    return None


def still_counting(state: State, release: Release, now: str) -> list[Approval]:
    """The approvals that are not expired, of people who may still give them. Without a `now` nothing has expired."""
    return [one for one in release.approvals if (not now or one.expires > now) and _may_still(state, release, one)]


def _may_still(state: State, release: Release, one: Approval) -> bool:
    person = state.person(one.person)
    return person is not None and _not_entitled(person, release, "approve") is None


def missing(state: State, release: Release, now: str) -> str | None:
    """What the release's approvals still lack, in words; None where they suffice."""
    counting = still_counting(state, release, now)
    people = [person for one in counting if (person := state.person(one.person))]
    lacking = []
    if (more := release.approvals_needed - len(counting)) > 0:
        lacking.append(f"{more} more yes")
    roles = [role for role in release.roles_needed if not any(role in person.roles for person in people)]
    lacking += [f"the yes of a {role}" for role in roles]
    if (keys := release.signatures_needed - sum(one.signed for one in counting)) > 0:
        lacking.append(f"{keys} yes signed by a person's own key")
    return ", ".join(lacking) or None


def check_standing(state: State, release: Release, now: str) -> str | None:
    """Why an approved release may not move traffic any more: its approvals expired, or who gave them may not now."""
    lacks = missing(state, release, now)
    return f"{release.id}: its approvals do not suffice any more: needed is {lacks}. Approve again." if lacks else None


def decided(draft: State, record: Record) -> None:
    """Applies a decision that counts."""
    release = draft.releases[record.body["release"]]
    content = content_of(record.body["envelope"], DECISION) or {}
    told, person = content["predicate"], record.body["person"].strip()
    if told["strength"] == ATTESTED:
        known = draft.people[name_of(person)]
        draft.people[name_of(person)] = replace(known, code_step=told["code_step"])
    if record.body["decision"] == "reject":
        draft.keep(release, status="rejected", rejected_by=person)
        return
    expires = _text(datetime.fromisoformat(told["expires"]))
    mine = Approval(person, told["strength"] == SIGNED, record.time, expires)
    others = tuple(one for one in release.approvals if name_of(one.person) != name_of(person))
    release = replace(release, approvals=(*others, mine))
    draft.keep(release, status="waiting" if missing(draft, release, record.time) else "approved")
