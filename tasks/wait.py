"""What is to be done so that everybody who is waited for is asked and told: the ledger beside Prefect's runs.

Pure: it says what to do, and does nothing. Done twice it does no harm: every start has a key that counts once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from expectations.history import Release, State
from expectations.state import MONITOR, Mode
from infra.ledger import Ledger
from infra.prefect_runs import Run
from tasks.ask import waits

# The event of a release that begins to wait comes first; its run is not started twice.
GRACE = timedelta(seconds=30)
# A decision is read in seconds: whoever is at it for longer is gone.
GONE = timedelta(minutes=10)
# A process begins in seconds: who was to, and did not for so long, is gone.
UNBORN = timedelta(minutes=5)
# What failed is not started again at once: it would fail again.
AGAIN = timedelta(minutes=5)
# A retraining that failed so often, and whose time is up, is begun no more.
HOPELESS = 3
REPORT = "misbehaviour"
# What is told of a model that serves, whether or not a release waits: the event was told when it happened.
NEWS = ("alarm", "mode", "retraining refused")


@dataclass(frozen=True)
class Act:
    """One thing to do, for one release. `run` is the one to end; `key` makes a start count once; `words` say why.

    A retraining is asked for with the `cause`, and `since` when its alarm is on.
    """

    kind: Literal["ask", "close", "give up", "tell", "roll out", "train anew", "end training"]
    release: str
    words: str
    run: str = ""
    key: str = ""
    told: str = ""
    cause: str = ""
    since: str = ""


def waiting(ledger: Ledger, state: State, now: str) -> dict[str, datetime]:
    """Each release that decisions are asked for, and since when."""
    found = [one for one in state.releases.values() if waits(state, one, now)]
    return {one.id: _since(ledger, one, now) for one in found}


def _since(ledger: Ledger, release: Release, now: str) -> datetime:
    lapsed = [one.expires for one in release.approvals if one.expires <= now]
    return datetime.fromisoformat(max([ledger.judged_time(release), *lapsed]))


def forms(state: State, since: Mapping[str, datetime], runs: Iterable[Run], now: datetime) -> list[Act]:
    """One form for each release that waits, and no other."""
    runs = sorted(runs, key=lambda run: run.since)
    done: list[Act] = []
    asked: set[str] = set()
    for run in runs:
        release = str(run.parameters.get("release"))
        if act := _end(state, since, run, release in asked, now):
            done.append(act)
        elif run.is_open:
            asked.add(release)
    ended = {str(run.parameters.get("release")): run for run in runs if not run.is_open}
    missing = [name for name in since if name not in asked and now - since[name] >= GRACE]
    return done + [_ask(name, ended.get(name)) for name in missing if not _failed_just_now(ended.get(name), now)]


def _end(state: State, since: Mapping[str, datetime], run: Run, twice: bool, now: datetime) -> Act | None:
    """Why an open run is to be ended, if it is."""
    release = str(run.parameters.get("release"))
    if run.is_busy and now - run.since > GONE:
        return Act("give up", release, "its process is gone", run=run.id)
    if not run.is_suspended:
        return None
    if release not in since:
        known = state.releases.get(release)
        return Act("close", release, f"{release} is {known.status if known else 'unknown'}", run=run.id)
    if not run.asks:
        return Act("close", release, "its form was never saved", run=run.id)
    return Act("close", release, "another form is open", run=run.id) if twice else None


def _failed_just_now(last: Run | None, now: datetime) -> bool:
    return last is not None and last.failed and now - last.since < AGAIN


def _ask(release: str, last: Run | None) -> Act:
    key = f"{release}/form after {last.id if last else 'none'}"
    return Act("ask", release, "it waits, and no form is open", key=key)


def tellings(since: Mapping[str, datetime], now: datetime, remind_hours: float, escalate_hours: float) -> list[Act]:
    """What people are to have been told by now; of reminders only the last."""
    done = []
    for release, began in since.items():
        hours = (now - began) / timedelta(hours=1)
        waits_for = f"{release} has waited for a decision since {began:%Y-%m-%d %H:%M} UTC"
        done.append(Act("tell", release, f"{release} waits for a decision", key=f"{release}/{began}/due", told="due"))
        if (turn := int(hours // remind_hours)) >= 1:
            key = f"{release}/{began}/reminder {turn}"
            done.append(Act("tell", release, waits_for, key=key, told="reminder"))
        if hours >= escalate_hours:
            words = f"{waits_for}: {escalate_hours:g} hours and more. Whoever is responsible, look after it"
            done.append(Act("tell", release, words, key=f"{release}/{began}/escalation", told="escalation"))
    return done


def reports(state: State, owners: Mapping[str, Release]) -> list[Act]:
    """The reports of misbehaviour, each to be told once, of the release that serves."""
    return [
        Act(
            "tell",
            owners[model].id,
            f"{model}: {one.by} reports: {one.words}"[:500],
            key=f"report {one.seq}",
            told=REPORT,
        )
        for model, told in state.reports.items()
        if model in owners
        for one in told
    ]


def news(state: State, owners: Mapping[str, Release]) -> list[Act]:
    """What monitoring saw and did, each to be told once to whoever answers for the model that serves."""
    found = []
    for model, release in owners.items():
        for alarm in state.alarms.get(model, ()):
            found.append((release, "alarm", f"alarm {alarm.seq}", f"alarm {alarm.name}: {alarm.words}"))
        mode = state.modes.get(model, Mode())
        if mode.by == MONITOR:
            found.append((release, "mode", f"mode {mode.since}", f"it is served in the mode {mode.name}: {mode.why}"))
        if refusal := state.refusals.get(model):
            words = f"it is not trained anew: {refusal.why}"
            found.append((release, "retraining refused", f"refusal {refusal.seq}", words))
    return [
        Act("tell", release.id, f"{release.model}: {words}"[:500], key=f"{release.model} {key}", told=told)
        for release, told, key, words in found
    ]


def retrainings(state: State, runs: Mapping[str, Sequence[Run]], now: datetime) -> list[Act]:
    """Those that nobody goes on with; `runs` are those of the flow `retrain`, of each model that serves.

    What was begun stands in the ledger. What was asked for, and whose process was gone before the ledger heard of it,
    only Prefect knows.
    """
    done = []
    for model, release in state.models.items():
        some = runs.get(model, ())
        unborn = [run for run in some if run.is_pending and now - run.since > UNBORN]
        done += [Act("give up", release, "its process never began", run=run.id) for run in unborn]
        if not any(_stands(run, now) for run in some if run not in unborn):
            done += _gone_on_with(state, model, some, now)
    return done


def _gone_on_with(state: State, model: str, some: Sequence[Run], now: datetime) -> list[Act]:
    """What is asked for once more, or ended, where none of the runs is at it any more."""
    last = max(some, key=lambda run: run.asked, default=None)
    begun, key = state.retrainings.get(model), f"{model} after {last.id if last else 'none'}"
    if begun and begun.status == "begun":
        failed = [run for run in some if run.failed and run.asked >= datetime.fromisoformat(begun.began)]
        if len(failed) >= HOPELESS and now > datetime.fromisoformat(begun.until):
            words = f"it failed {len(failed)} times, and its time was up at {begun.until}. Its runs in Prefect say why"
            return [Act("end training", state.models[model], words, key=key)]
        words, cause, since = f"nobody goes on with what began at {begun.began}", begun.cause, begun.since
        lost = now - datetime.fromisoformat(begun.began) >= AGAIN
    elif last and (last.crashed or last.is_pending):
        words = f"what was asked for at {last.asked:%Y-%m-%d %H:%M} UTC was never begun"
        cause, since = (str(last.parameters.get(name) or "") for name in ("cause", "since"))
        lost = not _heard(state, model, last)
    else:
        return []
    return [Act("train anew", state.models[model], words, key=key, cause=cause, since=since)] if lost else []


def _heard(state: State, model: str, run: Run) -> bool:
    """Whether the ledger says what came of it."""
    begun, refused = state.retrainings.get(model), state.refusals.get(model)
    times = [one for one in (begun and begun.began, refused and refused.time) if one]
    return any(datetime.fromisoformat(time) >= run.asked for time in times)


def rollouts(state: State, since: Mapping[str, datetime], runs: Iterable[Run], now: datetime) -> list[Act]:
    """Approved releases that nobody rolls out, and rollouts that nobody holds any more: they are gone on with.

    A lease that has run out is the sign that a run is dead, whatever Prefect says of it.
    """
    approved = [one for one in state.releases.values() if one.status == "approved" and one.id not in since]
    lapsed = [
        state.releases[one.release]
        for one in state.rollouts.values()
        if one.status == "running" and datetime.fromisoformat(one.lease_until) < now
    ]
    runs = list(runs)
    dead = [(one, run) for one in lapsed for run in runs if _is_of(run, one) and run.is_busy and now - run.since > GONE]
    ended = {run.id for _, run in dead}
    return [
        *(Act("give up", one.id, "its lease has run out: its process is gone", run=run.id) for one, run in dead),
        *(
            Act("roll out", one.id, f"it is {one.status}, and no rollout of it runs")
            for one in [*approved, *lapsed]
            if not any(_is_of(run, one) and _stands(run, now) for run in runs if run.id not in ended)
        ),
    ]


def _stands(run: Run, now: datetime) -> bool:
    return run.is_open or now - run.since < AGAIN


def _is_of(run: Run, release: Release) -> bool:
    # Without a release the rollout takes the one that is approved.
    return run.parameters.get("model") == release.model and run.parameters.get("release") in (None, release.id)
