"""What the ledger says: the fold over its records, and which record is legal next."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
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
    """Where one release stands: started, waiting, stopped, approved, rejected, champion, retired or imported.

    `judged_at` is the number of the record that holds its verdict, figures and blobs.
    """

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
    judged_at: int | None = None


@dataclass(frozen=True)
class State:
    """The champion of each model, and every release."""

    models: dict[str, str]
    releases: dict[str, Release]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values; `state_from_json` is the inverse."""
        return {"models": self.models, "releases": [asdict(release) for release in self.releases.values()]}


NOTHING_YET = State({}, {})


def state_from_json(values: dict[str, Any]) -> State:
    """The state that `State.as_json` gave. Raises TypeError or KeyError where it is none."""
    lists = ("developers", "approvals")
    releases = [Release(**{**item, **{key: tuple(item[key]) for key in lists}}) for item in values["releases"]]
    return State(dict(values["models"]), {release.id: release for release in releases})


def fold(records: Iterable[Record], state: State = NOTHING_YET) -> State:
    """The state after all records that follow `state`; one that is not legal changes nothing.

    Law: fold(a + b) == fold(b, fold(a)).
    """
    draft = State(dict(state.models), dict(state.releases))
    for record in records:
        if refusal(draft, record.kind, record.model, record.body) is None:
            _APPLY.get(record.kind, _nothing)(draft, record)
    return draft


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
    if kind in ("release started", "release imported"):
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


def _nothing(_draft: State, _record: Record) -> None:
    """The record says nothing about releases."""


def _keep(draft: State, release: Release) -> None:
    draft.releases[release.id] = release


def _started(draft: State, record: Record) -> None:
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
    _keep(draft, release)


def _imported(draft: State, record: Record) -> None:
    """From another ledger, to be read: it has a dossier and blobs, and never serves."""
    body = record.body
    release = Release(
        id=body["release"],
        model=record.model,
        as_of="",
        spec_digest="",
        developers=(),
        approvals_needed=0,
        started_at=record.time,
        status="imported",
        outcome=body["outcome"],
        dossier_digest=body["dossier_digest"],
        judged_at=record.seq,
    )
    _keep(draft, release)


def _judged(draft: State, record: Record) -> None:
    body, lets_through = record.body, Outcome(record.body["outcome"]).lets_through
    judged = replace(
        draft.releases[body["release"]],
        status="waiting" if lets_through else "stopped",
        outcome=body["outcome"],
        dossier_digest=body["dossier_digest"],
        package_digest=body.get("package_digest") or "",
        champion_compared=body["champion_compared"],
        approvals_needed=body["approvals_needed"],
        judged_at=record.seq,
    )
    _keep(draft, judged)


def _decided(draft: State, record: Record) -> None:
    release, person = draft.releases[record.body["release"]], record.body["person"].strip()
    if record.body["decision"] == "reject":
        _keep(draft, replace(release, status="rejected", rejected_by=person))
        return
    approvals = (*release.approvals, person)
    status = "approved" if len(approvals) >= release.approvals_needed else "waiting"
    _keep(draft, replace(release, status=status, approvals=approvals))


def _promoted(draft: State, record: Record) -> None:
    release = draft.releases[record.body["release"]]
    if former := draft.models.get(release.model):
        _keep(draft, replace(draft.releases[former], status="retired"))
    _keep(draft, replace(release, status="champion"))
    draft.models[release.model] = release.id


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
    "release imported": {"release": str, "outcome": str, "signed_by": str, "dossier_digest": str, "blobs": dict},
    "decided": {"release": str, "person": str, "decision": str, "dossier_digest": str},
    "promoted": {"release": str},
}
_CHECK: dict[str, Callable[[State, Release, dict[str, Any]], str | None]] = {
    "release started": lambda _state, _release, _body: None,
    "release imported": lambda _state, _release, _body: None,
    "release judged": _check_judged,
    "decided": _check_decided,
    "promoted": _check_promoted,
}
_APPLY: dict[str, Callable[[State, Record], None]] = {
    "release started": _started,
    "release imported": _imported,
    "release judged": _judged,
    "decided": _decided,
    "promoted": _promoted,
}
