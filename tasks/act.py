"""What follows from the alarms that are on: how the model is served, at once and without anybody being asked."""

from datetime import datetime

from expectations.degrading import next_step
from expectations.history import State
from expectations.monitoring_spec import Alarms
from expectations.state import MONITOR
from infra.ledger import Ledger
from tasks.rollout.plan import approved_spec
from tasks.traffic import Said


def act(ledger: Ledger, model: str, now: datetime) -> list[str]:
    """Sets the mode that the alarms ask for, if it is another. Returns a sentence for each mode that was set.

    `now` with its time zone: how long the oldest alarm has lasted is kept with the mode.
    """
    watched: dict[str, Alarms] = {}

    def say(state: State) -> Said | None:
        if (champion := state.models.get(model)) is None:
            return None
        if champion not in watched:
            release = state.releases[champion]
            watched[champion] = approved_spec(ledger.store, ledger, release).monitoring.alarms
        step = next_step(state, model, watched[champion])
        if step is None:
            return None
        body = {"mode": step.mode, "fallback": step.fallback, "why": step.why, "by": MONITOR}
        return "mode set", model, {**body, "alarm_seconds": _lasted(state, model, now)}

    record = ledger.decide_and_append(say)
    return [f"{model}: {record.body['mode']}. {record.body['why']}"] if record else []


def _lasted(state: State, model: str, now: datetime) -> float | None:
    """Seconds since the first of the alarms that are on was raised; None where none is."""
    began = [datetime.fromisoformat(one.since) for one in state.alarms.get(model, ())]
    return max(0.0, (now - min(began)).total_seconds()) if began else None
