"""What monitoring has seen of a release, kept from turn to turn.

Each turn with news is `monitoring/<model>/<release>/<term>/<number>.json`: a few bytes that name the blob of all that
was seen so far. The number is taken by a conditional write. So of two monitors one counts what came, and the other goes
on from there; and whoever is killed leaves either the whole turn behind, or nothing of it.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from expectations.errors import CannotAsk
from expectations.records import canonical_json, plain_json
from infra.evidence_store import get_json, put_json
from infra.store import Missing, Store, blob_key
from tasks.monitoring.names import full, short

# Of so many turns what they saw is held, for whoever reads one just now.
HELD = 10


@dataclass(frozen=True)
class Kept:
    """All that was seen up to turn `number` (-1: nothing yet).

    `running`: sums of the alarms, as `judging` writes them; `yardsticks` the digest of what they are held against.
    `last`: when the model was asked last, by whomever it was answered; `resumed`: since when it is asked again after a
    silence.
    `hours` and `days`: figures for people, by period. `read`: names of the log's files, by kind.
    """

    since: str
    yardsticks: str
    number: int = -1
    time: str = ""
    rows: int = 0
    running: Any = None
    last: str | None = None
    resumed: str | None = None
    hours: tuple[dict[str, Any], ...] = ()
    days: str | None = None
    read: dict[str, frozenset[str]] = field(default_factory=dict)


def newest(store: Store, folder: str) -> Kept | None:
    """What was kept last; None where nothing was. Raises Missing where its blob is gone."""
    number = _last_number(store, folder)
    if number < 0:
        return None
    values = get_json(store, json.loads(store.get(_key(folder, number)))["seen"])
    read = {kind: frozenset(full(names)) for kind, names in values["read"].items()}
    return Kept(**{**values, "hours": tuple(values["hours"]), "read": read, "number": number})


def keep(store: Store, folder: str, kept: Kept) -> bool:
    """Whether this is turn `kept.number`; false where another monitor has written that turn."""
    values = {**asdict(replace(kept, read={})), "read": {kind: short(names) for kind, names in kept.read.items()}}
    told = {"time": kept.time, "seen": put_json(store, plain_json(values))}
    first = store.put_if_absent(_key(folder, kept.number), canonical_json(told))
    if first and kept.number >= HELD:
        _forget(store, folder, kept.number - HELD)
    return first


def _forget(store: Store, folder: str, number: int) -> None:
    """Takes away what an old turn saw: a later one holds it too. What a store does not let go of, `gc` may take."""
    with suppress(CannotAsk):
        store.remove(blob_key(json.loads(store.get(_key(folder, number)))["seen"]))


def _key(folder: str, number: int) -> str:
    return f"{folder}/{number:09d}.json"


def _last_number(store: Store, folder: str) -> int:
    """By doubling and halving: a folder with a year's turns is never listed. -1 where there is none."""
    step = 1
    while _is_there(store, folder, step - 1):
        step *= 2
    low, high = step // 2 - 1, step - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _is_there(store, folder, middle) else (low, middle)
    return low


def _is_there(store: Store, folder: str, number: int) -> bool:
    try:
        store.get(_key(folder, number))
    except Missing:
        return False
    return True
