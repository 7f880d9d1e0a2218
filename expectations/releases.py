"""The ways that a release can go, from started to champion and beyond."""

from typing import Any

from expectations.approvals import check_decided, check_standing, decided
from expectations.graph import serving_below
from expectations.records import PACKAGE_SIGNATURE
from expectations.state import Body, Fed, Record, Release, State
from expectations.state_json import fed_from_json
from expectations.transitions import Transition, of_release
from expectations.verdicts import Outcome


def _check_new(state: State, _model: str, body: Body, _now: str) -> str | None:
    return f"{body['release']} was started before." if body["release"] in state.releases else None


def _check_started(state: State, model: str, body: Body, now: str) -> str | None:
    try:
        _consumes(body)
    except (TypeError, KeyError, ValueError):
        return f"{body['release']}: consumes is no list of model, column, output and inputs."
    return _check_new(state, model, body, now)


def _consumes(body: Body) -> tuple[Fed, ...]:
    """What the release is fed with; records of older versions do not say, and were fed with nothing."""
    return tuple(fed_from_json(item) for item in body.get("consumes") or ())


def _check_judged(_state: State, release: Release, body: Body, _now: str) -> str | None:
    if body["outcome"] not in set(Outcome):
        return f"{body['outcome']!r} is no outcome."
    return None if release.status == "started" else f"{release.id} was judged before: {release.status}."


def _check_decided(state: State, release: Release, body: Body, now: str) -> str | None:
    reason = check_decided(state, release, body, now)
    return reason or (None if body["decision"] == "reject" else check_compared(state, release))


def check_champion(state: State, release: Release) -> str | None:
    """Why the release may not follow what serves now: it was compared with another."""
    serving = state.models.get(release.model)
    if serving == release.champion_compared:
        return None
    was = release.champion_compared or "nothing"
    return f"{release.id} was compared with {was}, and {serving} serves now: release again with a new --as-of."


def check_compared(state: State, release: Release) -> str | None:
    """Why the release may not go on: what serves now, here or downstream, is not what it was held against."""
    asked = dict(release.downstream_asked)
    new = [one for name, one in serving_below(state, release.model).items() if asked.get(name) != one]
    told = f"{release.id}: {', '.join(new)} hangs on its outputs and was not asked: release again with a new --as-of."
    return check_champion(state, release) or (told if new else None)


def _started(draft: State, record: Record) -> None:
    body = record.body
    release = Release(
        id=body["release"],
        model=record.model,
        as_of=body["as_of"],
        spec_digest=body["spec_digest"],
        developers=tuple(body["developers"]),
        **_needs(body),
        started_at=record.time,
        owner=str(body.get("owner") or ""),
        consumes=_consumes(body),
    )
    draft.keep(release)


def _needs(body: Body) -> dict[str, Any]:
    """Who must say yes, and for how long that counts."""
    roles = tuple(str(role) for role in body.get("roles_needed") or ())
    signed, days = body.get("signatures_needed", 0), body.get("valid_days", 30.0)
    return {
        "approvals_needed": body["approvals_needed"],
        "roles_needed": roles,
        "signatures_needed": signed if isinstance(signed, int) else 1,
        "valid_days": float(days) if isinstance(days, int | float) and 0 < days <= 3650 else 30.0,
    }


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
        snapshot_digest=str(body["blobs"].get("manifest") or ""),
        package_signature=str(body["blobs"].get(PACKAGE_SIGNATURE) or ""),
        champion_compared=body["champion_compared"],
        **_needs(body),
        judged_at=record.seq,
        downstream_asked=_asked(body),
    )


def _asked(body: Body) -> tuple[tuple[str, str], ...]:
    told = body.get("downstream_asked")
    return tuple((str(model), str(one)) for model, one in told.items()) if isinstance(told, dict) else ()


def _check_promoted(state: State, release: Release, body: Body, now: str) -> str | None:
    if release.status not in ("approved", "rolling out"):
        return f"{release.id} is {release.status}, not approved: it cannot be promoted."
    running, serving = state.running(release.model), state.models.get(release.model)
    if running and running.release != release.id:
        return f"{release.id}: a rollout of {running.release} is running; roll it back first."
    if running and running.stage < len(running.stages) - 1:
        return f"{release.id} is in stage {running.stage + 1} of {len(running.stages)}: it is promoted after the last."
    if serving and not running and not str(body.get("without_rollout") or "").strip():
        return f"{release.id}: {serving} serves, so traffic moves by a rollout; without one, say why (without_rollout)."
    # What rolls out was looked at when it began, and must not stand still half way because a date has passed.
    if running:
        return check_champion(state, release)
    return check_compared(state, release) or check_standing(state, release, now)


def _promoted(draft: State, record: Record) -> None:
    release = draft.releases[record.body["release"]]
    former = draft.models.get(release.model)
    if former:
        draft.keep(draft.releases[former], status="retired")
    draft.keep(release, status="champion", replaced=former)
    draft.models[release.model] = release.id
    # They were about what served before.
    draft.alarms.pop(release.model, None)
    if rollout := draft.running(release.model):
        said = {"why": "promoted", **record.body}
        draft.rollouts[release.model] = rollout.moved(record.time, rollout.stage, said, status="finished")


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
        _check_started,
        _started,
    ),
    "release judged": Transition(
        {**_DOSSIER, "champion_compared": (str, type(None)), "approvals_needed": int},
        of_release(_check_judged),
        _judged,
    ),
    "release imported": Transition({**_DOSSIER, "signed_by": str}, _check_new, _imported),
    "decided": Transition(
        {"release": str, "person": str, "decision": str, "envelope": dict}, of_release(_check_decided), decided
    ),
    "promoted": Transition({"release": str}, of_release(_check_promoted), _promoted),
}
