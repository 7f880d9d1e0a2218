"""Is the challenger better than the champion, on the same records?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from expectations.records import Evidence, metric_rows
from tasks.quality import mean_of, relative_gain, with_intervals

LOSSES = {
    "rmse": "squared_error",
    "mae": "absolute_error",
    "log_loss": "log_loss",
    "error_rate": "error",
    "expected_cost": "cost",
}


def measure_comparison(
    champion: pd.DataFrame,
    candidate: pd.DataFrame,
    metric: str,
    margin: float,
    required: int,
    earlier: Mapping[str, tuple[float, float, float]],
) -> Evidence:
    """Paired: how much of the champion's loss the candidate saves on the same records, with its interval.

    `champion` and `candidate` are scored records (`tasks.quality.score_records`) in the same order. `earlier` holds
    each earlier version's recorded (value, lower, upper) of the same metric. Losses: smaller is better.
    """
    loss = LOSSES[metric]
    rows = with_intervals(
        {"improvement": relative_gain(champion[loss], candidate[loss], loss)}, len(candidate), required
    )
    power = 0.5 if metric == "rmse" else 1.0
    values = [float(mean_of(frame[loss])(np.ones((1, len(frame))))[0]) ** power for frame in (champion, candidate)]
    level = with_intervals({metric: _level(candidate[loss], power)}, len(candidate), required)[0]
    drops = _drops(level[1:4], earlier, len(candidate), required)
    facts = {
        "label": label(rows[0][1:4], margin),
        "metric": metric,
        "margin": margin,
        "champion_value": values[0],
        "candidate_value": values[1],
    }
    records = pd.DataFrame({"champion_loss": champion[loss], "candidate_loss": candidate[loss]})
    return Evidence("comparison", metric_rows(rows + drops), records, facts)


def _level(loss: "pd.Series[Any]", power: float) -> Any:
    mean = mean_of(loss)
    return lambda w: mean(w) ** power


def _drops(
    now: tuple[float, float, float], earlier: Mapping[str, tuple[float, float, float]], n: int, required: int
) -> list[tuple[str, float, float, float, int, int]]:
    """How much more each earlier version's figure was worth, as a share of it; other data, so intervals add up.

    The intervals widen with the number of versions looked at (Bonferroni, normal approximation).
    """
    from scipy.stats import norm

    widen = norm.ppf(1 - 0.025 / max(len(earlier), 1)) / norm.ppf(0.975)
    rows = []
    for release, (value, lower, upper) in earlier.items():
        if not np.isfinite([value, lower, upper]).all() or value == 0:
            continue
        half = widen * float(np.hypot((upper - lower) / 2, (now[2] - now[1]) / 2)) / value
        drop = now[0] / value - 1
        rows.append((f"drop:{release}", drop, drop - half, drop + half, n, required))
    return rows


def label(improvement: tuple[float, float, float], margin: float) -> str:
    """Better, equivalent within the margin, worse, or inconclusive."""
    _, lower, upper = improvement
    if not np.isfinite([lower, upper]).all():
        return "inconclusive"
    if lower > 0:
        return "better"
    if upper < -margin:
        return "worse"
    return "equivalent" if lower >= -margin and upper <= margin else "not worse" if lower >= -margin else "inconclusive"
