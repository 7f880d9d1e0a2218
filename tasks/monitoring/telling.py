"""Which alarms people and automations were told of, so that a crash loses no event and repeats none.

What was told is written down after it was told. Killed in between it is told again, as the same event.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from expectations.records import canonical_json
from expectations.state import Alarm, Mode, State
from infra.store import Missing, Store


@dataclass(frozen=True)
class Telling:
    """One event: the alarm as it is, or was, and whether it is over."""

    key: str
    alarm: Alarm
    over: bool = False

    @property
    def record(self) -> str:
        """Names the event: once for each time that an alarm is raised, worse, or over."""
        return f"{self.alarm.seq}/over" if self.over else f"{self.alarm.seq}/{self.alarm.times:.3g}"


def untold(store: Store, state: State, model: str) -> list[Telling]:
    """What nobody was told of yet, in order: alarms that are on, or worse, and those that are over."""
    folder = f"monitoring/{model}/told/"
    told, on = store.keys(folder), state.alarms.get(model, ())
    raised = [Telling(f"{folder}{one.seq:012d}/{one.times:.3g}.json", one) for one in on]
    over = _over(store, told, {one.seq for one in on})
    return [one for one in (*over, *raised) if one.key not in told]


def _over(store: Store, told: list[str], on: set[int]) -> list[Telling]:
    """Of each alarm that was told of and is on no more."""
    last = {key.rsplit("/", 1)[0]: key for key in told if not key.endswith("/over.json")}
    ended = [folder for folder in last if f"{folder}/over.json" not in told and int(folder[-12:]) not in on]
    return [Telling(f"{one}/over.json", Alarm(**json.loads(store.get(last[one]))), over=True) for one in ended]


def was_told(store: Store, telling: Telling) -> None:
    """Writes down that it was."""
    store.put_if_absent(telling.key, canonical_json(asdict(telling.alarm)))


def wanted_told_at(store: Store, model: str, turn: str) -> datetime | None:
    """When automations were told first that a model trained anew is wanted; None where they were not."""
    try:
        return datetime.fromisoformat(json.loads(store.get(_wanted_key(model, turn)))["time"])
    except Missing:
        return None


def wanted_is_told(store: Store, model: str, turn: str, now: datetime) -> None:
    """Writes down that they were, the first time."""
    store.put_if_absent(_wanted_key(model, turn), canonical_json({"time": now.isoformat()}))


def _wanted_key(model: str, turn: str) -> str:
    return f"monitoring/{model}/wanted/{turn.replace('/', '-')}.json"


def mode_was_told(store: Store, model: str, mode: Mode) -> bool:
    """Whether people were told that this mode was set."""
    try:
        store.get(_mode_key(model, mode))
    except Missing:
        return False
    return True


def mode_is_told(store: Store, model: str, mode: Mode) -> None:
    """Writes down that they were."""
    store.put_if_absent(_mode_key(model, mode), canonical_json({"mode": mode.name, "why": mode.why}))


def _mode_key(model: str, mode: Mode) -> str:
    return f"monitoring/{model}/modes-told/{mode.since.replace(':', '')}.json"
