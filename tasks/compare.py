"""Is the challenger better than the champion, on the same records?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from expectations.history import State
from expectations.records import Evidence, metric_rows
from expectations.suites.comparison import BETTER, DROP
from infra.packages import open_package
from tasks.check import TEST, Check, Subject, on_package_and_champion
from tasks.cost import price_of
from tasks.job import Job
from tasks.quality import mean_of, relative_gain, score_records, with_intervals

LOSSES = {
    "rmse": "squared_error",
    "mae": "absolute_error",
    "log_loss": "log_loss",
    "error_rate": "error",
    "expected_cost": "cost",
}


def measure(subject: Subject) -> Evidence:
    """Against the champion on the same records, and every earlier champion's recorded figures."""
    job, serving = subject.job, subject.champion()
    if serving is None:
        reason = "no version serves yet; the gate `improvement_over_baseline` is asked instead"
        told = {"not_applicable": reason, "label": "not applicable"}
        return Evidence("comparison", metric_rows([]), pd.DataFrame(), told)
    test = subject.part(TEST)
    price = price_of(job.spec.cost, job.file.root, job.features(test))
    scored = [
        score_records(job.target(test), scorer.score(test), price, job.positive)
        for scorer in (open_package(job.store(), serving.package_digest), subject.scorer())
    ]
    metric = job.spec.comparison.metric or default_metric(scored)
    earlier = _earlier(job, job.ledger().state(), metric)
    margin, required = job.spec.comparison.margin, job.tier.min_records
    found = measure_comparison(scored[0], scored[1], metric, margin, required, earlier)
    return Evidence(found.step, found.metrics, found.records, {**found.facts, "champion": serving.id})


CHECK = Check("comparison", measure, on_package_and_champion)


def default_metric(scored: list[pd.DataFrame]) -> str:
    """The loss that scored records are compared by where the spec names none."""
    if "squared_error" in scored[0]:
        return "rmse"
    return "log_loss" if all("log_loss" in frame for frame in scored) else "error_rate"


def _earlier(job: Job, state: State, metric: str) -> dict[str, tuple[float, float, float]]:
    """Each earlier champion's recorded figure; the present one is compared record by record."""
    served = [r for r in state.releases.values() if r.model == job.spec.model.name and r.status == "retired"]
    ledger = job.ledger()
    found = {item.id: ledger.verdict(item).get("metrics", {}).get(metric) for item in served}
    return {name: (values[0], values[1], values[2]) for name, values in found.items() if values and None not in values}


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
    rows.append((BETTER, rows[0][2], np.nan, np.nan, len(candidate), required))
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
    """How much worse this figure is than each earlier version's, at least, as a share; other data, so intervals add up.

    The lower end only: a drop that cannot be told from chance is no alarm.

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
        rows.append((f"{DROP}{release}", drop - half, np.nan, np.nan, n, required))
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
