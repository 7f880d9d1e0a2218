"""The flow that keeps asking: on a schedule it holds the ledger beside Prefect's runs, and mends what differs.

A new empty Prefect database, a restart, a form that timed out and an event that was lost heal within one turn.
"""

from datetime import UTC, datetime

from prefect import flow
from prefect.logging import get_run_logger

from expectations.history import State
from flows import events
from infra import prefect_runs
from infra.ledger import now as now_text
from tasks.decide import take_in
from tasks.job import open_ledger
from tasks.retraining import turn
from tasks.retraining.turn import Asked
from tasks.wait import Act, forms, news, reports, retrainings, rollouts, tellings, waiting


@flow(name="remind", validate_parameters=False)
def remind(
    store: str,
    deployment: str,
    form_hours: float = 168.0,
    remind_hours: float = 24.0,
    escalate_hours: float = 72.0,
    notify: str | None = None,
) -> list[str]:
    """One turn: a form for each release that waits and no other, reminders, rollouts. Returns what it did."""
    ledger, now = open_ledger(store), datetime.now(UTC)
    # Signed elsewhere and handed in: this account holds the ledger's key.
    taken = [one.id for one, why in take_in(ledger) if not why]
    state = ledger.state()
    since = waiting(ledger, state, now_text())
    done = forms(state, since, prefect_runs.runs_of("decide", deployment), now)
    told_before = {run.key for run in prefect_runs.runs_of("tell", deployment)}
    serving = {model: state.releases[name] for model, name in state.models.items()}
    told = [*tellings(since, now, remind_hours, escalate_hours), *reports(state, serving), *news(state, serving)]
    done += [act for act in told if act.key not in told_before]
    done += rollouts(state, since, prefect_runs.runs_of("rollout", deployment), now)
    running = {model: prefect_runs.runs_of("retrain", f"{model} in {deployment}") for model in serving}
    done += retrainings(state, running, now)
    for act in done:
        _do(act, state, store, deployment, form_hours, notify)
    lines = [f"take in {name}: a decision that was handed in" for name in taken]
    lines += [f"{act.kind} {act.told}".strip() + f" {act.release}: {act.words}" for act in done]
    for line in lines:
        get_run_logger().info(line)
    return lines


def _do(act: Act, state: State, store: str, deployment: str, form_hours: float, notify: str | None) -> None:
    mine = {"store": store, "release": act.release}
    if act.kind == "ask":
        parameters = {**mine, "model": state.releases[act.release].model, "hours": form_hours}
        prefect_runs.start("decide", deployment, parameters, act.key)
    elif act.kind == "tell":
        parameters = {**mine, "told": act.told, "words": act.words, "notify": notify}
        prefect_runs.start("tell", deployment, parameters, act.key)
    elif act.kind == "train anew":
        release, asked = state.releases[act.release], {"cause": act.cause, "since": act.since}
        events.tell(events.RETRAINING_WANTED, store, release, act.words, act.key, **asked)
    elif act.kind == "end training":
        release = state.releases[act.release]
        begun = state.retrainings[release.model]
        record = turn.give_up(Asked(store, release.model, "", begun.cause, begun.since or None), begun, act.words)
        events.tell(events.RETRAINING_ENDED, store, release, act.words, record.seq if record else None)
    elif act.kind == "roll out":
        events.tell(events.APPROVED, store, state.releases[act.release], act.words)
    else:
        end = {"close": prefect_runs.close, "give up": prefect_runs.give_up}[act.kind]
        end(act.run, act.words)
