"""Can a live lookup be asked as a gateway will ask it? One row per check."""

import contextlib
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from expectations.errors import CannotAsk
from expectations.live import LiveLookup
from expectations.verdicts import Outcome
from infra.sources.live import Key, Line, Looked, RedisLine, open_line
from infra.sources.probing import MEND, _row
from infra.sources.rights import RIGHTS, may_write

# What a first question costs a server once is no part of how long its answers take.
WITHIN = 0.95
NO_SUCH_TEXT, NO_SUCH_NUMBER = "\x1f no such key", -(2**53) + 1


def probe_live(
    name: str, live: LiveLookup, columns: Sequence[str], frozen: Mapping[Key, tuple[float, ...]]
) -> list[dict[str, Any]]:
    """One row per check: connection, permission, answer, latency, agreement with the `frozen` values of some keys.

    A source that is away gives one errored row. Writes nothing, and never raises CannotAsk.
    """
    began = time.perf_counter()
    try:
        line = open_line(name, live, columns)
        with contextlib.closing(line):
            row = _row(name, "connection", Outcome.PASSED, "a source that answers", "connected", "", began)
            looked, spent = _ask_all(line, [*frozen, _no_such(frozen)])
            permission = _permission(name, live, line)
    except CannotAsk as error:
        remedy = "Bring it back and run again."
        return [_row(name, "connection", Outcome.ERRORED, "a source that answers", str(error), remedy, began)]
    *known, unknown = looked
    answer = _answer(name, columns, known, unknown)
    latency, agreement = _latency(name, live, spent), _agreement(name, frozen, known)
    return [row, permission, answer, latency, *([agreement] if answer["outcome"] == Outcome.PASSED else [])]


def _no_such(frozen: Mapping[Key, tuple[float, ...]]) -> Key:
    return NO_SUCH_TEXT if all(isinstance(key, str) for key in frozen) else NO_SUCH_NUMBER


def _ask_all(line: Line, keys: Sequence[Key]) -> tuple[list[Looked], list[float]]:
    """What the source says of each key, and the milliseconds that it took."""
    line.ask(keys[0])
    looked, spent = [], []
    for key in keys:
        began = time.perf_counter()
        looked.append(line.ask(key))
        spent.append((time.perf_counter() - began) * 1000)
    return looked, spent


def _permission(name: str, live: LiveLookup, line: Line) -> dict[str, Any]:
    """Least privilege: a gateway reads, so its identity must not be able to write."""
    expected = "an identity that reads and cannot write"
    if isinstance(line, RedisLine):
        writes = line.may_write()
        if writes is None:
            return _row(name, "permission", Outcome.PASSED, expected, "reads only")
        remedy = f"ACL SETUSER NAME on >PASSWORD resetkeys ~{live.prefix}* -@all +exists +hmget +ping +hello"
        return _row(name, "permission", Outcome.FAILED, expected, f"it may {writes}", remedy)
    kind, how = may_write(name, live.url)
    if kind not in RIGHTS:
        return _row(name, "permission", Outcome.NOT_APPLICABLE, expected, f"rights cannot be asked of {kind}")
    if how is None:
        return _row(name, "permission", Outcome.PASSED, expected, "reads only")
    return _row(name, "permission", Outcome.FAILED, expected, *how)


def _answer(name: str, columns: Sequence[str], known: Sequence[Looked], unknown: Looked) -> dict[str, Any]:
    expected = f"the number(s) {', '.join(columns)} for a key, and nothing for one that it cannot hold"
    wrong = [one.wrong for one in (*known, unknown) if one.wrong]
    if wrong:
        return _row(name, "answer", Outcome.FAILED, expected, f"for {len(wrong)} key(s): {wrong[0]}", MEND)
    if unknown.values is not None:
        return _row(name, "answer", Outcome.FAILED, expected, "an answer for a key that no table holds", MEND)
    return _row(name, "answer", Outcome.PASSED, expected, f"{len(known)} key(s) asked")


def _latency(name: str, live: LiveLookup, spent: Sequence[float]) -> dict[str, Any]:
    expected = f"{WITHIN:.0%} of answers within {live.timeout_ms:g} ms"
    inside = sum(one <= live.timeout_ms for one in spent)
    found = f"{inside} of {len(spent)}, the slowest after {max(spent):,.1f} ms"
    if inside >= WITHIN * len(spent):
        return _row(name, "latency", Outcome.PASSED, expected, found)
    remedy = "Give the key an index, or more time in timeout_ms."
    return _row(name, "latency", Outcome.FAILED, expected, found, remedy)


def _agreement(name: str, frozen: Mapping[Key, tuple[float, ...]], known: Sequence[Looked]) -> dict[str, Any]:
    """A difference stops nothing: values change, and that is what a live lookup is for. But people are told."""
    expected = "the frozen values of the same keys"
    pairs = [(one.values, frozen[key]) for key, one in zip(frozen, known, strict=True)]
    lost = sum(said is None for said, _ in pairs)
    other = sum(said is not None and _differ(said, held) for said, held in pairs)
    if not lost and not other:
        return _row(name, "agreement", Outcome.PASSED, expected, f"the same for {len(pairs)} key(s)")
    # No key is shown: it may be of a column whose values a dossier hides.
    found = f"of {len(pairs)} key(s) {other} have another value and {lost} are not there"
    remedy = "Freeze the table from the same place, or see whether so much may have changed since."
    return _row(name, "agreement", Outcome.WARNED, expected, found, remedy)


def _differ(one: Sequence[float], other: Sequence[float]) -> bool:
    return any(a != b and not (math.isnan(a) and math.isnan(b)) for a, b in zip(one, other, strict=True))
