"""How a model is served while alarms are on: by the strictest that one of them asks for, and never less strictly than a
person said.

An alarm lasts until it was calm for as long as the spec says, and is never taken for less than it was: so a mode is
left later than it was reached, and does not swing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from expectations.modes import can_fall_back
from expectations.monitoring_spec import WARN, Alarms, Modes
from expectations.state import MODES, Alarm, Mode, State

LACKING = "Nothing is there to fall back to: a person must say how it is to be served"


@dataclass(frozen=True)
class Step:
    """The mode that is to be set, the release that it falls back to, and why: `alarms` names those that ask for it."""

    mode: str
    fallback: str | None
    why: str
    alarms: tuple[str, ...] = ()


def next_step(state: State, model: str, watched: Alarms) -> Step | None:
    """What monitoring changes about how a model that serves is served; None where all is as alarms and people ask."""
    now = state.modes.get(model, Mode())
    wanted = _wanted(state, model, watched)
    if wanted is None:
        return None
    same = (now.name, now.fallback) == (wanted.mode, wanted.fallback)
    # Of what is missing people are told once, and once more when it is there.
    told = (LACKING in now.why) == (LACKING in wanted.why)
    return None if same and told and _still_why(now, wanted) else wanted


def _still_why(now: Mode, wanted: Step) -> bool:
    """Whether an alarm that was the reason is one still: others, of another release, are told anew."""
    return not wanted.alarms or any(f"alarm {name}:" in now.why for name in wanted.alarms)


def _wanted(state: State, model: str, watched: Alarms) -> Step | None:
    person = state.modes.get(model, Mode()).persons()
    alarms = state.alarms.get(model, ())
    asked = strictest(alarms, watched)
    if rank(asked) > rank(person.name):
        speaking = [one for one in alarms if mode_of(one, watched) == asked]
        return _tightened(state, model, asked, speaking, person)
    return _as_the_person_said(state, model, person)


def strictest(alarms: Iterable[Alarm], watched: Alarms) -> str:
    """The strictest mode that one of the alarms asks for; `normal` where none does.

    Law: one alarm more, or one that is worse, never makes it less strict.
    """
    return max((mode_of(one, watched) for one in alarms), key=rank, default="normal")


def mode_of(alarm: Alarm, watched: Alarms) -> str:
    """What one alarm asks for: the strictest of its modes whose threshold it has reached."""
    reached = [name for name, times in _modes(alarm, watched).items() if alarm.times >= times]
    return max(reached, key=rank, default="normal")


def _modes(alarm: Alarm, watched: Alarms) -> Modes:
    """An alarm that the release's own spec says nothing of warns."""
    said = getattr(watched, alarm.name.partition(":")[0], None)
    return WARN if said is None else said.modes


def rank(mode: str) -> int:
    """How strict a mode is: from normal (0) to off."""
    return MODES.index(mode)


def _tightened(state: State, model: str, asked: str, alarms: list[Alarm], person: Mode) -> Step:
    # The words say by how much.
    why = "; ".join(
        f"alarm {one.words if one.words.startswith(f'{one.name}:') else f'{one.name}: {one.words}'}" for one in alarms
    )
    why += f". {_said(person)}" if person.by else ""
    # What a person named answers what guards do not trust, in other modes too.
    kept = person.fallback if can_fall_back(state, model, person.fallback) else None
    names = tuple(one.name for one in alarms)
    if asked != "fallback":
        return Step(asked, kept, why, names)
    found = kept or _before(state, model)
    return Step("fallback", found, why, names) if found else Step("warn", None, f"{LACKING}. {why}", names)


def _before(state: State, model: str) -> str | None:
    """The champion's predecessor, if it can answer in its place."""
    replaced = state.releases[state.models[model]].replaced
    return replaced if can_fall_back(state, model, replaced) else None


def _as_the_person_said(state: State, model: str, person: Mode) -> Step | None:
    kept = person.fallback if can_fall_back(state, model, person.fallback) else None
    if person.name == "fallback" and kept is None:
        # What they named does not stand in any more. To choose another is theirs, and until then it stays as it is.
        return None
    return Step(person.name, kept, f"no alarm asks for more. {_said(person)}".strip())


def _said(person: Mode) -> str:
    return f"{person.by} had set {person.name}: {person.why}" if person.by else ""
