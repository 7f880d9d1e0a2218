"""How a model is served, by people's word or by that of its alarms: records, and when they are legal."""

from expectations.state import MODES, MONITOR, Body, Mode, Record, Release, State
from expectations.transitions import Transition


def _check_mode(state: State, model: str, body: Body, _now: str) -> str | None:
    fallback = state.releases.get(str(body.get("fallback")))
    if model not in state.models:
        return f"{model}: nothing serves, so it has no mode."
    if body["mode"] not in MODES:
        return f"expected one of {', '.join(MODES)}, found {body['mode']!r}."
    if not body["by"].strip():
        return "a mode needs a name: who, or what, sets it."
    if body.get("fallback") is None:
        return "the mode fallback needs a release to fall back to." if body["mode"] == "fallback" else None
    if fallback is None or not _passed(fallback, model):
        return f"{body['fallback']}: a fallback is a release of {model} that passed its own gates and was approved."
    if fallback.id == state.models[model]:
        return f"{fallback.id} serves already: a fallback is another release."
    return None


def _passed(release: Release, model: str) -> bool:
    approved = release.status in ("champion", "retired", "approved")
    return release.model == model and approved and bool(release.package_digest)


def can_fall_back(state: State, model: str, release: str | None) -> bool:
    """Whether the model can be answered by that release in the place of what serves."""
    found = state.releases.get(release or "")
    return found is not None and _passed(found, model) and found.id != state.models.get(model)


def _mode_set(draft: State, record: Record) -> None:
    body, last = record.body, draft.modes.get(record.model, Mode())
    person = last.persons() if body["by"] == MONITOR else None
    draft.modes[record.model] = Mode(body["mode"], body.get("fallback"), record.time, body["why"], body["by"], person)


TRANSITIONS = {"mode set": Transition({"mode": str, "why": str, "by": str}, _check_mode, _mode_set)}
