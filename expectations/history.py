"""What the ledger says: the fold over its records, and which record is legal next."""

from collections.abc import Iterable

from expectations import alarms, attached, modes, people, releases, traffic
from expectations.state import Body, Record, Release, State
from expectations.state_json import state_from_json
from expectations.transitions import Transition

__all__ = ["NOTHING_YET", "Record", "Release", "State", "fold", "refusal", "state_from_json"]

NOTHING_YET = State()
TRANSITIONS: dict[str, Transition] = {
    **people.TRANSITIONS,
    **attached.TRANSITIONS,
    **releases.TRANSITIONS,
    **traffic.TRANSITIONS,
    **modes.TRANSITIONS,
    **alarms.TRANSITIONS,
}


def fold(records: Iterable[Record], state: State = NOTHING_YET) -> State:
    """The state after all records that follow `state`; one that is not legal changes nothing.

    Law: fold(a + b) == fold(b, fold(a)).
    """
    draft = state.copy()
    for record in records:
        if record.kind in TRANSITIONS and refusal(draft, record.kind, record.model, record.body, record.time) is None:
            TRANSITIONS[record.kind].apply(draft, record)
    return draft


def refusal(state: State, kind: str, model: str, body: Body, now: str = "") -> str | None:
    """Why a record would not be legal now, as a sentence; None where it is.

    `now` is the time that the record would have; without one no lease has run out.
    """
    if kind == "store opened":
        return None
    if kind not in TRANSITIONS:
        return f"{kind!r} is no kind of record."
    transition = TRANSITIONS[kind]
    wrong = [n for n, types in transition.fields.items() if n not in body or not isinstance(body[n], types)]
    if wrong:
        return f"{kind}: missing, or of another type: {', '.join(wrong)}."
    return transition.refusal(state, model, body, now)
