"""Alarms of a model that serves, and how it was trained anew because of one: records, and when they are legal."""

from dataclasses import replace

from expectations.state import Alarm, Body, Record, Refusal, Retraining, State, evidence_of
from expectations.transitions import Transition


def _check_raised(state: State, model: str, body: Body, _now: str) -> str | None:
    if state.models.get(model) != body["release"]:
        return f"{body['release']} does not serve as {model}: an alarm is about what serves."
    if isinstance(body["times"], bool) or not 1 <= body["times"] < float("inf"):
        return f"an alarm is beyond its tolerance at least once, found {body['times']}."
    on = named(state, model, body["alarm"])
    if on and body["times"] <= on.times:
        return f"{model}: the alarm {body['alarm']!r} is on already, and is not worse now."
    return None if body["words"].strip() else "an alarm says what was seen."


def _raised(draft: State, record: Record) -> None:
    """A new alarm, or one that is on already and is worse now."""
    body, on = record.body, named(draft, record.model, record.body["alarm"])
    seq, since = (on.seq, on.since) if on else (record.seq, record.time)
    times, evidence = float(body["times"]), evidence_of(body)
    one = Alarm(seq, body["alarm"], body["release"], since, body["words"], times, evidence)
    draft.alarms[record.model] = (*_others(draft, record), one)


def named(state: State, model: str, alarm: str) -> Alarm | None:
    """The model's alarm of that name, while it is on."""
    return next((one for one in state.alarms.get(model, ()) if one.name == alarm), None)


def _others(state: State, record: Record) -> tuple[Alarm, ...]:
    return tuple(one for one in state.alarms.get(record.model, ()) if one.name != record.body["alarm"])


def _check_ended(state: State, model: str, body: Body, _now: str) -> str | None:
    if named(state, model, body["alarm"]) is None:
        return f"{model}: no alarm {body['alarm']!r} is on."
    return None if body["why"].strip() else "the end of an alarm has a reason."


def _ended(draft: State, record: Record) -> None:
    draft.alarms[record.model] = _others(draft, record)


def _check_begun(state: State, model: str, body: Body, now: str) -> str | None:
    last = state.retrainings.get(model)
    if state.models.get(model) != body["release"]:
        return f"{body['release']} does not serve as {model}: what serves is trained anew."
    if last and last.status == "begun" and now <= last.until:
        return f"{model} is being trained anew since {last.began}: one at a time."
    return None if body["cause"].strip() else "a model is trained anew for a reason."


def _begun(draft: State, record: Record) -> None:
    body, since = record.body, str(record.body.get("since") or "")
    begun = Retraining(body["cause"], record.time, body["until"], body["as_of"], release=body["release"], since=since)
    draft.retrainings[record.model] = begun


def _check_refused(state: State, model: str, body: Body, _now: str) -> str | None:
    if model not in state.models:
        return f"{model}: nothing serves, so nothing is trained anew."
    return None if body["why"].strip() else "a refusal has a reason."


def _refused(draft: State, record: Record) -> None:
    """It changes nothing; the last one is kept, for whoever is to be told."""
    body = record.body
    draft.refusals[record.model] = Refusal(record.seq, record.time, body["cause"], body["why"])


def _check_finished(state: State, model: str, body: Body, _now: str) -> str | None:
    last = state.retrainings.get(model)
    if last is None or last.status != "begun" or last.began != body["began"]:
        return f"{model}: no training that began at {body['began']} is under way."
    return None if body["why"].strip() else "an end has a reason."


def _finished(draft: State, record: Record) -> None:
    body, last = record.body, draft.retrainings[record.model]
    ended = replace(last, status="ended", candidate=body.get("candidate"), why=body["why"], ended=record.time)
    draft.retrainings[record.model] = ended


TRANSITIONS = {
    "alarm raised": Transition(
        {"release": str, "alarm": str, "words": str, "times": (int, float), "by": str}, _check_raised, _raised
    ),
    "alarm ended": Transition({"alarm": str, "why": str, "by": str}, _check_ended, _ended),
    "retraining begun": Transition({"release": str, "cause": str, "until": str, "as_of": str}, _check_begun, _begun),
    "retraining refused": Transition({"cause": str, "why": str}, _check_refused, _refused),
    "retraining ended": Transition({"began": str, "why": str, "seconds": (int, float)}, _check_finished, _finished),
}
