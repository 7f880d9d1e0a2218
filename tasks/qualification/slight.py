"""Slight changes: what each column of a record might as well have held."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.qualification.columns import Column
from tasks.qualification.look_alikes import look_alike

# Of a column's spread, where the spec states no noise: about what measuring, rounding or a day's delay comes to.
SHARE_OF_SPREAD = 1 / 20
# Of its spread, what one more or one less may be to be called slight: a fourth car in the garage is not.
SLIGHT = 1 / 5
NUMBER, COUNT, LEVEL, TYPO = "a slight change", "one more or less", "another level", "one typing error"


@dataclass(frozen=True)
class Change:
    """How one column is changed: `noise` is the largest change of a number, in its unit; `slight` is false of another
    level and of a small count, which nobody calls a small thing. `why_not` says why there is nothing to change."""

    column: Column
    how: str
    noise: float = 0.0
    why_not: str = ""

    @property
    def slight(self) -> bool:
        """Must the answer hardly move?"""
        return self.how in (NUMBER, TYPO)


def change_of(column: Column, noise: Mapping[str, float]) -> Change:
    """A number moves by up to its stated noise, or a twentieth of its spread; a whole one by 1 at least, which of a
    small count is not slight. A yes or no, and a category, changes to another level; a text gets one typing error."""
    if column.kind == "text":
        return Change(column, TYPO)
    if column.kind == "category":
        return Change(column, LEVEL, why_not="" if len(column.levels) > 1 else "training saw one level only")
    if not column.upper > column.lower:
        return Change(column, NUMBER, why_not="training saw one value only")
    if column.whole and (column.lower, column.upper) == (0, 1) and column.name not in noise:
        return Change(column, LEVEL)
    if column.name in noise:
        return Change(column, NUMBER, noise[column.name])
    usual = SHARE_OF_SPREAD * column.spread
    counted = column.whole and SLIGHT * column.spread < 1
    return Change(column, COUNT if counted else NUMBER, max(usual, 1.0) if column.whole else usual)


def changed(change: Change, values: "pd.Series[Any]", rng: np.random.Generator) -> npt.NDArray[Any]:
    """(n,) the column's values after the change; a missing one stays missing, a number inside what training saw."""
    held = values.to_numpy()
    if change.how == TYPO:
        made = [text if pd.isna(text) else look_alike(str(text), rng, "misspelling") for text in held]
        return np.fromiter(made, dtype=object, count=len(made))
    if change.how == LEVEL:
        return _other_level(change.column, held, rng)
    return _moved(change, held, rng)


def _moved(change: Change, held: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[Any]:
    """Up or down by half of the noise to all of it; the other way where training's limits are in the way."""
    step = change.noise * rng.uniform(0.5, 1.0, len(held))
    if change.column.whole:
        step = np.maximum(np.round(step), 1.0)
    signed = np.where(rng.random(len(held)) < 0.5, -step, step)
    beyond = (held + signed < change.column.lower) | (held + signed > change.column.upper)
    return np.asarray(np.clip(held + np.where(beyond, -signed, signed), change.column.lower, change.column.upper))


def _other_level(column: Column, held: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[Any]:
    if column.kind == "number":
        return np.where(np.isnan(held), held, 1 - held)
    levels, place = column.levels, {level: at for at, level in enumerate(column.levels)}
    drawn = rng.integers(1, len(levels), len(held))
    other = [
        value if pd.isna(value) else levels[(place.get(str(value), 0) + int(step)) % len(levels)]
        for value, step in zip(held, drawn, strict=True)
    ]
    return np.fromiter(other, dtype=object, count=len(other))
