"""Does the package take live values as it should? Every key of the frozen table, and keys that it does not hold."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.live import FRESH, NOT_ASKED, STALE, UNANSWERED, UNKNOWN
from infra.runtime import Scorer
from tasks.guards.plan import Flags, Floats, Lookup

NO_STATE = -7


def replay_live(scorer: Scorer, table: Lookup, asked: pd.DataFrame, frozen: Floats, known: Flags) -> Flags:
    """(n,) is a row answered otherwise than it should be? `asked` has one row for each key, `frozen` (n, columns) what
    the frozen table says of it, `known` whether it holds it.

    A live value that is the frozen one changes no output at all, and neither does a key that both do not know; another
    one is what the model gets; where there is none the frozen one is, and each reason is told.
    """
    plain, nothing = scorer.answers(asked), np.full_like(frozen, np.nan)
    same = scorer.answers(with_live(table, asked, frozen, FRESH))
    none = scorer.answers(with_live(table, asked, nothing, UNKNOWN))
    wrong = np.where(known, _differs(same, plain), _differs(none, plain))
    other = np.where(np.isnan(frozen), 0.0, frozen) + 1.5
    never, always = np.zeros(len(asked), dtype=bool), np.ones(len(asked), dtype=bool)
    lost, here = ~np.isnan(frozen), np.zeros(frozen.shape, dtype=bool)
    for state, given, expected, reasons, missing in (
        (FRESH, other, other, (never, never, never), here),
        (STALE, other, other, (never, always, never), here),
        (FRESH, nothing, frozen, (never, never, never), lost),
        (STALE, nothing, frozen, (never, always, never), lost),
        (NOT_ASKED, nothing, frozen, (~known, never, never), here),
        (UNANSWERED, nothing, frozen, (~known, never, always), here),
        (UNKNOWN, nothing, frozen, (always, never, never), here),
        (NO_STATE, nothing, frozen, (always, never, never), here),
    ):
        answer = scorer.answers(with_live(table, asked, given, state))
        wrong |= ~_same_rows(_looked_up(scorer, table, answer), expected)
        wrong |= ~_same_rows(_flags(scorer, table, answer), np.column_stack([*reasons, missing]))
    return np.asarray(wrong, dtype=np.bool_)


def with_live(table: Lookup, rows: pd.DataFrame, values: Floats, state: int) -> pd.DataFrame:
    """The rows as a gateway sends them on: `values` (n, columns), all of one state."""
    *columns, told = table.live_inputs()
    return rows.assign(**{name: values[:, at] for at, name in enumerate(columns)}, **{told: state})


def planted_live(rows: pd.DataFrame, tables: Sequence[Lookup]) -> pd.DataFrame:
    """The rows with nothing looked up live, and of each table the first row in every state, with a value of 1.5."""
    quiet = rows
    for table in tables:
        if table.live:
            quiet = with_live(table, quiet, np.full((len(quiet), len(table.columns)), np.nan), NOT_ASKED)
    first = quiet.head(1)
    said = [
        with_live(table, first, np.full((len(first), len(table.columns)), value), state)
        for table in tables
        if table.live
        for state, value in ((FRESH, 1.5), (FRESH, np.nan), (STALE, 1.5), (UNANSWERED, np.nan), (UNKNOWN, np.nan))
    ]
    return pd.concat([quiet, *said], ignore_index=True)


def _looked_up(scorer: Scorer, table: Lookup, answer: dict[str, npt.NDArray[Any]]) -> Floats:
    """(n, columns) what the model was given of this table."""
    before = 0
    for other in scorer.signature["guards"]["lookups"]:
        if other["source"] == table.source:
            break
        before += len(other["columns"])
    return np.asarray(answer["looked_up"][:, before : before + len(table.columns)], dtype=np.float64)


def _flags(scorer: Scorer, table: Lookup, answer: dict[str, npt.NDArray[Any]]) -> Flags:
    names = scorer.signature["reasons"]["flags"]
    return np.asarray(answer["flags"][:, [names.index(words) for _, words in table.flags()]], dtype=np.bool_)


def _differs(one: dict[str, npt.NDArray[Any]], other: dict[str, npt.NDArray[Any]]) -> Flags:
    return np.asarray(~np.all([_same_rows(one[name], other[name]) for name in one], axis=0))


def _same_rows(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> Flags:
    """(n,) alike in every column; a missing number is like a missing number."""
    return np.asarray(((one == other) | ((one != one) & (other != other))).all(axis=1))
