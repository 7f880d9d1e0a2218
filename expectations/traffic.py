"""How traffic moves between releases: rollouts on a lease, rollbacks, and the route that they add up to."""

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from expectations.approvals import check_standing
from expectations.releases import check_compared
from expectations.state import Body, Mode, Record, Release, Report, Rollout, Stage, State, evidence_of
from expectations.state_json import stage_from_json
from expectations.transitions import Transition, of_release

# A longer one would be none: nobody would have to look after it.
LONGEST_LEASE = timedelta(days=1)
# What gateways are promised to need until they obey a record; a rehearsal that takes longer ends the rollout.
OBEYS_WITHIN_S = 2.0
REPORTS_KEPT = 20
# As the ledger writes times: of equal length, so that what is later is greater.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass(frozen=True)
class Route:
    """Who answers for a model: releases by name. The challenger counts until `lease_until` (Unix seconds).

    `why` is the mode's reason.
    """

    model: str
    champion: str
    mode: str = "normal"
    fallback: str | None = None
    challenger: str | None = None
    stage: Stage | None = None
    stage_number: int = -1
    salt: str = ""
    lease_until: float = 0.0
    why: str = ""

    @property
    def releases(self) -> tuple[str, ...]:
        """All whose packages must be at hand."""
        return tuple(name for name in (self.champion, self.challenger, self.fallback) if name)


def route(state: State, model: str) -> Route | None:
    """The route of a model; None while it has no champion."""
    champion = state.models.get(model)
    if champion is None:
        return None
    mode, running = state.modes.get(model, Mode()), state.running(model)
    fallback = mode.fallback if mode.fallback != champion else None
    plain = Route(model, champion, mode.name, fallback, why=mode.why)
    if running is None or running.stage < 0:
        return plain
    return replace(
        plain,
        challenger=running.release,
        stage=running.stages[running.stage],
        stage_number=running.stage,
        salt=running.salt,
        lease_until=datetime.fromisoformat(running.lease_until).timestamp(),
    )


def _stages(body: Body) -> tuple[Stage, ...] | None:
    """The plan in a record; None where it is none: shadow stages first, then shares that never shrink, 1 at the end."""
    with suppress(TypeError, KeyError, ValueError):
        stages = tuple(stage_from_json(stage) for stage in body["stages"])
        shares = [float(stage.share) for stage in stages if not stage.shadow]
        shadows = [bool(stage.shadow) for stage in stages]
        grows = shares == sorted(shares) and all(0 <= share <= 1 for share in shares) and shares[-1:] == [1.0]
        return stages if grows and shadows == sorted(shadows, reverse=True) else None
    return None


def _check_lease(body: Body, now: str) -> str | None:
    if not body["holder"].strip():
        return "a rollout needs a holder: who renews its lease."
    if not _is_time(body["lease_until"]):
        return f"lease_until: expected a time such as 2026-01-31T12:00:00.000Z, found {body['lease_until']!r}."
    if body["lease_until"] <= now:
        return f"the lease until {body['lease_until']} has run out already."
    if _is_time(now) and datetime.fromisoformat(body["lease_until"]) - datetime.fromisoformat(now) > LONGEST_LEASE:
        return f"a lease is at most a day long, found one until {body['lease_until']}."
    return None


def _is_time(text: str) -> bool:
    with suppress(ValueError):
        return bool(_TIME.fullmatch(text)) and bool(datetime.fromisoformat(text))
    return False


def _check_rollout_started(state: State, model: str, body: Body, now: str) -> str | None:
    def check(state: State, release: Release, body: Body, now: str) -> str | None:
        if running := state.running(model):
            return f"{model}: a rollout of {running.release} is running, held by {running.holder}: one at a time."
        if release.status != "approved":
            return f"{release.id} is {release.status}, not approved: it cannot be rolled out."
        if model not in state.models:
            return f"{release.id}: nothing serves, so there is no traffic to move: it is promoted at once."
        if _stages(body) is None:
            return f"{release.id}: the stages are no plan: shadow first, then shares that grow to 1."
        return check_compared(state, release) or check_standing(state, release, now)

    return of_release(check)(state, model, body, now) or _check_lease(body, now)


def _rollout_started(draft: State, record: Record) -> None:
    body, release = record.body, draft.releases[record.body["release"]]
    draft.keep(release, status="rolling out")
    draft.rollouts[record.model] = Rollout(
        release=release.id,
        champion=draft.models[record.model],
        salt=body["salt"],
        stages=_stages(body) or (),
        holder=body["holder"],
        lease_until=body["lease_until"],
        started_at=record.time,
    )


def _running_of(state: State, model: str, body: Body) -> Rollout | str:
    running = state.running(model)
    if running is None or running.release != body["release"]:
        return f"{body['release']}: no rollout of it is running."
    return running


def _check_held(running: Rollout, body: Body, now: str) -> str | None:
    if body["holder"] == running.holder or now > running.lease_until:
        return None
    return f"{running.release}: its rollout is held by {running.holder} until {running.lease_until}."


def _check_traffic_set(state: State, model: str, body: Body, now: str) -> str | None:
    running = _running_of(state, model, body)
    if isinstance(running, str):
        return running
    if held := _check_held(running, body, now):
        return held
    if isinstance(body["stage"], bool) or body["stage"] not in (running.stage, running.stage + 1):
        return f"{running.release} is in stage {running.stage}: expected it or the next, found {body['stage']}."
    if not 0 <= body["stage"] < len(running.stages):
        return f"{running.release} has {len(running.stages)} stages: there is no stage {body['stage']}."
    waits = running.stages[body["stage"]].go_ahead and body["stage"] not in running.go_aheads
    if waits and body["stage"] > running.stage:
        return f"{running.release}: stage {body['stage']} waits for a person's go-ahead."
    return _check_lease(body, now)


def _traffic_set(draft: State, record: Record) -> None:
    body, running = record.body, draft.rollouts[record.model]
    evidence = evidence_of(body) or running.evidence
    leased = replace(running, holder=body["holder"], lease_until=body["lease_until"], evidence=evidence)
    moves = body["stage"] != running.stage
    draft.rollouts[record.model] = leased.moved(record.time, body["stage"], body) if moves else leased


def _check_withdrawn(state: State, model: str, body: Body, now: str) -> str | None:
    running = _running_of(state, model, body)
    return running if isinstance(running, str) else _check_held(running, body, now)


def _withdrawn(draft: State, record: Record) -> None:
    running = draft.rollouts[record.model]
    draft.rollouts[record.model] = running.moved(record.time, -1, record.body)


def _check_go_ahead(state: State, model: str, body: Body, _now: str) -> str | None:
    running = _running_of(state, model, body)
    if isinstance(running, str):
        return running
    if isinstance(body["stage"], bool) or not running.stage < body["stage"] < len(running.stages):
        return f"{running.release} is in stage {running.stage} of {len(running.stages)}: {body['stage']} is not ahead."
    return None if body["person"].strip() else "a go-ahead needs a person's name."


def _go_ahead(draft: State, record: Record) -> None:
    running = draft.rollouts[record.model]
    stages = tuple(sorted({*running.go_aheads, record.body["stage"]}))
    draft.rollouts[record.model] = replace(running, go_aheads=stages)


def _check_rolled_back(state: State, release: Release, body: Body, _now: str) -> str | None:
    running = state.running(release.model)
    if running and running.release != release.id:
        return f"{release.id}: a rollout of {running.release} is running; roll that back first."
    if not body["by"].strip():
        return "a rollback needs a name: who, or what, says so."
    if running or (release.status == "champion" and release.replaced in state.releases):
        return None
    return f"{release.id} is {release.status}: there is nothing to roll back to."


def _rolled_back(draft: State, record: Record) -> None:
    release = draft.releases[record.body["release"]]
    if release.status == "champion" and release.replaced:
        draft.models[release.model] = release.replaced
        draft.keep(draft.releases[release.replaced], status="champion")
        draft.alarms.pop(release.model, None)
    draft.keep(release, status="rolled back")
    # A finished rollout that is undone later was rolled back too.
    rollout = draft.rollouts.get(release.model)
    if rollout and rollout.release == release.id:
        draft.rollouts[release.model] = rollout.moved(record.time, rollout.stage, record.body, status="rolled back")


def _check_reported(state: State, model: str, body: Body, _now: str) -> str | None:
    if model not in {release.model for release in state.releases.values()}:
        return f"{model}: no such model."
    return None if body["words"].strip() else "a report says what was seen."


def _reported(draft: State, record: Record) -> None:
    """Changes nothing by itself; the last ones are kept, for whoever is to be told."""
    one = Report(record.seq, record.time, record.body["by"], record.body["words"])
    draft.reports[record.model] = (*draft.reports.get(record.model, ()), one)[-REPORTS_KEPT:]


_LEASE = {"release": str, "holder": str, "lease_until": str}
TRANSITIONS = {
    "rollout started": Transition(
        {**_LEASE, "salt": str, "stages": (list, tuple)}, _check_rollout_started, _rollout_started
    ),
    "traffic set": Transition({**_LEASE, "stage": int, "why": str}, _check_traffic_set, _traffic_set),
    # Back to before the first stage: to see that gateways obey, before anybody is answered by the challenger.
    "traffic withdrawn": Transition({"release": str, "holder": str, "why": str}, _check_withdrawn, _withdrawn),
    "go ahead given": Transition({"release": str, "stage": int, "person": str}, _check_go_ahead, _go_ahead),
    "rolled back": Transition({"release": str, "why": str, "by": str}, of_release(_check_rolled_back), _rolled_back),
    "misbehaviour reported": Transition({"words": str, "by": str}, _check_reported, _reported),
}
