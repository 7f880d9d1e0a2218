"""What the ledger says: the fold over its records, and which record is legal next."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from expectations.verdicts import Outcome


@dataclass(frozen=True)
class Record:
    """One line of the ledger. `previous` is the digest of the record before it, `digest` its own."""

    seq: int
    previous: str
    time: str
    kind: str
    model: str
    body: dict[str, Any]
    digest: str


@dataclass(frozen=True)
class Release:
    """Where one release stands: started, waiting, stopped, approved, rejected, champion or retired."""

    id: str
    model: str
    as_of: str
    spec_digest: str
    developers: tuple[str, ...]
    approvals_needed: int
    started_at: str
    status: str = "started"
    outcome: str = ""
    dossier_digest: str = ""
    package_digest: str = ""
    champion_compared: str | None = None
    approvals: tuple[str, ...] = ()
    rejected_by: str | None = None
    body: dict[str, Any] | None = None

    @property
    def blobs(self) -> dict[str, str]:
        """What the verdict was given on, by name."""
        return dict((self.body or {}).get("blobs", {}))


@dataclass(frozen=True)
class State:
    """The champion of each model, and every release."""

    models: dict[str, str | None]
    releases: dict[str, Release]

    def with_release(self, release: Release) -> "State":
        """The state in which one release is as given."""
        return State(self.models, {**self.releases, release.id: release})


def fold(records: Iterable[Record]) -> State:
    """The state after all records; one that is not legal changes nothing."""
    state = State({}, {})
    for record in records:
        if refusal(state, record.kind, record.model, record.body) is None:
            state = _APPLY.get(record.kind, _nothing)(state, record)
    return state


def refusal(state: State, kind: str, model: str, body: dict[str, Any]) -> str | None:
    """Why a record would not be legal now, as a sentence; None where it is."""
    if kind == "store opened":
        return None
    if kind not in _CHECK:
        return f"{kind!r} is no kind of record."
    wrong = [name for name, types in _FIELDS[kind].items() if name not in body or not isinstance(body[name], types)]
    if wrong:
        return f"{kind}: missing, or of another type: {', '.join(wrong)}."
    release = state.releases.get(body["release"])
    if kind == "release started":
        return f"{body['release']} was started before." if release else None
    if release is None or release.model != model:
        return f"{body['release']}: no such release of {model}."
    return _CHECK[kind](state, release, body)


def _check_judged(_state: State, release: Release, body: dict[str, Any]) -> str | None:
    if body["outcome"] not in set(Outcome):
        return f"{body['outcome']!r} is no outcome."
    return None if release.status == "started" else f"{release.id} was judged before: {release.status}."


def _check_decided(state: State, release: Release, body: dict[str, Any]) -> str | None:
    person = body["person"].strip()
    if release.status != "waiting":
        return f"{release.id} does not wait for a decision: it is {release.status}."
    if body["dossier_digest"] != release.dossier_digest:
        return f"the decision is on another dossier than {release.id} has: {body['dossier_digest']}."
    if body["decision"] not in ("approve", "reject"):
        return f"expected approve or reject, found {body['decision']!r}."
    if not person:
        return "a decision needs a person's name."
    if _is_one_of(person, release.approvals):
        return f"{person} has decided on {release.id} before; the first decision counts."
    # Whoever built it cannot say yes, and may well say no.
    if body["decision"] == "approve" and _is_one_of(person, release.developers):
        return f"{person} developed {release.id} and cannot approve it; ask somebody else."
    return None if body["decision"] == "reject" else _check_champion(state, release)


def _is_one_of(person: str, people: Iterable[str]) -> bool:
    """One person, however their name is spaced or capitalised: else one would be two approvers."""
    return _name(person) in {_name(other) for other in people}


def _name(person: str) -> str:
    return " ".join(str(person).split()).casefold()


def _check_promoted(state: State, release: Release, _body: dict[str, Any]) -> str | None:
    if release.status != "approved":
        return f"{release.id} is {release.status}, not approved: it cannot be promoted."
    return _check_champion(state, release)


def _check_champion(state: State, release: Release) -> str | None:
    serving = state.models.get(release.model)
    if serving == release.champion_compared:
        return None
    was = release.champion_compared or "nothing"
    return f"{release.id} was compared with {was}, and {serving} serves now: release again with a new --as-of."


def _nothing(state: State, _record: Record) -> State:
    return state


def _started(state: State, record: Record) -> State:
    body = record.body
    release = Release(
        id=body["release"],
        model=record.model,
        as_of=body["as_of"],
        spec_digest=body["spec_digest"],
        developers=tuple(body["developers"]),
        approvals_needed=body["approvals_needed"],
        started_at=record.time,
    )
    return state.with_release(release)


def _judged(state: State, record: Record) -> State:
    body, lets_through = record.body, Outcome(record.body["outcome"]).lets_through
    judged = replace(
        state.releases[body["release"]],
        status="waiting" if lets_through else "stopped",
        outcome=body["outcome"],
        dossier_digest=body["dossier_digest"],
        package_digest=body.get("package_digest") or "",
        champion_compared=body["champion_compared"],
        approvals_needed=body["approvals_needed"],
        body=body,
    )
    return state.with_release(judged)


def _decided(state: State, record: Record) -> State:
    release, person = state.releases[record.body["release"]], record.body["person"].strip()
    if record.body["decision"] == "reject":
        return state.with_release(replace(release, status="rejected", rejected_by=person))
    approvals = (*release.approvals, person)
    status = "approved" if len(approvals) >= release.approvals_needed else "waiting"
    return state.with_release(replace(release, status=status, approvals=approvals))


def _promoted(state: State, record: Record) -> State:
    release = state.releases[record.body["release"]]
    former = state.models.get(release.model)
    if former:
        state = state.with_release(replace(state.releases[former], status="retired"))
    state = state.with_release(replace(release, status="champion"))
    return State({**state.models, release.model: release.id}, state.releases)


_FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "release started": {
        "release": str,
        "spec_digest": str,
        "as_of": str,
        "developers": (list, tuple),
        "approvals_needed": int,
    },
    "release judged": {
        "release": str,
        "outcome": str,
        "champion_compared": (str, type(None)),
        "approvals_needed": int,
        "dossier_digest": str,
        "blobs": dict,
    },
    "decided": {"release": str, "person": str, "decision": str, "dossier_digest": str},
    "promoted": {"release": str},
}
_CHECK: dict[str, Callable[[State, Release, dict[str, Any]], str | None]] = {
    "release started": lambda _state, _release, _body: None,
    "release judged": _check_judged,
    "decided": _check_decided,
    "promoted": _check_promoted,
}
_APPLY: dict[str, Callable[[State, Record], State]] = {
    "release started": _started,
    "release judged": _judged,
    "decided": _decided,
    "promoted": _promoted,
}
