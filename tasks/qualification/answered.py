"""What comes back for records of any kind: the answer, whether it is to be trusted, and whether it can be one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from infra.runtime import Predictions, joined_predictions
from tasks.qualification.case import BATCH, Case

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Interval = tuple[float, float]
# Probabilities are one to this; the package's own guard allows as much.
SUM_SLACK = 1e-3


@dataclass(frozen=True)
class Answered:
    """Of n records: what was `said`, `trusted` (n,), `finite` (n,): neither NaN nor infinite, `plausible` (n,): what an
    answer can be, `half` (n,): half the width of the interval, NaN where there is none, and `flags` (n, reasons): why
    it is not to be trusted.

    `crash` says what was raised instead of an answer; `said` is None then and every flag false.
    """

    said: Predictions | None
    trusted: Flags
    finite: Flags
    plausible: Flags
    half: Floats
    flags: Flags
    crash: str = ""

    def __len__(self) -> int:
        return len(self.trusted)

    def at(self, rows: npt.NDArray[np.intp]) -> "Answered":
        """The same for some of the records, or for all in another order."""
        said = self.said
        if said is not None:
            chances = None if said.probabilities is None else said.probabilities[rows]
            said = Predictions(said.values[rows], chances, said.classes)
        flags = (self.trusted[rows], self.finite[rows], self.plausible[rows])
        return Answered(said, *flags, self.half[rows], self.flags[rows], self.crash)


def answered(case: Case, frame: pd.DataFrame, plausible: Interval) -> Answered:
    """What the package says of each row; never raises: what it raised is in `crash`."""
    parts = [frame.iloc[at : at + BATCH] for at in range(0, max(len(frame), 1), BATCH)]
    try:
        answers = [case.scorer.answers(part) for part in parts]
        said = joined_predictions([case.scorer.predictions(answer) for answer in answers])
        return _told(said, [dict(answer) for answer in answers], plausible, len(frame))
    except Exception as error:  # noqa: BLE001  Whatever is raised on a record is what this looks for.
        none = np.zeros(len(frame), dtype=bool)
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
        return Answered(None, none, none, none, np.full(len(frame), np.nan), none.reshape(-1, 1), why)


def _told(said: Predictions, answers: list[dict[str, Any]], plausible: Interval, n: int) -> Answered:
    if len(said.values) != n:
        raise ValueError(f"{n} records got {len(said.values)} answers")
    numbers = said.values.reshape(-1, 1) if not said.classes else said.probabilities
    finite = np.ones(n, dtype=bool) if numbers is None else np.isfinite(numbers).all(axis=1)
    trusted: list[Flags] = [
        a["trusted"][:, 0] if "trusted" in a else np.ones(len(next(iter(a.values()))), dtype=bool) for a in answers
    ]
    can_be = _labels(said) if said.classes else (said.values >= plausible[0]) & (said.values <= plausible[1])
    half = np.concatenate([_half(answer, len(flags)) for answer, flags in zip(answers, trusted, strict=True)])
    flags = [
        answer.get("flags", np.zeros((len(mine), 0), dtype=bool)) for answer, mine in zip(answers, trusted, strict=True)
    ]
    return Answered(said, np.concatenate(trusted), np.asarray(finite), np.asarray(can_be), half, np.concatenate(flags))


def _half(answer: Mapping[str, Any], n: int) -> Floats:
    if "lower" not in answer:
        return np.full(n, np.nan)
    with np.errstate(invalid="ignore"):
        return np.asarray((answer["upper"] - answer["lower"])[:, 0] / 2, dtype=np.float64)


def _labels(said: Predictions) -> Flags:
    """(n,) a label that there is, of chances that are some."""
    known = np.isin(said.values.astype(object), np.array(said.classes, dtype=object))
    if said.probabilities is None:
        return np.asarray(known)
    one = np.abs(said.probabilities.sum(axis=1) - 1) <= SUM_SLACK
    return np.asarray(known & one & (said.probabilities >= -SUM_SLACK).all(axis=1))


def plausible_interval(case: Case, declared: Interval | None) -> Interval:
    """Of a regression: what the spec says that an answer may be, else what training saw and its whole range on each
    side. The guard's own limits are not asked: they are what is tested. Of classes: anything."""
    if case.classifies:
        return -np.inf, np.inf
    if declared is not None:
        return declared
    low, high = float(case.known.min()), float(case.known.max())
    return low - (high - low), high + (high - low)


def moved(case: Case, before: Answered, after: Answered) -> Flags:
    """(n,) is it another answer? Another label, or a number that moved by more than half of the interval that came
    with it (a standard deviation of the target where the interval has no ends)."""
    if before.said is None or after.said is None:
        return np.zeros(len(before), dtype=bool)
    if case.classifies:
        return np.asarray(before.said.values != after.said.values)
    enough = np.where(np.isfinite(before.half), before.half, case.scale)
    with np.errstate(invalid="ignore"):
        return np.asarray(~(np.abs(before.said.values - after.said.values) <= enough))
