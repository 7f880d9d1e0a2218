"""Where the spec claims that the answer only grows, or only falls, with a column: does it?

Of each record the column alone takes values from all over training's range; the answers are held against their order.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.options.stability import Stability
from tasks.guards.conformal import clopper_pearson
from tasks.multiplicity import records_for_mean
from tasks.qualification.case import Case
from tasks.qualification.provoking import sent_rows
from tasks.qualification.sure import sure_share

Floats = npt.NDArray[np.float64]
Row = tuple[str, float, float, float, int, int]
NONE = float("nan")
GRID = 6
# A claim that so many times the allowed share of records breaks is found to be broken with the tier's power.
TIMES_THE_LIMIT = 10


def measure_monotone(case: Case, asked: Stability, alpha: float) -> tuple[list[Row], list[dict[str, Any]], str]:
    """(metrics, records, why not): of each claim the share of records that go against it, and by how much at most.

    Of more than two classes no one number can grow: `why not` says so, and the metrics are NaN.
    """
    if case.classifies and case.positive is None:
        rows: list[Row] = [(f"sure_violations:{name}", NONE, NONE, NONE, 0, 1) for name in asked.monotone]
        why = "of more than two classes, or without model.positive, no one number grows or falls; claim it of a model"
        return rows, [], f"{why} with two classes or of numbers" if asked.monotone else ""
    metrics, records = [], []
    for name, way in asked.monotone.items():
        against = falls(case, name, 1 if way == "increasing" else -1)
        metrics += _metrics(case, name, against, asked, alpha)
        worst = np.argsort(-against, kind="stable")[:10]
        records += [
            {"column": name, "record": int(at), "change": f"claimed {way}", "difference": float(against[at])}
            for at in worst
            if against[at] > asked.monotone_slack
        ]
    return metrics, records, ""


def _metrics(case: Case, name: str, against: Floats, asked: Stability, alpha: float) -> list[Row]:
    hits, n = against > asked.monotone_slack, len(against)
    low, high = clopper_pearson(int(hits.sum()), n)
    fault = min(TIMES_THE_LIMIT * asked.violations, 0.9)
    deviation = float(np.sqrt(fault * (1 - fault)))
    required = max(case.tier.min_records, records_for_mean(fault - asked.violations, deviation, alpha, case.tier.power))
    return [
        (f"violations:{name}", float(hits.mean()) if n else NONE, low, high, n, required),
        (f"sure_violations:{name}", sure_share(hits, alpha), NONE, NONE, n, required),
        (f"largest_violation:{name}", float(against.max()) if n else NONE, NONE, NONE, n, required),
    ]


def falls(case: Case, name: str, sign: int) -> Floats:
    """(n,) how far the answer to each record falls at most, from a smaller value of the column to a larger one (rises,
    of sign -1), in deviations of the target or as a probability."""
    rows, held = sent_rows(case), case.train[name].dropna().to_numpy(dtype=np.float64)
    if not len(rows) or not len(held):
        return np.zeros(0)
    grid = np.unique(np.quantile(held, np.linspace(0, 1, GRID), method="nearest"))
    frames = [rows.assign(**{name: value}) for value in grid]
    scores = sign * case.score(case.ask(pd.concat(frames, ignore_index=True))).reshape(len(grid), len(rows))
    return np.asarray((np.maximum.accumulate(scores, axis=0) - scores).max(axis=0) / case.scale, dtype=np.float64)
