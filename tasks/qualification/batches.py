"""Is a record's answer the same alone, in a batch, in another order, and twice in it? Do no records get none?"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.qualification.answered import Answered, Interval, answered
from tasks.qualification.case import Case
from tasks.qualification.provoking import sent_rows, some

# Records in the batch, and records that are also asked alone.
TOGETHER, ALONE = 200, 20
# Sums in another order differ in their last bits; golden records allow as much.
TOLERANCE = 1e-6
NONE = float("nan")
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Batches:
    """Metrics, one row per scenario, and how many of those with records crashed."""

    metrics: list[tuple[str, float, float, float, int, int]]
    rows: list[dict[str, Any]]
    crashes: int


def measure_batches(case: Case, interval: Interval, rng: np.random.Generator) -> Batches:
    """Each record twice in one shuffled batch, some alone, and a batch without any."""
    base = some(case, rng, TOGETHER)
    frame = sent_rows(case).iloc[base].reset_index(drop=True)
    once = answered(case, frame, interval)
    twice = np.concatenate([rng.permutation(len(frame)) for _ in range(2)]).astype(np.intp)
    mixed = answered(case, frame.iloc[twice], interval)
    single = [answered(case, frame.iloc[[at]], interval) for at in range(min(ALONE, len(frame)))]
    alone = np.array([bool(_differs(once, np.array([at]), one)[0]) for at, one in enumerate(single)], dtype=bool)
    empty = answered(case, frame.head(0), interval)
    shuffled = _differs(once, twice, mixed)
    rows = [
        _row("each record twice, shuffled", "equal records, equal answers", shuffled, mixed.crash),
        _row("one record alone", "the answer that it gets in a batch", alone, _first([one.crash for one in single])),
        _row("no records", "no answers", np.zeros(0, dtype=bool), empty.crash),
    ]
    different = int(shuffled.sum() + alone.sum())
    metrics = [
        ("batch_differences", float(different), NONE, NONE, len(shuffled) + len(alone), 1),
        # A figure of its own: an error harms nobody who sent nothing.
        ("empty_batch_crashes", float(bool(empty.crash)), NONE, NONE, 1, 1),
    ]
    return Batches(metrics, rows, sum(bool(row["crash"]) for row in rows[:-1]))


def _differs(once: Answered, places: npt.NDArray[np.intp], other: Answered) -> Flags:
    """(n,) does the record at each place get another answer there?"""
    if once.said is None or other.said is None:
        return np.ones(len(places), dtype=bool)
    there, here = once.said, other.said
    differs = once.trusted[places] != other.trusted
    if there.probabilities is not None and here.probabilities is not None:
        near = np.isclose(there.probabilities[places], here.probabilities, 0, TOLERANCE, equal_nan=True)
        differs |= ~near.all(axis=1)
    if there.classes:
        return np.asarray(differs | (there.values[places] != here.values))
    return np.asarray(differs | ~np.isclose(there.values[places], here.values, TOLERANCE, TOLERANCE, equal_nan=True))


def _row(name: str, expected: str, differs: Flags, crash: str) -> dict[str, Any]:
    return {
        "kind": "batch",
        "scenario": name,
        "n": len(differs),
        "expected": expected,
        "held": not (differs.any() or crash),
        "changed": float(differs.mean()) if len(differs) else NONE,
        "crash": crash,
    }


def _first(texts: list[str]) -> str:
    return next((text for text in texts if text), "")
