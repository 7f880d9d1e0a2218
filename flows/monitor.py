"""The monitor flow: one turn over each model that serves. What it saw is judged, recorded, acted on and told.

It starts from the ledger and the store, and keeps nothing of its own: killed anywhere and run again it counts no row
twice, raises no alarm twice and loses no event.
"""

import time
from datetime import datetime, timedelta
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from expectations.degrading import LACKING
from expectations.errors import CannotAsk
from expectations.history import State
from expectations.state import MONITOR, Mode
from flows import events
from infra.ledger import Ledger
from infra.store import Store, open_store
from tasks.act import act
from tasks.job import open_ledger
from tasks.monitoring.served import served, serving_models
from tasks.monitoring.telling import (
    Telling,
    mode_is_told,
    mode_was_told,
    untold,
    wanted_is_told,
    wanted_told_at,
    was_told,
)
from tasks.monitoring.watch import Turn, look
from tasks.rollout.drive import utc_now

# Prefect forgets after half an hour what it was told.
TOLD_AGAIN = timedelta(minutes=20)


@flow(name="monitor", validate_parameters=False)
def monitor(store: str, model: str | None = None, every_s: float = 0.0, for_s: float = 0.0) -> list[dict[str, Any]]:
    """One turn over each model that serves, or one of them. Raises CannotAsk, at the end, where one could not be asked.

    With `every_s` there are turns until `for_s` seconds after the run was due: a process takes seconds to begin, and
    who looks every few seconds cannot wait for one each time. Returns of each model what the last turn saw: model,
    release, outcome (quiet or alarm), mode, alarms, changes.
    """
    until = (flow_run.get_scheduled_start_time() or utc_now()) + timedelta(seconds=for_s - every_s)
    done = _look(store, model)
    while every_s and utc_now() < until:
        time.sleep(every_s)
        done = _look(store, model)
    return asked(done)


def _look(store: str, model: str | None) -> list[dict[str, Any]]:
    done = turns(store, model)
    for one in done:
        if one["changes"]:
            create_markdown_artifact(_table(one), key="monitor", description=f"Monitoring of {one['model']}")
    log(done)
    return done


def log(done: list[dict[str, Any]]) -> None:
    """Writes what changed, and what could not be asked, into the run's log."""
    for one in done:
        for line in (*one["changes"], *one["problems"]):
            get_run_logger().info("%s: %s", one["model"], line)


def asked(done: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same. Raises CannotAsk where a model could not be asked."""
    problems = [f"{one['model']}: {words}" for one in done for words in one["problems"]]
    if problems:
        raise CannotAsk(*problems)
    return done


def turns(store_url: str, model: str | None = None) -> list[dict[str, Any]]:
    """As `monitor`, without a run of Prefect's; a model that could not be watched has `problems` and hides no other."""
    store, ledger = open_store(store_url), open_ledger(store_url)
    names = serving_models(ledger.state(), model)
    return [_turn(store_url, store, ledger, name) for name in names]


def _turn(store_url: str, store: Store, ledger: Ledger, model: str) -> dict[str, Any]:
    now = utc_now()
    try:
        tell_alarms(store_url, store, ledger, model, now)
        told = _told(look(store, ledger, model, now))
        told["changes"] += act_and_tell(store_url, store, ledger, model, now)
        return told | _standing(ledger.state(), model)
    except Exception as error:  # noqa: BLE001  Whatever is wrong with one, the others are watched.
        problems = problems_of(error)
        return {"model": model, "outcome": "could not ask", "alarms": [], "changes": [], "problems": problems}


def problems_of(error: Exception) -> list[str]:
    """What went wrong with one model, as sentences."""
    return [*error.problems] if isinstance(error, CannotAsk) else [f"{type(error).__name__}: {error}"[:500]]


def act_and_tell(store_url: str, store: Store, ledger: Ledger, model: str, now: datetime) -> list[str]:
    """What follows from the alarms that are on, at once; then people and automations are told. Returns what it did."""
    done = act(ledger, model, now)
    tell_alarms(store_url, store, ledger, model, now)
    tell_mode(store_url, store, ledger.state(), model)
    return done


def tell_alarms(store_url: str, store: Store, ledger: Ledger, model: str, now: datetime) -> None:
    """Tells of each alarm once; and for as long as one is on that asks for a model trained anew, that it does.

    The newest of them speaks for all: what was seen in one turn asks once.
    """
    state = ledger.state()
    for one in untold(store, state, model):
        _tell(store_url, state, one)
        was_told(store, one)
    monitoring = served(store, ledger, model).monitoring
    release = state.releases[state.models[model]]
    parts = {alarm: getattr(monitoring.alarms, alarm.name, None) for alarm in state.alarms.get(model, ())}
    asking = [alarm for alarm, part in parts.items() if part is not None and part.retrain]
    if asking:
        newest = max(asking, key=lambda alarm: alarm.seq)
        turn = events.wanted_turn(newest, monitoring.retrain.cool_down_hours, now)
        told = wanted_told_at(store, model, turn)
        # Told again for a while, as a crash may have kept it from arriving; no longer than Prefect knows it again.
        if (told is None or now - told < TOLD_AGAIN) and events.tell_wanted(store_url, release, newest, turn):
            wanted_is_told(store, model, turn, now)


def _tell(store_url: str, state: State, one: Telling) -> None:
    event, alarm = events.ALARM_ENDED if one.over else events.ALARM, one.alarm
    more = {"alarm": alarm.name, "since": alarm.since, "times": f"{alarm.times:.3g}"}
    events.tell(event, store_url, state.releases[alarm.release], alarm.words, one.record, **more)


def tell_mode(store_url: str, store: Store, state: State, model: str) -> None:
    """Tells once of the mode that alarms asked for; and of a person who is needed, where nothing else helps."""
    mode, release = state.modes.get(model, Mode()), state.releases[state.models[model]]
    if mode.by != MONITOR or mode_was_told(store, model, mode):
        return
    words = f"{mode.name}: {mode.why}"
    events.tell(events.MODE_SET, store_url, release, words, f"mode/{mode.since}", mode=mode.name)
    if LACKING in mode.why:
        events.tell(events.PERSON_WANTED, store_url, release, words, f"mode/{mode.since}", mode=mode.name)
    mode_is_told(store, model, mode)


def _told(turn: Turn) -> dict[str, Any]:
    changes = [f"{one.kind}: {one.body['alarm']}. {one.body.get('words') or one.body['why']}" for one in turn.records]
    return {
        "model": turn.served.model,
        "release": turn.served.release.id,
        "time": turn.kept.time,
        "rows": turn.kept.rows,
        "alarms": [one.as_json() for one in turn.seen],
        "changes": changes,
        "problems": [],
    }


def _standing(state: State, model: str) -> dict[str, Any]:
    on = [
        {"alarm": one.name, "since": one.since, "words": one.words, "times": one.times}
        for one in state.alarms.get(model, ())
    ]
    return {"outcome": "alarm" if on else "quiet", "mode": state.modes.get(model, Mode()).name, "on": on}


def _table(told: dict[str, Any]) -> str:
    rows = [f"| {one['alarm']} | {one['standing']} | {one['words']} |" for one in told["alarms"]]
    changed = [f"- {line}" for line in told["changes"]]
    return "\n".join([*changed, "", "| alarm | answer | what was seen |", "|---|---|---|", *rows])
