"""How does the answer change with one column, all else kept?

Partial dependence (Friedman 2001) with the band of individual curves (ICE: Goldstein et al. 2015).
"""

from typing import Any

import numpy as np

from tasks.qualification.case import Case, Floats
from tasks.qualification.codes import Codes, asked, hidden
from tasks.qualification.contributions import value_of

CURVES, POINTS, RECORDS = 3, 10, 100


def measure_dependence(case: Case, codes: Codes, order: list[int]) -> list[dict[str, Any]]:
    """One curve for each of the first columns in `order` that may be shown: its points, mean and 80 % band.

    Of classes: the probability of the positive label, or of the label that was said most often.
    """
    secret = hidden(codes)
    shown = [at for at in order if codes.columns[at].name not in secret and codes.columns[at].kind != "text"]
    few = case.smaller(RECORDS)
    cells = codes.encode(few.test)
    label = _label(few, codes, cells)
    curves = [_curve(few, codes, cells, at, label) for at in shown[:CURVES]]
    return [curve for curve in curves if curve is not None]


def _label(case: Case, codes: Codes, cells: Floats) -> str | None:
    said = asked(case, codes, cells)
    if not said.classes:
        return None
    names, counts = np.unique(said.values.astype(str), return_counts=True)
    return case.positive or str(names[counts.argmax()])


def grid(case: Case, codes: Codes, at: int, points: int) -> Floats:
    """At most so many values of a column as training saw them: evenly spread by rank, or the most frequent levels."""
    column = codes.columns[at]
    held = codes.encode(case.train[[c.name for c in codes.columns]])[:, at]
    held = held[np.isfinite(held)]
    if not len(held):
        return held
    if codes.is_number(at):
        ranks = np.linspace(0, 1, points)
        return np.unique(np.quantile(held, ranks, method="nearest"))
    levels, counts = np.unique(held, return_counts=True)
    assert column.name in codes.levels
    return np.asarray(levels[np.argsort(-counts, kind="stable")][:points], dtype=np.float64)


def _curve(case: Case, codes: Codes, cells: Floats, at: int, label: str | None) -> dict[str, Any] | None:
    points = grid(case, codes, at, POINTS)
    if len(points) < 2 or not len(cells):
        return None
    moved = np.repeat(cells[None], len(points), axis=0)
    moved[:, :, at] = points[:, None]
    wanted = None if label is None else np.full(len(points) * len(cells), label, dtype=object)
    values = value_of(asked(case, codes, moved.reshape(-1, cells.shape[1])), wanted).reshape(len(points), -1)
    low, high = np.quantile(values, [0.1, 0.9], axis=1)
    return {
        "column": codes.columns[at].name,
        "of": "the prediction" if label is None else f"the probability of {label}",
        "numbers": codes.is_number(at),
        "at": [float(point) if codes.is_number(at) else codes.word(at, point) for point in points],
        "mean": values.mean(axis=1).tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "records": len(cells),
    }
