"""Records that are made to provoke: each scenario is some test records with one thing done to them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.guards.oddity import exchanged
from tasks.qualification.case import Case
from tasks.qualification.columns import Column
from tasks.qualification.look_alikes import KINDS, look_alike

Rows = npt.NDArray[np.intp]
# So many test records are tried in each scenario; of swapped units so many, since a share is measured.
FEW, MANY = 50, 1000
MOST_PATTERNS = 20
NEVER_SEEN = "never seen in training"
REFUSE, SANE = "refuse", "a sane answer"
FACTOR = 1000.0


@dataclass(frozen=True)
class Scenario:
    """`frame` (n, k) are test records `base` (n,) with one thing done to them; `changed` names the columns.

    `expected` is REFUSE, where a caller must be told not to trust the answer, or SANE: no crash, and nothing trusted
    that is NaN, infinite or implausible. That is asked of every scenario.
    """

    kind: str
    name: str
    frame: pd.DataFrame
    base: Rows
    expected: str = SANE
    column: str = ""


def sent_rows(case: Case) -> pd.DataFrame:
    """The test records as a caller sends them, and each column of a type that can hold whatever is put into it."""
    kinds = {c.name: np.float64 if c.kind == "number" else object for c in case.columns}
    return pd.DataFrame({name: case.test[name].astype(kind) for name, kind in kinds.items()})


def some(case: Case, rng: np.random.Generator, most: int = FEW) -> Rows:
    """So many of the test records, drawn by chance; all where they are fewer."""
    n = len(case.test)
    return np.sort(rng.choice(n, min(most, n), replace=False)).astype(np.intp)


def scenarios(case: Case, rng: np.random.Generator) -> Iterator[Scenario]:
    """Every generated scenario of one model, in the order of the dossier."""
    rows = sent_rows(case)
    for maker in (_extremes, _missing, _unknown, _contradictory, _swapped, _look_alikes):
        yield from maker(case, rows, rng)


def beyond(column: Column) -> float:
    """Ten of training's ranges, or ten of its one value where there is no range."""
    return 10 * ((column.upper - column.lower) or abs(column.upper) or 1.0)


def _extremes(case: Case, rows: pd.DataFrame, rng: np.random.Generator) -> Iterator[Scenario]:
    for column in _numbers(case):
        far = beyond(column)
        values = {
            "its least": (column.lower, SANE),
            "its greatest": (column.upper, SANE),
            "10 ranges above": (column.upper + far, REFUSE),
            "10 ranges below": (column.lower - far, REFUSE),
            **{f"{value:g}": (value, REFUSE) for value in (1e30, -1e30, np.inf, -np.inf)},
        }
        for name, (value, expected) in values.items():
            base = some(case, rng)
            frame = rows.iloc[base].assign(**{column.name: value})
            yield Scenario("extreme", f"{column.name} = {name}", frame, base, expected, column.name)


def _missing(case: Case, rows: pd.DataFrame, rng: np.random.Generator) -> Iterator[Scenario]:
    """Gaps as training had them, one new gap each, and nothing but gaps."""
    sent = [column.name for column in case.columns]
    patterns = case.train[sent].isna().value_counts().head(MOST_PATTERNS)
    for pattern in (p if isinstance(p, tuple) else (p,) for p in patterns.index):
        names = [name for name, gap in zip(sent, pattern, strict=True) if gap]
        if names:
            yield _gaps(case, rows, rng, names, "as in training", SANE)
    new = [column.name for column in case.columns if not column.missing and _flagged(case, "missing", column.name)]
    for name in new:
        yield _gaps(case, rows, rng, [name], "never in training", REFUSE)
    yield _gaps(case, rows, rng, sent, "every column", REFUSE if new else SANE)


def _gaps(
    case: Case, rows: pd.DataFrame, rng: np.random.Generator, names: list[str], how: str, expected: str
) -> Scenario:
    base = some(case, rng)
    gaps = {c.name: np.nan if c.kind == "number" else None for c in case.columns if c.name in names}
    told = how if len(names) == len(case.columns) else f"{', '.join(names[:5])}{' …' if len(names) > 5 else ''} ({how})"
    column = names[0] if len(names) == 1 else ""
    return Scenario("missing", told, rows.iloc[base].assign(**gaps), base, expected, column)


def _unknown(case: Case, rows: pd.DataFrame, rng: np.random.Generator) -> Iterator[Scenario]:
    for column in (one for one in case.columns if one.kind != "number"):
        base, known = some(case, rng), _flagged(case, "unknown", column.name)
        frame = rows.iloc[base].assign(**{column.name: NEVER_SEEN})
        yield Scenario(
            "unknown category", f"{column.name} = {NEVER_SEEN}", frame, base, REFUSE if known else SANE, column.name
        )


def _flagged(case: Case, kind: str, column: str) -> bool:
    """Does the package promise to tell of it? Of free texts it knows no list of values, and says so."""
    flags = case.scorer.signature.get("reasons", {}).get("flags", [])
    return any(flag == f"{kind}:{column}" or flag.startswith(f"{kind}:{column} in ") for flag in flags)


def _contradictory(case: Case, rows: pd.DataFrame, rng: np.random.Generator) -> Iterator[Scenario]:
    """Each value was seen, their combination was not."""
    n, width = rows.shape
    if n < 2 or width < 2:
        return
    place = np.tile(np.arange(n, dtype=np.float64)[:, None], (1, width))
    for name, count in (("1 value", 1), ("5 values", 5), ("half of the values", None)):
        base = some(case, rng, MANY)
        chosen = exchanged(place[base], place, count, rng).astype(np.intp)
        frame = pd.DataFrame({c: rows[c].to_numpy()[chosen[:, at]] for at, c in enumerate(rows.columns)})
        yield Scenario("contradictory", f"{name} of other records", frame, base)


def _swapped(case: Case, rows: pd.DataFrame, rng: np.random.Generator) -> Iterator[Scenario]:
    """A thousand times too large, or too small. Of the larger the share is judged that nobody would notice; a number
    near 0 is no stranger when it is smaller, so that is only told."""
    for column in (one for one in _numbers(case) if one.upper > one.lower and not _two_values(one)):
        for name, factor, most in (("× 1000", FACTOR, MANY), ("÷ 1000", 1 / FACTOR, FEW)):
            base = some(case, rng, most)
            frame = rows.iloc[base].assign(**{column.name: rows[column.name].iloc[base] * factor})
            yield Scenario(f"unit {name}", f"{column.name} {name}", frame, base, SANE, column.name)


def _two_values(column: Column) -> bool:
    """A yes or no has no unit."""
    return column.whole and column.lower == 0 and column.upper == 1


def _look_alikes(case: Case, rows: pd.DataFrame, rng: np.random.Generator) -> Iterator[Scenario]:
    for column in (one for one in case.columns if one.kind == "text"):
        for kind in KINDS:
            base = some(case, rng, MANY // 4)
            texts = rows[column.name].iloc[base].map(_by(kind, rng), na_action="ignore")
            frame = rows.iloc[base].assign(**{column.name: texts})
            yield Scenario("look-alike", f"{column.name}: {kind}", frame, base, SANE, column.name)


def _by(kind: Any, rng: np.random.Generator) -> Callable[[object], str]:
    return lambda text: look_alike(str(text), rng, kind)


def _numbers(case: Case) -> list[Column]:
    return [column for column in case.columns if column.kind == "number" and np.isfinite(column.lower)]
