"""How near are two answers to the same rows: the trained estimator's and the graph's?"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.records import Evidence, metric_rows
from infra.runtime import Predictions, Scorer
from tasks.conversion.polling import disagreement_of, polled_answers
from tasks.conversion.trials import Trials

# What must be the trained model's answer wherever it stands; extremes that no training saw only warn.
JUDGED_TRIALS = ("boundary", "missing", "category")
MISMATCHES = ("label_mismatches", "boundary_mismatches")
DIFFERENCES = ("max_difference", "boundary_max_difference", "disagreement_max_difference")
MEMBER_MISMATCHES, MEMBER_DIFFERENCE = "member_mismatches:", "member_max_difference:"
Row = tuple[str, float, float, float, int, int]


def is_near(evidence: Evidence, tolerance: float) -> bool:
    """No label differs, and no number by more than `tolerance`, of what is judged."""
    return furthest(evidence) <= (0, tolerance)


def furthest(evidence: Evidence) -> tuple[float, float]:
    """How many labels differ, and the largest difference of numbers, of what is judged."""
    values = evidence.metrics.set_index("metric")["value"]
    differing = [one for one in values.index if one in MISMATCHES or one.startswith(MEMBER_MISMATCHES)]
    far = [one for one in values.index if one in DIFFERENCES or one.startswith(MEMBER_DIFFERENCE)]
    return float(values[differing].sum()), float(values[far].max())


def measure_parity(trials: Trials, exported: Predictions, tolerance: float) -> Evidence:
    """One row per record: both answers and their distance; metrics for what must hold, and where.

    The distance of numbers is relative to the larger of the answer and the spread of the snapshot's answers; of
    probabilities it is absolute. A NaN on one side only is infinitely far. `*_mismatches` are labels that differ, of a
    regression numbers that lie further apart than `tolerance`.
    """
    trained = trials.trained
    far = _row_distance(trained, exported, trials.family == "snapshot")
    mismatch = (trained.values != exported.values) if trained.classes else far > tolerance
    records = pd.DataFrame(
        {
            "family": trials.family,
            "trained": trained.values,
            "exported": exported.values,
            "difference": far,
            "mismatch": mismatch,
        }
    )
    if not trained.classes:
        # In the units of the target, which people know.
        with np.errstate(invalid="ignore"):
            records["units_apart"] = np.abs(trained.values - exported.values)
    parts = {"": ("snapshot",), "boundary_": JUDGED_TRIALS, "rounding_": ("rounding",), "extreme_": ("extreme",)}
    metrics = [row for part, families in parts.items() for row in _rows(part, records, families)]
    return Evidence("conversion", metric_rows(metrics), records)


def _rows(part: str, records: pd.DataFrame, families: tuple[str, ...]) -> list[Row]:
    chosen = records[records["family"].isin(families)]
    n, far = len(chosen), chosen["difference"].to_numpy()
    if not n and part:
        return []
    named = f"{part}mismatches" if part else "label_mismatches"
    # `higher` takes one of the values: between two infinite ones nothing can be interpolated.
    p999 = float(np.quantile(far, 0.999, method="higher")) if n else np.nan
    values = {named: float(chosen["mismatch"].sum()), f"{part}max_difference": float(far.max(initial=0))}
    values |= {f"{part}p999_difference": p999}
    return [(metric, value, np.nan, np.nan, n, 1) for metric, value in values.items()]


def _row_distance(
    trained: Predictions, exported: Predictions, snapshot: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    left, right = trained.distance(), exported.distance()
    if left.shape != right.shape:
        return np.full(len(left), np.inf)
    with np.errstate(invalid="ignore", over="ignore"):
        far = np.abs(left - right)
        if not trained.classes:
            # Extreme rows have extreme answers: their spread would hide every difference.
            spread = float(np.nanstd(left[snapshot])) if snapshot.any() else 0.0
            far = far / np.maximum(np.abs(left), max(spread, np.finfo(float).tiny))
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    far = np.where(same, 0.0, np.where(np.isnan(far), np.inf, far))
    return np.asarray(far.max(axis=1, initial=0.0), dtype=np.float64)


def worst_rows(evidence: Evidence, count: int = 20) -> Iterator[int]:
    """Positions of the records that differ most."""
    yield from evidence.records.sort_values(["mismatch", "difference"], ascending=False, kind="stable").index[:count]


def with_members(
    evidence: Evidence,
    scorer: Scorer,
    trials: Trials,
    members: Mapping[str, Predictions],
    answer: Mapping[str, npt.NDArray[Any]],
) -> Evidence:
    """The evidence with a row for each of an ensemble's members: is it its estimator? And is their disagreement that of
    the estimators? On the rows that are judged."""
    if not members:
        return evidence
    told, judged = scorer.signature["members"], np.isin(trials.family, ("snapshot", *JUDGED_TRIALS))
    said = polled_answers(told, answer[told["answers"]], trials.trained.classes)
    rows = [row for name, one in members.items() for row in _member_rows(name, one, said[name], trials, judged)]
    both = disagreement_of(members, trials.trained), answer[told["disagreement"]][:, 0].astype(np.float64)
    far = _apart(*both, 1.0 if trials.trained.classes else _spread(trials))[judged]
    rows.append(("disagreement_max_difference", float(far.max(initial=0)), np.nan, np.nan, len(far), 1))
    return replace(evidence, metrics=pd.concat([evidence.metrics, metric_rows(rows)], ignore_index=True))


def _member_rows(
    name: str, trained: Predictions, exported: Predictions, trials: Trials, judged: npt.NDArray[np.bool_]
) -> list[Row]:
    far = _row_distance(trained, exported, trials.family == "snapshot")[judged]
    values = {f"{MEMBER_DIFFERENCE}{name}": float(far.max(initial=0))}
    if trained.classes:
        values[f"{MEMBER_MISMATCHES}{name}"] = float((trained.values != exported.values)[judged].sum())
    return [(metric, value, np.nan, np.nan, len(far), 1) for metric, value in values.items()]


def _spread(trials: Trials) -> float:
    snapshot = trials.family == "snapshot"
    return float(np.nanstd(trials.trained.distance()[snapshot])) if snapshot.any() else 0.0


def _apart(left: npt.NDArray[Any], right: npt.NDArray[Any], scale: float) -> npt.NDArray[np.float64]:
    """(n,) relative to the larger of the number and `scale`; a NaN on one side only is infinitely far."""
    with np.errstate(invalid="ignore", over="ignore"):
        far = np.abs(left - right) / np.maximum(np.abs(left), max(scale, np.finfo(float).tiny))
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    return np.where(same, 0.0, np.where(np.isnan(far), np.inf, far))
