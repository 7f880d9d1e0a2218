"""Is the exported model the model that was trained?"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from expectations.errors import CannotAsk
from expectations.records import Evidence, metric_rows
from infra.runtime import Predictions, Scorer
from tasks.conversion.export import ATTEMPTS, OPSETS, export, preprocessing_differs
from tasks.conversion.refusals import reason_of, refusals
from tasks.conversion.trials import Trials, try_out

# What must be the trained model's answer wherever it stands; extremes that no training saw only warn.
JUDGED_TRIALS = ("boundary", "missing", "category")
CLEARLY_FASTER, WORTH_MS = 1.5, 0.05
Row = tuple[str, float, float, float, int, int]


@dataclass(frozen=True)
class Attempt:
    """A graph in one precision, how near it is, and the CPU time of one record in milliseconds."""

    precision: str
    graph: bytes
    evidence: Evidence
    cpu_ms: float


class CannotConvert(CannotAsk):
    """No attempt gave a graph: a no; each problem says what, why and what to use instead."""


def convert(
    estimator: Any, frame: pd.DataFrame, name: str, tolerance: float, trials: Trials | None = None
) -> tuple[bytes, Evidence]:
    """The graph that is the estimator, and the proof: every row of `trials` (by default `frame` and what is tried out
    besides) scored by both.

    Tries several precisions. Of those within `tolerance` the first is taken, which is double, unless another is
    much faster; where none is, the nearest. Raises CannotConvert where none converts, with the reason.
    """
    told = refusals(estimator) or _untrained(estimator)
    if told:
        raise CannotConvert(*told)
    trials = trials or try_out(estimator, frame)
    found: list[Attempt] = []
    reasons: list[str] = []
    why: list[str] = []
    for precision in ATTEMPTS:
        try:
            graph = export(estimator, frame, name, precision)
            scorer = Scorer(graph)
            evidence = measure_parity(trials, scorer.score(trials.rows), tolerance)
        except Exception as error:  # noqa: BLE001  The converter raises anything, megabytes of it.
            reasons.append(f"{precision}: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
            why.append(reason_of(error, estimator))
            continue
        found.append(Attempt(precision, graph, evidence, _cpu_ms(scorer, frame)))
    if not found:
        raise CannotConvert(*dict.fromkeys(why))
    best = _chosen(found, tolerance)
    evidence = _without_rounding(estimator, frame, name, trials, best, tolerance)
    tried = {one.precision: {"cpu_ms": one.cpu_ms, "bytes": len(one.graph), **_told(one)} for one in found}
    facts = {**trials.facts, "attempt": best.precision, "attempts": tried, "onnx_bytes": len(best.graph)}
    return best.graph, replace(evidence, facts={**facts, "opsets": OPSETS, "refused": reasons})


def must_convert(estimator: Any, frame: pd.DataFrame, name: str) -> None:
    """Raises CannotConvert, with the reasons, where no attempt gives a graph that answers; not whether it is the
    estimator, which only `convert` tells.
    """
    told = refusals(estimator) or _untrained(estimator)
    for precision in () if told else ATTEMPTS:
        try:
            Scorer(export(estimator, frame, name, precision)).score(frame)
            return
        except Exception as error:  # noqa: BLE001  The converter raises anything.
            told.append(reason_of(error, estimator))
    raise CannotConvert(*dict.fromkeys(told))


def _untrained(estimator: Any) -> list[str]:
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        kind = type(estimator).__name__
        return [
            f"The candidate is a {kind} that was never trained. Instead: end with `return model.fit(features, target)`."
        ]
    return []


def _chosen(found: list[Attempt], tolerance: float) -> Attempt:
    near = [one for one in found if is_near(one.evidence, tolerance)]
    if not near:
        return min(found, key=lambda one: furthest(one.evidence))
    fastest = min(near, key=lambda one: one.cpu_ms)
    # By a clear margin only: else the same model would be another package whenever the clock is in another mood.
    saved = near[0].cpu_ms - fastest.cpu_ms
    return fastest if fastest.cpu_ms * CLEARLY_FASTER < near[0].cpu_ms and saved > WORTH_MS else near[0]


def is_near(evidence: Evidence, tolerance: float) -> bool:
    """No label differs, and no number by more than `tolerance`, of what is judged."""
    return furthest(evidence) <= (0, tolerance)


def furthest(evidence: Evidence) -> tuple[float, float]:
    """How many labels differ, and the largest difference of numbers, of what is judged."""
    values = evidence.metrics.set_index("metric")["value"]
    far = [values.get(f"{part}max_difference", 0.0) for part in ("", "boundary_")]
    return float(values["label_mismatches"] + values.get("boundary_mismatches", 0.0)), float(max(far))


def _told(attempt: Attempt) -> dict[str, float]:
    mismatches, far = furthest(attempt.evidence)
    return {"mismatches": mismatches, "max_difference": far}


def _cpu_ms(scorer: Scorer, frame: pd.DataFrame) -> float:
    """CPU time of one record through the graph: the best mean of a few rounds, in milliseconds."""
    feed, rounds = scorer.feed(frame.head(1)), []
    for _ in range(5):
        start = time.process_time()
        for _ in range(20):
            scorer.run(feed)
        rounds.append((time.process_time() - start) / 20 * 1000)
    return min(rounds)


def _without_rounding(
    estimator: Any, frame: pd.DataFrame, name: str, trials: Trials, best: Attempt, tolerance: float
) -> Evidence:
    """The evidence, with boundary rows set apart that differ only since the preprocessing ends in another last bit.

    Whether it does is looked at: the preprocessing alone is exported, and its numbers are held against the
    estimator's bit by bit. On the same numbers the model itself has no excuse.
    """
    records = best.evidence.records
    suspects = (trials.family == "boundary") & (records["mismatch"] | (records["difference"] > tolerance)).to_numpy()
    if not suspects.any():
        return best.evidence
    rounded = np.zeros(len(suspects), dtype=bool)
    rounded[suspects] = preprocessing_differs(estimator, frame, trials.rows[suspects], name, best.precision)
    family = np.where(rounded, "rounding", trials.family)
    return measure_parity(replace(trials, family=family), Scorer(best.graph).score(trials.rows), tolerance)


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
