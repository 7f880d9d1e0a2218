"""Who is who: people, their roles and keys, and the locks on their one-time codes, as records of the ledger.

The first person founds: a risk officer who signs for themself. After that only a risk officer's own key grants or
takes away roles and keys, so that whoever holds the pipeline's key cannot make up people.
"""

from dataclasses import asdict, replace
from typing import Any

from securesystemslib.signer import Signer

from expectations.records import digest_of
from expectations.state import Body, Person, PublicKey, Record, State, name_of
from expectations.statements import IDENTITY, content_of, is_signed_by, signed_statement, statement
from expectations.transitions import Transition

GRANTS = "risk officer"
ROLES = ("developer", "owner", "validator", GRANTS, "auditor")
# An auditor sees all and may stop, and has no part in a yes.
APPROVES = frozenset({"owner", "validator", GRANTS})
STOPS = APPROVES | {"auditor"}
KEY_TYPES = {("ed25519", "ed25519"), ("ecdsa", "ecdsa-sha2-nistp256"), ("ecdsa", "ecdsa-sha2-nistp384")}


def identity(state: State, person: Person, by: str, signer: Signer) -> Body:
    """The body of the record that gives a person these roles and keys, signed by who may."""
    before = state.person(person.name)
    told = _told(person, by, before.version if before else 0)
    return {**told, "envelope": signed_statement(_statement(told), signer)}


def _told(person: Person, by: str, version: int) -> Body:
    keys = [asdict(key) for key in person.keys]
    return {"person": person.name, "roles": list(person.roles), "keys": keys, "by": by, "version": version}


def _statement(told: Body) -> dict[str, Any]:
    return statement(IDENTITY, {"identity": digest_of(told)}, told)


def keys_of(body: Body) -> tuple[PublicKey, ...] | None:
    """The keys in a record; None where they are none that a signature is taken from."""
    try:
        keys = tuple(PublicKey(**{name: str(value) for name, value in key.items()}) for key in body["keys"])
    except (TypeError, AttributeError, KeyError):
        return None
    return keys if all((key.keytype, key.scheme) in KEY_TYPES for key in keys) else None


def _check_identity(state: State, _model: str, body: Body, _now: str) -> str | None:
    keys, before = keys_of(body), state.person(body["person"])
    if not name_of(body["person"]) or keys is None:
        return "a person has a name, and keys of type Ed25519 or ECDSA (P-256, P-384)."
    unknown = [str(role) for role in body["roles"] if role not in ROLES]
    if unknown:
        return f"{body['person']}: {', '.join(unknown)} is no role; there are {', '.join(ROLES)}."
    if body["version"] != (before.version if before else 0):
        return f"{body['person']}: roles were set meanwhile; look again and decide again."
    return _taken(state, body["person"], keys) or _may_not_grant(state, before, body, keys)


def _taken(state: State, name: str, keys: tuple[PublicKey, ...]) -> str | None:
    others = {key.public: other.name for other in state.people.values() for key in other.keys}
    others = {public: other for public, other in others.items() if name_of(other) != name_of(name)}
    found = [others[key.public] for key in keys if key.public in others]
    return f"{name}: a key of theirs is {found[0]}'s already: one key, one person." if found else None


def _may_not_grant(state: State, before: Person | None, body: Body, keys: tuple[PublicKey, ...]) -> str | None:
    by, mine = body["by"], name_of(body["by"]) == name_of(body["person"])
    if not state.people:
        granter, trusted = (mine and GRANTS in body["roles"]), keys
        refused = f"the first person of a store is a {GRANTS} who signs for themself; found {by}."
    else:
        found = state.person(by)
        granter, trusted = bool(found and GRANTS in found.roles), found.keys if found else ()
        refused = f"{by} is no {GRANTS} of this store: only one grants roles, or takes them away."
    if not granter:
        return refused
    person = Person(body["person"], tuple(body["roles"]), keys)
    if not signs(body["envelope"], _statement(_told(person, by, body["version"])), trusted):
        return f"the signature on {body['person']}'s roles is not {by}'s."
    return _of_oneself(state, before, body) if state.people else None


def _of_oneself(state: State, before: Person | None, body: Body) -> str | None:
    others = [one for one in state.people.values() if before is None or one.name != before.name]
    if not any(GRANTS in one.roles and one.keys for one in others) and not (GRANTS in body["roles"] and body["keys"]):
        return f"{body['person']} is the last {GRANTS}: name another first, or nobody could grant roles any more."
    more = set(body["roles"]) - set(before.roles if before else ())
    if before and name_of(body["by"]) == name_of(before.name) and more:
        return f"{before.name}: nobody grants roles to themself ({', '.join(sorted(more))}); ask another {GRANTS}."
    return None


def signs(envelope: Any, content: dict[str, Any], keys: tuple[PublicKey, ...]) -> bool:
    """Whether the envelope holds this very statement, signed by one of the keys."""
    return content_of(envelope, content["predicateType"]) == content and is_signed_by(envelope, keys)


def _identity_set(draft: State, record: Record) -> None:
    body, before = record.body, draft.person(record.body["person"])
    person = replace(before or Person(body["person"].strip()), roles=tuple(body["roles"]), keys=keys_of(body) or ())
    draft.people[name_of(person.name)] = replace(person, version=person.version + 1)


def _check_known(state: State, _model: str, body: Body, _now: str) -> str | None:
    return None if state.person(body["person"]) else f"{body['person']}: nobody of that name is known in this store."


def _locked_out(draft: State, record: Record) -> None:
    _keep(draft, record, locked=True)


def _enrolled(draft: State, record: Record) -> None:
    _keep(draft, record, locked=False)


def _keep(draft: State, record: Record, **changed: Any) -> None:
    person = draft.people[name_of(record.body["person"])]
    draft.people[name_of(person.name)] = replace(person, **changed)


TRANSITIONS = {
    "identity set": Transition(
        {"person": str, "roles": (list, tuple), "keys": (list, tuple), "by": str, "version": int, "envelope": dict},
        _check_identity,
        _identity_set,
    ),
    "locked out": Transition({"person": str, "why": str}, _check_known, _locked_out),
    "code enrolled": Transition({"person": str}, _check_known, _enrolled),
}
