"""The ways that a release can go, from started to champion and beyond."""

from collections.abc import Iterable
from dataclasses import replace

from expectations.state import Body, Record, Release, State
from expectations.transitions import Transition, of_release
from expectations.verdicts import Outcome


def _check_new(state: State, _model: str, body: Body, _now: str) -> str | None:
    return f"{body['release']} was started before." if body["release"] in state.releases else None


def _check_judged(_state: State, release: Release, body: Body) -> str | None:
    if body["outcome"] not in set(Outcome):
        return f"{body['outcome']!r} is no outcome."
    return None if release.status == "started" else f"{release.id} was judged before: {release.status}."


def _check_decided(state: State, release: Release, body: Body) -> str | None:
    person = body["person"].strip()
    if release.status != "waiting":
        return f"{release.id} does not wait for a decision: it is {release.status}."
    if body["dossier_digest"] != release.dossier_digest:
        return f"the decision is on another dossier than {release.id} has: {body['dossier_digest']}."
    if body["decision"] not in ("approve", "reject"):
        return f"expected approve or reject, found {body['decision']!r}."
    if not person:
        return "a decision needs a person's name."
    if is_one_of(person, release.approvals):
        return f"{person} has decided on {release.id} before; the first decision counts."
    # Whoever built it cannot say yes, and may well say no.
    if body["decision"] == "approve" and is_one_of(person, release.developers):
        return f"{person} developed {release.id} and cannot approve it; ask somebody else."
    return None if body["decision"] == "reject" else check_champion(state, release)


def is_one_of(person: str, people: Iterable[str]) -> bool:
    """One person, however their name is spaced or capitalised: else one would be two approvers."""
    return _name(person) in {_name(other) for other in people}


def _name(person: str) -> str:
    return " ".join(str(person).split()).casefold()


def check_champion(state: State, release: Release) -> str | None:
    """Why the release may not follow what serves now: it was compared with another."""
    serving = state.models.get(release.model)
    if serving == release.champion_compared:
        return None
    was = release.champion_compared or "nothing"
    return f"{release.id} was compared with {was}, and {serving} serves now: release again with a new --as-of."


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
    draft.keep(release)


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
    draft.keep(release)


def _judged(draft: State, record: Record) -> None:
    body, lets_through = record.body, Outcome(record.body["outcome"]).lets_through
    draft.keep(
        draft.releases[body["release"]],
        status="waiting" if lets_through else "stopped",
        outcome=body["outcome"],
        dossier_digest=body["dossier_digest"],
        package_digest=body.get("package_digest") or "",
        document_digest=str(body["blobs"].get("document") or ""),
        champion_compared=body["champion_compared"],
        approvals_needed=body["approvals_needed"],
        judged_at=record.seq,
    )


def _decided(draft: State, record: Record) -> None:
    release, person = draft.releases[record.body["release"]], record.body["person"].strip()
    if record.body["decision"] == "reject":
        draft.keep(release, status="rejected", rejected_by=person)
        return
    approvals = (*release.approvals, person)
    status = "approved" if len(approvals) >= release.approvals_needed else "waiting"
    draft.keep(release, status=status, approvals=approvals)


def _check_promoted(state: State, release: Release, body: Body) -> str | None:
    if release.status not in ("approved", "rolling out"):
        return f"{release.id} is {release.status}, not approved: it cannot be promoted."
    running, serving = state.running(release.model), state.models.get(release.model)
    if running and running.release != release.id:
        return f"{release.id}: a rollout of {running.release} is running; roll it back first."
    if running and running.stage < len(running.stages) - 1:
        return f"{release.id} is in stage {running.stage + 1} of {len(running.stages)}: it is promoted after the last."
    if serving and not running and not str(body.get("without_rollout") or "").strip():
        return f"{release.id}: {serving} serves, so traffic moves by a rollout; without one, say why (without_rollout)."
    return check_champion(state, release)


def _promoted(draft: State, record: Record) -> None:
    release = draft.releases[record.body["release"]]
    former = draft.models.get(release.model)
    if former:
        draft.keep(draft.releases[former], status="retired")
    draft.keep(release, status="champion", replaced=former)
    draft.models[release.model] = release.id
    if rollout := draft.running(release.model):
        draft.rollouts[release.model] = replace(rollout, status="finished")


_DOSSIER = {"release": str, "outcome": str, "dossier_digest": str, "blobs": dict}
TRANSITIONS = {
    "release started": Transition(
        {
            "release": str,
            "spec_digest": str,
            "as_of": str,
            "developers": (list, tuple),
            "approvals_needed": int,
        },
        _check_new,
        _started,
    ),
    "release judged": Transition(
        {**_DOSSIER, "champion_compared": (str, type(None)), "approvals_needed": int},
        of_release(_check_judged),
        _judged,
    ),
    "release imported": Transition({**_DOSSIER, "signed_by": str}, _check_new, _imported),
    "decided": Transition(
        {"release": str, "person": str, "decision": str, "dossier_digest": str}, of_release(_check_decided), _decided
    ),
    "promoted": Transition({"release": str}, of_release(_check_promoted), _promoted),
}
