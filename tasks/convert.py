"""Is the exported model the model that was trained?"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.errors import CannotAsk
from expectations.records import Evidence, metric_rows
from infra.runtime import Predictions, Scorer, estimator_predictions
from tasks.conversion.export import ATTEMPTS, OPSETS, export


class CannotConvert(CannotAsk):
    """No attempt gave a graph: a no, with its reasons."""


def convert(estimator: Any, frame: pd.DataFrame, name: str, tolerance: float) -> tuple[bytes, Evidence]:
    """The graph nearest to the estimator, and how near: every row of `frame` scored by both.

    Tries several precisions; the first within `tolerance` is taken, else the nearest. Raises CannotConvert where
    none converts, with the reason.
    """
    trained = estimator_predictions(estimator, frame)
    best: tuple[bytes, Evidence] | None = None
    reasons: list[str] = []
    for attempt in ATTEMPTS:
        try:
            graph = export(estimator, frame, name, attempt)
            evidence = measure_parity(trained, Scorer(graph).score(frame), attempt, len(graph))
        except Exception as error:  # noqa: BLE001  The converter raises anything, megabytes of it.
            reasons.append(f"{attempt}: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
            continue
        if best is None or _distance(evidence) < _distance(best[1]):
            best = graph, evidence
        if _distance(best[1]) <= (0, tolerance):
            break
    if best is None:
        raise CannotConvert(f"{type(estimator).__name__} cannot be converted to ONNX. Tried: " + "; ".join(reasons))
    return best[0], Evidence("conversion", best[1].metrics, best[1].records, {**best[1].facts, "refused": reasons})


def _distance(evidence: Evidence) -> tuple[float, float]:
    values = evidence.metrics.set_index("metric")["value"]
    return float(values["label_mismatches"]), float(values["max_difference"])


def measure_parity(trained: Predictions, exported: Predictions, attempt: str = "", size: int = 0) -> Evidence:
    """One row per record: both answers and their distance.

    The distance of numbers is relative to the larger of the answer and the spread of all answers; of probabilities
    it is absolute. A NaN on one side only is infinitely far.
    """
    far = _row_distance(trained, exported)
    mismatch = (trained.values != exported.values) if trained.classes else np.zeros(len(far), dtype=bool)
    n = len(far)
    # `higher` takes one of the values: between two infinite ones nothing can be interpolated.
    p999 = float(np.quantile(far, 0.999, method="higher")) if n else np.nan
    records = pd.DataFrame(
        {"trained": trained.values, "exported": exported.values, "difference": far, "mismatch": mismatch}
    )
    metrics = metric_rows(
        [
            ("label_mismatches", float(mismatch.sum()), np.nan, np.nan, n, 1),
            ("max_difference", float(far.max(initial=0)), np.nan, np.nan, n, 1),
            ("p999_difference", p999, np.nan, np.nan, n, 1),
        ]
    )
    return Evidence("conversion", metrics, records, {"attempt": attempt, "onnx_bytes": size, "opsets": OPSETS})


def _row_distance(trained: Predictions, exported: Predictions) -> npt.NDArray[np.float64]:
    left, right = trained.distance(), exported.distance()
    if left.shape != right.shape:
        return np.full(len(left), np.inf)
    with np.errstate(invalid="ignore"):
        far = np.abs(left - right)
        if not trained.classes:
            spread = float(np.nanstd(left)) if len(left) else 0.0
            far = far / np.maximum(np.abs(left), max(spread, np.finfo(float).tiny))
    far = np.where(np.isnan(left) & np.isnan(right), 0.0, np.where(np.isnan(far), np.inf, far))
    return np.asarray(far.max(axis=1, initial=0.0), dtype=np.float64)


def worst_rows(evidence: Evidence, count: int = 20) -> Iterator[int]:
    """Positions of the records that differ most."""
    yield from evidence.records.sort_values(["mismatch", "difference"], ascending=False, kind="stable").index[:count]
