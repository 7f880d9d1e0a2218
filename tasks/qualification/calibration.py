"""Does a probability of 0.8 mean eight of ten, and in every group?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.stats import norm

from expectations.options.calibration import CARED, CARED_IN_GROUP, Calibration
from expectations.records import Evidence, metric_rows
from expectations.suites.calibration import TOLERATED
from expectations.tiers import SURELY
from tasks.check import Check, Subject, not_applicable, on_package
from tasks.drawing import BLUE, INK, OCHRE, QUIET, Plot, draw, number, numbers, whiskers
from tasks.multiplicity import records_for_mean
from tasks.qualification.calibration_errors import (
    CROSSED,
    NAN,
    Claims,
    claims_of,
    error_of,
    recalibration,
    reliability,
    spiegelhalter,
    unbiased_square_error,
)
from tasks.qualification.calibration_groups import (
    Group,
    Promise,
    Row,
    bias_rows,
    coverage_rows,
    few_row,
    group_coverage_rows,
    groups_of,
    held_of,
    needed_in,
)
from tasks.qualification.case import Case, Floats, case_of
from tasks.qualification.fairness_gaps import Mean, difference

POINTS = 20
SOURCES = (
    "error: dual form of the calibration error (Błasiok et al. 2023) with a cross-fitted witness; error_rms: debiased "
    "(Kumar et al. 2019); slope and intercept: Cox (1958); Spiegelhalter (1986); coverage: exact, beta-binomial "
    "(Vovk 2012)"
)


def measure(subject: Subject) -> Evidence:
    """The package on test rows, its interval or set against what it promises."""
    case, spec = case_of(subject), subject.job.spec
    asked = spec.checks.calibration
    groups = groups_of(case, asked, spec.checks.fairness, spec.checks.slices.declared, spec.guards.group)
    promise = Promise(spec.guards.coverage, subject.packed["guards"]["calibration_rows"])
    return measure_calibration(case, asked, promise, groups)


def measure_calibration(case: Case, asked: Calibration, promise: Promise, groups: list[Group]) -> Evidence:
    """Errors of the probabilities (or of the predictions) overall and by group, coverage overall and by group, and what
    a threshold on confidence buys."""
    claims = claims_of(case)
    if claims is None:
        return not_applicable("calibration", "The classifier gives no probabilities, and its package no sets.")
    known = [Group(one.name, one.rows[claims.known]) for one in groups]
    table, needed = reliability(claims, asked.bins), needed_in(case, claims.off, len(groups))
    curve, rows_of_curve = _curve(case)
    rows = [*_overall(case, claims, table), *bias_rows(case, claims.off, known)]
    rows += [*_coverage(case, claims, promise, known, needed), *rows_of_curve]
    rows += [few_row(known, needed)] if known else []
    records = pd.concat([table, curve], ignore_index=True) if len(table) or len(curve) else pd.DataFrame()
    return Evidence("calibration", metric_rows(rows), records, _facts(case, claims, promise, known, needed))


def _coverage(case: Case, claims: Claims, promise: Promise, groups: list[Group], needed: int) -> list[Row]:
    """Overall and by group, of rows whose truth is known; nothing of a package without interval and set."""
    answered = held_of(case)
    if answered is None:
        return []
    held, sides = answered[0][claims.known], None if answered[1] is None else answered[1][claims.known]
    whole = coverage_rows(held, sides, promise, case.tier.min_records)
    return [*whole, *group_coverage_rows(held, groups, promise, needed)]


def _overall(case: Case, claims: Claims, table: pd.DataFrame) -> list[Row]:
    n, found = len(claims.said), error_of(claims, case.seed)
    spread = CROSSED * float(claims.off.std()) if n else 1.0
    needed = records_for_mean(CARED[case.tier.level] - TOLERATED, spread, case.tier.alpha, case.tier.power)
    low, high = (max(0.0, end) for end in found.ends())
    rows: list[Row] = [
        ("calibration_error", max(0.0, found.value), low, high, n, 1),
        (
            "calibration_error_at_least",
            _sure(found.ends(case.tier.alpha)[0]),
            NAN,
            NAN,
            n,
            max(needed, case.tier.min_records),
        ),
        ("calibration_error_rms", unbiased_square_error(table, claims), NAN, NAN, n, 1),
    ]
    again = recalibration(claims)
    for name, one in zip(("calibration_intercept", "calibration_slope"), again or (), strict=False):
        rows.append((name, one.value, *one.ends(), n, 1))
    return [*rows, ("spiegelhalter_p", spiegelhalter(claims), NAN, NAN, n, 1)] if claims.chances else rows


def _sure(bound: float) -> float:
    """No less than nothing; NaN stays what it is."""
    return bound if np.isnan(bound) else max(0.0, bound)


def confidence_of(case: Case) -> Floats | None:
    """(n,) how sure the answer is: the chance of the label that was said, or the narrowness of the interval. None where
    all are equally sure."""
    if case.said.probabilities is not None:
        sure: Floats = case.said.probabilities.max(axis=1)
    elif not case.classifies and "lower" in case.scorer.outputs and len(case.test):
        answer = case.scorer.answers(case.test)
        sure = -np.asarray(answer["upper"] - answer["lower"], dtype=np.float64)[:, 0]
    else:
        return None
    finite = sure[np.isfinite(sure)]
    return sure if len(finite) == len(sure) and len(sure) and np.ptp(sure) > 1e-9 * np.abs(sure).max() else None


def _curve(case: Case) -> tuple[pd.DataFrame, list[Row]]:
    """What is answered, and how well, above each threshold; and whether the surer half is surely worse."""
    sure, loss = confidence_of(case), case.error(case.actual, case.said)
    known = np.isfinite(loss)
    if sure is None or known.sum() < POINTS:
        return pd.DataFrame(), []
    sure, loss, z = sure[known], loss[known], float(norm.isf(0.025))
    rows = []
    for threshold in np.unique(np.quantile(sure, np.arange(POINTS) / POINTS)):
        mine = _mean(loss[sure >= threshold], case.classifies)
        below, above = mine.reach(z)
        held = {"threshold": abs(threshold), "answered": mine.n / len(loss), "error": mine.value}
        rows.append(
            {"table": "threshold", "n": mine.n, **held, "lower": mine.value - below, "upper": mine.value + above}
        )
    order = np.argsort(-sure, kind="stable")
    surer, rest = (_mean(loss[part], case.classifies) for part in np.array_split(order, 2))
    worse = _sure(difference(surer, rest, float(norm.isf(SURELY)))[0])
    found: list[Row] = [
        (
            "error_of_surer_half",
            surer.value,
            surer.value - surer.reach(z)[0],
            surer.value + surer.reach(z)[1],
            surer.n,
            1,
        ),
        ("error_of_other_half", rest.value, rest.value - rest.reach(z)[0], rest.value + rest.reach(z)[1], rest.n, 1),
        ("surer_half_worse_by_at_least", worse, NAN, NAN, len(loss), 1),
    ]
    return pd.DataFrame(rows), found


def _mean(loss: Floats, rate: bool) -> Mean:
    return Mean(len(loss), float(loss.mean()) if len(loss) else NAN, float(loss.var()) if len(loss) else NAN, rate)


def _facts(case: Case, claims: Claims, promise: Promise, groups: list[Group], needed: int) -> dict[str, Any]:
    return {
        "claims": claims.about,
        "unit": "a probability" if claims.chances else "standard deviations of the target",
        "promised_coverage": promise.coverage,
        "calibration_rows": promise.calibrated,
        "groups": [one.name for one in groups],
        "too_small_to_tell": [f"{one.name}: {one.rows.sum()} of {needed}" for one in groups if one.rows.sum() < needed],
        "looked_for": f"an error of {CARED[case.tier.level]:g}, in a group of {CARED_IN_GROUP[case.tier.level]:g}",
        "alpha": case.tier.alpha,
        "power": case.tier.power,
        "seed": case.seed,
        "sampled": case.sampled,
        "method": SOURCES,
    }


def plots(evidence: Evidence, _spec: Mapping[str, Any]) -> list[Plot | None]:
    """The reliability diagram, and what a threshold buys."""
    rows = evidence.records
    if "table" not in rows:
        return []
    return [_diagram(rows[rows["table"] == "reliability"], evidence.facts), _bought(rows[rows["table"] == "threshold"])]


def _diagram(rows: pd.DataFrame, facts: Mapping[str, Any]) -> Plot | None:
    if rows.empty:
        return None
    said, came, reach = numbers(rows["said"]), numbers(rows["came"]), whiskers(rows, numbers(rows["came"]))
    told = "; ".join(f"said {number(a)}, came {number(b)}" for a, b in zip(said, came, strict=True))

    def paint(axes: Axes) -> None:
        ends = [min(said.min(), came.min()), max(said.max(), came.max())]
        axes.plot(ends, ends, color=OCHRE, linewidth=1.2, label="said = came")
        axes.errorbar(said, came, yerr=reach, fmt="o", ms=4, color=BLUE, elinewidth=1, capsize=2)
        axes.set(xlabel=f"said: {facts.get('claims')}", ylabel="came")
        axes.legend(loc="upper left")

    alt = f"What was said and what came, in {len(rows)} bins of equally many records. {told}."
    return Plot("What was said, and what came", alt, draw(paint, 3.6))


def _bought(rows: pd.DataFrame) -> Plot | None:
    if rows.empty or "answered" not in rows:
        return None
    answered, error = numbers(rows["answered"]), numbers(rows["error"])
    half = error[np.argmin(np.abs(answered - 0.5))]

    def paint(axes: Axes) -> None:
        axes.fill_between(answered, numbers(rows["lower"]), numbers(rows["upper"]), color=BLUE, alpha=0.15, linewidth=0)
        axes.plot(answered, error, color=BLUE, marker="o", ms=3)
        axes.axhline(error[np.argmax(answered)], color=QUIET, linewidth=1, linestyle=":")
        axes.set(xlabel="share of records that is answered, the surest first", ylabel="error of these", ylim=(0, None))
        axes.tick_params(colors=INK)

    every = number(error[np.argmax(answered)])
    alt = (
        f"Error against the share that is answered, the surest first: {every} of all, {number(half)} of the surer half."
    )
    return Plot("What a threshold on confidence buys", alt, draw(paint, 3.2))


QUESTION = "Does a probability of 0.8 mean eight of ten, and in every group?"
CHECK = Check("calibration", measure, on_package, "Calibration", QUESTION, plots)
