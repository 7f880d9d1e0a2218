"""A random search for records on which the package crashes or trusts an answer that cannot be one.

The way of property-based tests (Claessen and Hughes 2000): make records at random, look for one that breaks a law, and
shrink it. Records begin as test records; a few columns get values of a palette that breaks much software.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.qualification.answered import Answered, Interval, answered
from tasks.qualification.case import Case
from tasks.qualification.columns import Column
from tasks.qualification.look_alikes import KINDS, look_alike
from tasks.qualification.provoking import NEVER_SEEN, beyond, sent_rows

CRASH, NAN, IMPLAUSIBLE = "crash", "NaN or infinite, and trusted", "implausible, and trusted"
BATCH, MOST_COLUMNS = 500, 5
# A search shrinks and shows so many; it goes on counting.
MOST_SHOWN = 5
LONG = "a" * 10_000
TEXTS: tuple[Any, ...] = (None, "", " ", NEVER_SEEN, "nan", "None", "0", "-1e308", "\x00", "🛳️", "\u202eabc", LONG)
NUMBERS = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 1e30, -1e30, 1e308, -1e308, 1e-300, 3.5e38, 2.0**53 + 1)
Flags = npt.NDArray[np.bool_]
Changes = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """One record that broke the law `what`: the changes that it takes, no fewer do."""

    what: str
    changes: Mapping[str, Any]
    crash: str = ""


@dataclass
class Search:
    """What a search of `n` records came to: how many broke each law, and the first of them, shrunk."""

    n: int
    counts: dict[str, int]
    found: list[Found]
    refused: int = 0
    nan: int = 0


def broken(answer: Answered) -> dict[str, Flags]:
    """By law: (n,) which records break it."""
    crash = np.full(len(answer), bool(answer.crash))
    return {
        CRASH: crash,
        NAN: ~crash & answer.trusted & ~answer.finite,
        IMPLAUSIBLE: ~crash & answer.trusted & answer.finite & ~answer.plausible,
    }


def search(case: Case, n: int, plausible: Interval, rng: np.random.Generator) -> Search:
    """`n` random records in batches, repeatable by the generator's seed. A batch that crashes is halved until the
    record is alone."""
    rows, result = sent_rows(case), Search(0, dict.fromkeys((CRASH, NAN, IMPLAUSIBLE), 0), [])
    while result.n < n and len(rows):
        size = min(BATCH, n - result.n)
        base = rng.integers(0, len(rows), size)
        frame, changed = mutated(case, rows.iloc[base].reset_index(drop=True), rows, rng)
        for start, answer in halved(case, frame, plausible):
            _count(case, result, (rows.iloc[base], frame, changed), start, answer, plausible)
        result.n += size
    return result


def mutated(
    case: Case, frame: pd.DataFrame, pool: pd.DataFrame, rng: np.random.Generator
) -> tuple[pd.DataFrame, Flags]:
    """The records with one to five columns each set to something odd; (n, k) which."""
    n, width = frame.shape
    count = rng.integers(1, min(MOST_COLUMNS, width) + 1, n)
    changed = rng.random((n, width)).argsort(axis=1) < count[:, None]
    other = {}
    for at, column in enumerate(case.columns):
        values, rows = frame[column.name].to_numpy(copy=True), np.flatnonzero(changed[:, at])
        values[rows] = _odd(column, values[rows], pool[column.name].to_numpy(), rng)
        other[column.name] = values
    return pd.DataFrame(other), changed


def _odd(column: Column, values: npt.NDArray[Any], pool: npt.NDArray[Any], rng: np.random.Generator) -> Any:
    if column.kind == "number":
        far = beyond(column) if np.isfinite(column.lower) else 1.0
        edges = [np.nan_to_num(edge) for edge in (column.lower, column.upper)]
        fixed = np.array([*NUMBERS, *edges, edges[0] - far, edges[1] + far, np.nextafter(edges[1], np.inf)])
        ways = [rng.choice(fixed, len(values)), values * 1000, -values, pool[rng.integers(0, len(pool), len(values))]]
        return np.choose(rng.choice(4, len(values), p=[0.7, 0.1, 0.1, 0.1]), ways)
    made = [_odd_text(value, pool, rng) for value in values]
    return np.fromiter(made, dtype=object, count=len(made))


def _odd_text(value: Any, pool: npt.NDArray[Any], rng: np.random.Generator) -> Any:
    way = rng.random()
    if way < 0.6:
        return TEXTS[int(rng.integers(len(TEXTS)))]
    if way < 0.8 or value is None or pd.isna(value):
        return pool[int(rng.integers(len(pool)))]
    return f" {value} ".upper() if way < 0.85 else look_alike(str(value), rng, KINDS[int(rng.integers(len(KINDS)))])


def halved(case: Case, frame: pd.DataFrame, plausible: Interval, start: int = 0) -> Iterator[tuple[int, Answered]]:
    """(where it starts, what was answered) of parts that do not crash, and of single records that do."""
    answer = answered(case, frame, plausible)
    if not answer.crash or len(frame) <= 1:
        yield start, answer
        return
    middle = len(frame) // 2
    parts = [
        *halved(case, frame.iloc[:middle], plausible, start),
        *halved(case, frame.iloc[middle:], plausible, start + middle),
    ]
    # A crash that no half repeats is one of the batch.
    yield from parts if any(part.crash for _, part in parts) else [(start, answer)]


def _count(
    case: Case,
    result: Search,
    records: tuple[pd.DataFrame, pd.DataFrame, Flags],
    start: int,
    answer: Answered,
    plausible: Interval,
) -> None:
    base, frame, changed = records
    result.refused += int((~answer.trusted).sum())
    result.nan += int((~answer.finite).sum())
    for what, hits in broken(answer).items():
        result.counts[what] += int(hits.sum())
        for at in np.flatnonzero(hits)[: MOST_SHOWN - len(result.found)] + start:
            changes = {name: frame[name].iloc[at] for name in frame.columns[changed[at]]}
            breaks = _breaker(case, base.iloc[[at]], what, plausible)
            result.found.append(Found(what, shrunk(changes, breaks), answer.crash))


def _breaker(case: Case, base: pd.DataFrame, what: str, plausible: Interval) -> Callable[[Changes], bool]:
    def breaks(changes: Changes) -> bool:
        columns = {name: pd.Series([value], base.index, base[name].dtype) for name, value in changes.items()}
        return bool(broken(answered(case, base.assign(**columns), plausible))[what][0])

    return breaks


def shrunk(changes: Changes, breaks: Callable[[Changes], bool]) -> Changes:
    """The changes without those that it does not take: taken back one by one, until none can be."""
    kept = dict(changes)
    while True:
        spare = next((name for name in kept if breaks({k: v for k, v in kept.items() if k != name})), None)
        if spare is None:
            return kept
        del kept[spare]
