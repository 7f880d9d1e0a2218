"""From a core to its guarded graph: learned on training rows, its thresholds set on calibration rows.

What is learned is learned from what the graph itself computes, so that nothing exists twice. Training rows give the
domain, the detector of odd combinations and where the model errs more; calibration rows, which training did not see,
give every threshold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.spec import Guards
from infra.runtime import Scorer, column_array
from tasks.conversion.hist_boosting import histogram_trees
from tasks.conversion.tree_ensemble import Tree, constant_tree
from tasks.guards.conformal import (
    conformal_quantile,
    group_quantiles,
    learn_spread,
    low_quantile,
    unlikeliness,
)
from tasks.guards.core import Core
from tasks.guards.domain import learn_domain, widened
from tasks.guards.graph import assemble
from tasks.guards.oddity import learn_oddity
from tasks.guards.plan import Floats, Limits, Lookup, Plan

# How far beyond what training saw an answer may lie, as a share of the whole range of its target.
TARGET_MARGIN = 0.1
NEVER_SEEN = "\x1f never seen"


@dataclass(frozen=True)
class Rows:
    """Rows with every column, and their truth: float64, or labels as text."""

    frame: pd.DataFrame
    target: npt.NDArray[Any]


def build_guards(
    core: Core, train: Rows, calibration: Rows, asked: Guards, lookups: Sequence[Lookup] = (), release: str = ""
) -> tuple[bytes, dict[str, Any]]:
    """(graph, what was chosen and why)."""
    plan = _learned(core, train, calibration, asked, tuple(lookups))
    plan = _limited(core, plan, train, calibration, asked)
    chosen = describe(core, plan, asked)
    facts = {"training_rows": len(train.frame), "calibration_rows": len(calibration.frame), **chosen}
    graph = assemble(core, plan, {"guards": chosen, "release": release})
    return graph, {key: value for key, value in facts.items() if key != "known"}


def _learned(core: Core, train: Rows, calibration: Rows, asked: Guards, lookups: tuple[Lookup, ...]) -> Plan:
    domain = widened(learn_domain(core.kinds, train.frame), calibration.frame, asked.budgets.domain)
    is_text = asked.group is None or not pd.api.types.is_numeric_dtype(train.frame[asked.group])
    replaced = _cannot_take(core, (*domain.texts,), train.frame)
    plan = Plan(domain, replaced, lookups, group=asked.group, group_is_text=is_text, is_ensemble=bool(core.members))
    if not len(train.frame) or not (domain.numbers or domain.texts):
        return plan
    seen = _answers(core, plan, train.frame)
    oddity = learn_oddity(seen["features"])
    if core.classes or asked.interval == "absolute":
        return replace(plan, oddity=oddity)
    said = seen["prediction"][:, 0]
    model = learn_spread(np.column_stack([seen["features"], said]), train.target - said)
    return replace(plan, oddity=oddity, spread=_trees(model) if model is not None else ())


def _trees(model: Any) -> tuple[Tree, ...]:
    """Of a fitted histogram gradient boosting with one score, its constant first."""
    return (constant_tree(np.asarray(model._baseline_prediction).reshape(-1)), *histogram_trees(model))


def _cannot_take(core: Core, texts: Sequence[str], rows: pd.DataFrame) -> tuple[str, ...]:
    """The columns in which a text that training never saw makes the core fail: asked of the core itself."""
    scorer, row = Scorer(core.graph), rows.head(1)
    if not len(row) or _answers_to(scorer, row.assign(**dict.fromkeys(texts, NEVER_SEEN))):
        return ()
    return tuple(name for name in texts if not _answers_to(scorer, row.assign(**{name: NEVER_SEEN})))


def _answers_to(scorer: Scorer, row: pd.DataFrame) -> bool:
    try:
        scorer.score(row)
        return True
    except Exception:  # noqa: BLE001  onnxruntime raises classes of its own for each kind of failure.
        return False


def _answers(core: Core, plan: Plan, rows: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
    return Scorer(assemble(core, plan, probe=True)).answers(rows)


def _limited(core: Core, plan: Plan, train: Rows, calibration: Rows, asked: Guards) -> Plan:
    if not len(calibration.frame):
        return plan
    open_plan = replace(plan, limits=Limits(quantile=1.0))
    said, budgets = Scorer(assemble(core, open_plan)).answers(calibration.frame), asked.budgets
    limits = Limits()
    if plan.oddity:
        limits = replace(limits, odd_above=conformal_quantile(said["anomaly_score"][:, 0], 1 - budgets.anomaly))
    if plan.is_ensemble:
        limits = replace(limits, apart_above=apart_above(said["disagreement"][:, 0], asked))
    if not core.classes:
        return replace(plan, limits=_interval_limits(limits, plan, train, calibration, said, asked))
    if not core.has_probabilities:
        return replace(plan, limits=limits)
    scores = unlikeliness(said["probabilities"], calibration.target, core.classes)
    lowest = low_quantile(said["probabilities"].max(axis=1), budgets.confidence)
    limits = _with_quantiles(limits, plan, scores, calibration.frame, asked)
    return replace(plan, limits=replace(limits, probability_below=asked.confidence or lowest))


def apart_above(disagreement: Floats, asked: Guards) -> float:
    """The limit that was asked for, or what at most the budget's share of new rows lies above."""
    if asked.disagreement is not None:
        return asked.disagreement
    return conformal_quantile(disagreement, 1 - asked.budgets.disagreement)


def _interval_limits(
    limits: Limits, plan: Plan, train: Rows, calibration: Rows, said: Mapping[str, Any], asked: Guards
) -> Limits:
    low, high = asked.plausible or plausible_range(train.target)
    limits = replace(limits, low=low, high=high)
    # The half width of a quantile of 1.
    half = said["upper"][:, 0] - said["prediction"][:, 0] if plan.spread else np.ones(len(calibration.frame))
    scores = np.abs(calibration.target - said["prediction"][:, 0]) / half
    limits = _with_quantiles(limits, plan, scores, calibration.frame, asked)
    if asked.widest is not None:
        return replace(limits, wider_than=asked.widest)
    if not plan.spread or plan.group:
        return limits
    widest = -low_quantile(-2 * half * limits.quantile, asked.budgets.confidence)
    return replace(limits, wider_than=widest)


def _with_quantiles(limits: Limits, plan: Plan, scores: Floats, rows: pd.DataFrame, asked: Guards) -> Limits:
    if not plan.group:
        return replace(limits, quantile=conformal_quantile(scores, asked.coverage))
    groups = group_values(rows, plan)
    rest, own = group_quantiles(scores, groups, asked.coverage)
    return replace(limits, quantile=rest, by_group=own)


def group_values(rows: pd.DataFrame, plan: Plan) -> npt.NDArray[Any]:
    """(n,) the group of each row, as the graph reads it."""
    return column_array(rows[str(plan.group)], "string" if plan.group_is_text else "double")[:, 0]


def plausible_range(target: npt.NDArray[Any]) -> tuple[float, float]:
    """What training saw, and a margin; what was never negative does not become so."""
    values = np.asarray(target, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return -np.inf, np.inf
    least, greatest = float(values.min()), float(values.max())
    margin = TARGET_MARGIN * (greatest - least)
    return max(least - margin, 0.0) if least >= 0 else least - margin, greatest + margin


def describe(core: Core, plan: Plan, asked: Guards) -> dict[str, Any]:
    """The guards' parameters as JSON: finite numbers, null for what never says no."""
    domain, limits = plan.domain, plan.limits
    return {
        "intervals": {
            name: [_plain(low), _plain(high)]
            for name, low, high in zip(domain.numbers, domain.low, domain.high, strict=True)
        },
        "interval_margin": domain.margin,
        "may_be_missing": [n for n, may in zip(domain.numbers, domain.may_miss, strict=True) if may],
        "known": {name: dict(known) for name, known in zip(domain.texts, domain.known, strict=True)},
        "not_checked": list(domain.free),
        "made_safe_by_commonest": list(plan.replaced),
        "odd_above": _plain(limits.odd_above),
        "plausible": [_plain(limits.low), _plain(limits.high)],
        "conformal": _conformal(core, plan),
        "coverage": asked.coverage,
        "quantile": _plain(limits.quantile),
        "group": plan.group,
        "quantile_by_group": {str(group): float(value) for group, value in sorted(limits.by_group.items())},
        "probability_below": _plain(limits.probability_below),
        "wider_than": _plain(limits.wider_than),
        **({"apart_above": _plain(limits.apart_above)} if plan.is_ensemble else {}),
        "budgets": asked.budgets.model_dump(),
        "lookups": [{"source": t.source, "on": t.on, "columns": list(t.columns)} for t in plan.lookups],
    }


def _conformal(core: Core, plan: Plan) -> str:
    if not core.classes:
        return "normalised residual" if plan.spread else "absolute residual"
    return "least ambiguous set" if core.has_probabilities else "none: the model has no probabilities"


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
