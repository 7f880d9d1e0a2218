"""States, and parts of them, from plain JSON values: of a checkpoint, or of a record."""

from typing import Any

from expectations.state import (
    Alarm,
    Approval,
    AttachedSuite,
    Fed,
    Group,
    Mode,
    Moved,
    Person,
    PublicKey,
    Refusal,
    Release,
    Report,
    Retraining,
    Rollout,
    Stage,
    State,
    name_of,
)


def state_from_json(values: dict[str, Any]) -> State:
    """The state that `State.as_json` gave. Raises TypeError or KeyError where it is none."""
    releases = [_release(item) for item in values["releases"]]
    return State(
        dict(values["models"]),
        {release.id: release for release in releases},
        {model: _rollout(item) for model, item in values["rollouts"].items()},
        {model: _mode(item) for model, item in values["modes"].items()},
        {name_of(item["name"]): _person(item) for item in values["people"]},
        {model: {one["name"]: AttachedSuite(**one) for one in found} for model, found in values["suites"].items()},
        {model: tuple(Report(**one) for one in told) for model, told in values["reports"].items()},
        {model: tuple(Alarm(**one) for one in on) for model, on in values["alarms"].items()},
        {model: Retraining(**one) for model, one in values["retrainings"].items()},
        {model: Refusal(**one) for model, one in values["refusals"].items()},
    )


def _mode(values: dict[str, Any]) -> Mode:
    person = values.get("person")
    return Mode(**{**values, "person": Mode(**person) if person else None})


def _release(values: dict[str, Any]) -> Release:
    # Asked for by name: a state without it was written by another version, and is read again from the records.
    lists = {key: tuple(values[key]) for key in ("developers", "roles_needed")}
    approvals = tuple(Approval(**item) for item in values["approvals"])
    asked = {key: values[key] for key in ("snapshot_digest", "package_signature", "owner")}
    below = tuple((str(model), str(release)) for model, release in values["downstream_asked"])
    graph = {"consumes": tuple(fed_from_json(item) for item in values["consumes"]), "downstream_asked": below}
    return Release(**{**values, **lists, **asked, **graph, "approvals": approvals})


def fed_from_json(values: dict[str, Any]) -> Fed:
    """A consumed output from plain values. Raises TypeError, KeyError or ValueError where they are none."""
    inputs = tuple((str(theirs), str(ours)) for theirs, ours in values["inputs"])
    version = values.get("version")
    named = {key: str(values[key]) for key in ("model", "column", "output")}
    return Fed(**named, inputs=inputs, version=None if version is None else str(version))


def _person(values: dict[str, Any]) -> Person:
    keys = tuple(PublicKey(**key) for key in values["keys"])
    return Person(**{**values, "roles": tuple(values["roles"]), "keys": keys})


def _rollout(values: dict[str, Any]) -> Rollout:
    stages = tuple(stage_from_json(stage) for stage in values["stages"])
    timeline = tuple(Moved(**line) for line in values["timeline"])
    return Rollout(**{**values, "stages": stages, "go_aheads": tuple(values["go_aheads"]), "timeline": timeline})


def stage_from_json(values: dict[str, Any]) -> Stage:
    """A stage from plain values. Raises TypeError or KeyError where they are none."""
    groups = tuple(Group(str(group["column"]), tuple(map(str, group["values"]))) for group in values["groups"])
    return Stage(**{**values, "groups": groups})
