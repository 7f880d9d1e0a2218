"""What the ledger is told of alarms: raised, worse, and over."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from expectations.alarms import named
from expectations.history import Record, State
from expectations.monitoring_spec import WatchedAlarm
from expectations.records import plain_json
from expectations.state import MONITOR
from infra.evidence_store import put_json
from tasks.monitoring.seen import Seen
from tasks.monitoring.served import Served
from tasks.traffic import Said


def settle(served: Served, seen: Iterable[Seen], figures: Mapping[str, Any], now: datetime) -> list[Record]:
    """Brings the ledger's alarms to what was seen, and returns the records that it took.

    Law: again at the same moment it writes nothing. `figures` are kept as evidence beside each answer.
    """
    found = [_raise(served, one, figures, now) if one.alarms else _end(served, one) for one in seen]
    return [record for record in found if record]


def _raise(served: Served, one: Seen, figures: Mapping[str, Any], now: datetime) -> Record | None:
    def say(state: State) -> Said | None:
        return (
            ("alarm raised", served.model, _body(served, one, figures, now)) if _is_news(state, served, one) else None
        )

    return served.ledger.decide_and_append(say)


def _is_news(state: State, served: Served, one: Seen) -> bool:
    """An alarm that is on already is raised again where it has grown beyond another mode's threshold."""
    if state.models.get(served.model) != served.release.id:
        return False
    on, part = named(state, served.model, one.name), watched(served, one.name)
    return on is None or (steps(part, _times(one)) > steps(part, on.times) and _times(one) > on.times)


def watched(served: Served, alarm: str) -> WatchedAlarm:
    """The part of the spec that an alarm is about."""
    part: WatchedAlarm = getattr(served.alarms, alarm)
    return part


def steps(part: WatchedAlarm, times: float) -> int:
    """How many of an alarm's modes it has reached."""
    return sum(1 for threshold in part.modes.values() if times >= threshold)


def _times(one: Seen) -> float:
    return min(max(1.0, one.judged.times), 1e9)


def _body(served: Served, one: Seen, figures: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """`delay_s`: from when it began, as far as can be told, until now; `budget_s`: how long that may be."""
    part, since = watched(served, one.name), one.since or now
    evidence = {**one.as_json(), "release": served.release.id, "spec": part.model_dump(mode="json"), **figures}
    return {
        "release": served.release.id,
        "alarm": one.name,
        "words": words(one),
        "times": round(_times(one), 3),
        "by": MONITOR,
        "evidence": put_json(served.store, plain_json(evidence)),
        "began": since.isoformat(timespec="seconds"),
        "delay_s": round(max(0.0, (now - since).total_seconds()), 1),
        "budget_s": 60 * part.react_minutes,
    }


def words(one: Seen) -> str:
    """What was seen, since when, and how sure that is."""
    since = f" Since about {one.since:%Y-%m-%d %H:%M} UTC." if one.since else ""
    sure = f" Odds {min(one.judged.odds, 1e9):,.0f} to 1 against chance." if one.judged.odds > 1 else ""
    return f"{one.judged.words}{since}{sure}"


def _end(served: Served, one: Seen) -> Record | None:
    def say(state: State) -> Said | None:
        on = named(state, served.model, one.name)
        if on is None or not one.calm or state.models.get(served.model) != served.release.id:
            return None
        calm = f"{one.name} was calm for {served.monitoring.calm_minutes:g} minutes"
        why = f"{calm}: at most half a tolerance above what is usual" if one.spoke else one.judged.words
        return "alarm ended", served.model, {"alarm": one.name, "why": why, "by": MONITOR}

    return served.ledger.decide_and_append(say)
