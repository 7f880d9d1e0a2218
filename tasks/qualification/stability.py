"""Does a slight change of a record change the answer slightly, and does the model hold over time?"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.errors import CannotAsk
from expectations.hiding import HIDDEN_ROLES, NOT_SHOWN
from expectations.options.stability import Stability
from expectations.records import Evidence, metric_rows
from tasks.check import CALIBRATION, TEST, TRAIN, Check, Subject, on_package
from tasks.guards.conformal import clopper_pearson
from tasks.job import Job
from tasks.multiplicity import records_for_mean
from tasks.qualification.answered import Answered, answered, moved
from tasks.qualification.case import Case, case_of
from tasks.qualification.monotone import measure_monotone
from tasks.qualification.over_time import METRIC, History, OverTime, Timed, measure_package, measure_refits, rows_of
from tasks.qualification.plots_stability import stability_plots
from tasks.qualification.provoking import sent_rows
from tasks.qualification.slight import Change, change_of, changed
from tasks.qualification.sure import sure_share

Floats = npt.NDArray[np.float64]
Row = tuple[str, float, float, float, int, int]
NONE = float("nan")
ANY = (-np.inf, np.inf)
# Test records that are changed; of each column so many of the worst are kept.
MOST, WORST = 1000, 10
# The share of flips that is seen with the tier's power, in times of the limit: risk asks for a sharper eye.
TIMES_THE_LIMIT, SHARP_FROM_TIER = {True: 2, False: 3}, 3


@dataclass
class Found:
    """What the slight changes came to: a row per column, its worst records, and each column's flips and jumps."""

    features: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    hits: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    distances: list[Floats] = field(default_factory=list)


def measure(subject: Subject) -> Evidence:
    """The package on slightly changed test records, and along the time where rows have one."""
    job, case = subject.job, case_of(subject)
    return measure_stability(case, job.spec.checks.stability, _timed(subject, job))


def _timed(subject: Subject, job: Job) -> History | None:
    name = job.spec.data.rows.event_time
    if name is None:
        return None
    train, calibration, test = (_with_times(job, subject.part(part), name) for part in (TRAIN, CALIBRATION, TEST))
    return History(train, test, train.and_then(calibration).and_then(test))


def _with_times(job: Job, rows: pd.DataFrame, name: str) -> Timed:
    return Timed(job.features(rows), rows[job.spec.data.target], pd.to_datetime(rows[name]))


def measure_stability(case: Case, asked: Stability, history: History | None = None) -> Evidence:
    """One record per worst record of each column, per violation of a claim, and per part of the time.

    `history` holds the records with their moments, where they have any. Raises CannotAsk where the spec names
    a column that is no number a caller sends.
    """
    _check_names(case, asked)
    small = case.smaller(MOST)
    changes = [change_of(column, asked.noise) for column in small.columns]
    tests = 2 * sum(change.slight and not change.why_not for change in changes) + len(asked.monotone)
    alpha = case.tier.alpha / max(tests, 1)
    found = _tried(small, asked, changes)
    claims, against, why_not = measure_monotone(small, asked, alpha)
    time = _over_time(case, asked, history)
    metrics = [*_metrics(small, asked, found, alpha), *claims, *rows_of(case, time, asked.decay)]
    records = pd.DataFrame([*found.records, *against, *time.records])
    facts = {
        "features": found.features,
        "not_changed": {change.column.name: change.why_not for change in changes if change.why_not},
        "level_per_test": alpha,
        "monotone": {"claims": asked.monotone, "not_asked": why_not},
        "over_time": _told(case, time, history),
        "unmeasured": {f"sure_{METRIC[name]}": time.skipped[name] for name in time.lines if name in time.skipped},
        "limits": {"flips": asked.flips, "decay": asked.decay},
        "sampled": small.sampled,
        "seed": case.seed,
    }
    return Evidence("stability", metric_rows(metrics), records, facts)


def _check_names(case: Case, asked: Stability) -> None:
    there = [column.name for column in case.columns if column.kind == "number"]
    problems = []
    for part, names in (("noise", asked.noise), ("monotone", asked.monotone)):
        for name in (name for name in names if name not in there):
            near = difflib.get_close_matches(name, there, n=1)
            instead = f"the nearest is {near[0]!r}" if near else f"there are {', '.join(there) or 'none'}"
            problems.append(
                f"checks.stability.{part}: expected a number column that a caller sends, found {name!r}; {instead}."
            )
    if problems:
        raise CannotAsk.all_of(problems)


def _tried(case: Case, asked: Stability, changes: list[Change]) -> Found:
    rows, rng, found = sent_rows(case), np.random.default_rng(case.seed), Found()
    before = answered(case, rows, ANY)
    for change in (one for one in changes if not one.why_not and len(rows)):
        name = change.column.name
        values = changed(change, rows[name], rng)
        after = answered(case, rows.assign(**{name: values}), ANY)
        _compare(case, asked, change, (rows[name].to_numpy(), values), (before, after), found)
    return found


def _compare(
    case: Case,
    asked: Stability,
    change: Change,
    values: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    answers: tuple[Answered, Answered],
    found: Found,
) -> None:
    before, after = answers
    if before.said is None or after.said is None:
        raise CannotAsk(f"{change.column.name}: {before.crash or after.crash}")
    name, distance = change.column.name, np.nan_to_num(case.distance(before.said, after.said), nan=np.inf)
    flips, jumps = moved(case, before, after), distance > asked.jump
    if change.slight:
        found.hits[f"flips:{name}"], found.hits[f"jumps:{name}"] = flips, jumps
        found.distances.append(distance)
    found.features.append(
        {
            "column": name,
            "change": change.how,
            "noise": change.noise or None,
            "flips": float(flips.mean()),
            "jumps": float(jumps.mean()),
            "median": float(np.median(distance)),
            "p99": float(np.quantile(distance, 0.99)),
            "judged": change.slight,
        }
    )
    hidden = bool(HIDDEN_ROLES & set(change.column.roles))
    for at in np.argsort(-distance, kind="stable")[:WORST]:
        found.records.append(
            {
                "column": name,
                "record": int(at),
                "change": NOT_SHOWN if hidden else f"{_short(values[0][at])} → {_short(values[1][at])}",
                "before": _said(before, at),
                "after": _said(after, at),
                "difference": float(distance[at]),
                "flipped": bool(flips[at]),
            }
        )


def _said(answer: Answered, at: np.intp) -> str:
    assert answer.said is not None
    value, chances = answer.said.values[at], answer.said.probabilities
    if not answer.said.classes:
        return f"{value:.6g}"
    return str(value) if chances is None else f"{value} ({chances[at].max():.3f})"


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _metrics(case: Case, asked: Stability, found: Found, alpha: float) -> list[Row]:
    """Each column's share of flips and of jumps, of all records, and what it surely is."""
    fault = min(asked.flips * TIMES_THE_LIMIT[case.tier.level >= SHARP_FROM_TIER], 0.9)
    deviation = float(np.sqrt(fault * (1 - fault)))
    required = max(case.tier.min_records, records_for_mean(fault - asked.flips, deviation, alpha, case.tier.power))
    rows: list[Row] = []
    for name, hits in found.hits.items():
        low, high = clopper_pearson(int(hits.sum()), len(hits))
        rows.append((name, float(hits.mean()), low, high, len(hits), required))
        rows.append((f"sure_{name}", sure_share(hits, alpha), NONE, NONE, len(hits), required))
    if found.distances:
        together = np.concatenate(found.distances)
        quantiles = {"sensitivity_median": 0.5, "sensitivity_p99": 0.99}
        rows += [(k, float(np.quantile(together, q)), NONE, NONE, len(together), 1) for k, q in quantiles.items()]
    # A model of which nothing can be changed slightly, or no records to change: one figure that says so.
    asked_of = len(case.test) if found.hits or not found.features else case.tier.min_records
    return [*rows, ("columns_changed", float(len(found.features)) or NONE, NONE, NONE, asked_of, 1)]


def _over_time(case: Case, asked: Stability, history: History | None) -> OverTime:
    found = OverTime()
    if history is None:
        return found
    if len(history.train.times):
        measure_package(case, history.test, history.train.times.max(), found)
    measure_refits(case, history.every, asked.windows, found)
    return found


def _told(case: Case, time: OverTime, history: History | None) -> Mapping[str, Any]:
    if history is None:
        return {"not_applicable": "rows have no event_time, so that nothing is known of their order in time"}
    slopes = {name: line.slope for name, line in time.lines.items() if np.isfinite(line.slope)}
    ahead = time.lines.get("against simple")
    steadier = ahead is not None and np.isfinite(ahead.slope) and ahead.bounds(case.tier.alpha / len(time.lines))[0] > 0
    return {"slopes_a_month": slopes, "simpler_is_steadier": bool(steadier), "not_asked": time.skipped}


QUESTION = "Does a slight change of a record change the answer slightly, and does the model hold over time?"
CHECK = Check("stability", measure, on_package, "Stability", QUESTION, stability_plots)
