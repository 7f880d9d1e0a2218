"""From rows of the prediction log to what the judge is given: sums for each arm and metric, and no single request."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from expectations.sequential.ticks import Ticks, join_ticks
from expectations.sequential.watching import (
    absolute_loss,
    below_cuts,
    business_loss,
    cut_points,
    is_class,
    over_limit,
    wrong_labels,
)
from tasks.rollout.plan import Plan

# So many answers of the champion's set the yardsticks, before any is held against them.
ENOUGH = 200
Values = "np.ndarray[Any, np.dtype[np.float64]]"


@dataclass(frozen=True)
class Yardsticks:
    """What both arms are held against, set once from answers of the champion before the first that is counted.

    `limit_ms`: its p95, unless the spec says another. `cuts`: deciles of its predictions. `classes`: instead of them.
    """

    limit_ms: float
    cuts: tuple[float, ...] = ()
    classes: tuple[str, ...] = ()


def set_yardsticks(plan: Plan, champion: pd.DataFrame) -> Yardsticks | None:
    """From the champion's answers so far; None while they are too few."""
    answered = champion[champion["error"].isna()].tail(20 * ENOUGH)
    if len(answered) < ENOUGH:
        return None
    latency = plan.spec.rollout.watch.latency
    limit = latency.limit_ms if latency and latency.limit_ms else float(np.quantile(answered["latency_ms"], 0.95))
    said = answered["output.prediction"]
    if plan.spec.model.task != "regression":
        return Yardsticks(limit, classes=tuple(sorted(said.astype(str).unique())))
    numbers = said.to_numpy(dtype=np.float64)
    return Yardsticks(limit, cuts=tuple(float(cut) for cut in cut_points(numbers[np.isfinite(numbers)])))


@dataclass
class Tally:
    """What was counted so far, by metric: ticks for each place where it is compared, or why it was not measured."""

    ticks: dict[str, tuple[Ticks, ...]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def seen(self) -> dict[str, Sequence[Ticks] | str]:
        """As the judge takes it."""
        return {**self.ticks, **self.errors}

    def add(self, more: "Tally") -> None:
        """Puts later ticks behind; what could not be measured just now says so until it can be."""
        for name, strands in more.ticks.items():
            before = self.ticks.get(name) or tuple(join_ticks([]) for _ in strands)
            self.ticks[name] = tuple(join_ticks(pair) for pair in zip(before, strands, strict=True))
        self.errors = dict(more.errors)

    def as_json(self) -> dict[str, Any]:
        """`tally_from_json` is the inverse."""
        ticks = {name: [_ticks_json(one) for one in strands] for name, strands in self.ticks.items()}
        return {"ticks": ticks, "errors": self.errors}


def tally_from_json(values: Mapping[str, Any]) -> Tally:
    """The tally that `Tally.as_json` gave."""
    ticks = {name: tuple(map(_ticks_from_json, strands)) for name, strands in values["ticks"].items()}
    return Tally(ticks, dict(values["errors"]))


def _ticks_json(ticks: Ticks) -> dict[str, Any]:
    return {name: getattr(ticks, name).tolist() for name in ("stage", "count", "total", "squares")}


def _ticks_from_json(values: Mapping[str, Any]) -> Ticks:
    sums = (np.array(values[name], dtype=np.float64).reshape(-1, 2) for name in ("count", "total", "squares"))
    return Ticks(np.array(values["stage"], dtype=np.int64), *sums)


def count(plan: Plan, yard: Yardsticks, rows: pd.DataFrame, labelled: pd.DataFrame) -> Tally:
    """One tick for each stage in what was read just now: `rows` new predictions, `labelled` ones whose truth is new.

    Both have the log's columns; `labelled` also `truth` and `value`. A tick is what one reading brought, so that rows
    which come late are a tick of their own and change none that was judged before.
    """
    tally, watch = Tally(), plan.spec.rollout.watch
    answered = rows[rows["error"].isna()]
    ways: dict[str, tuple[Any, pd.DataFrame, Callable[[pd.DataFrame], Any]]] = {
        "errors": (watch.errors, rows, lambda part: part["error"].notna()),
        "latency": (watch.latency, answered, lambda part: over_limit(part["latency_ms"], yard.limit_ms)),
        "guards": (watch.guards, answered, lambda part: ~part["output.trusted"].astype(bool)),
        "distribution": (watch.distribution, answered, lambda part: _places(yard, part["output.prediction"])),
        "business": (watch.business, labelled, lambda part: business_loss(part["value"], watch.business)),  # type: ignore[arg-type]
        "quality": (watch.quality, labelled, lambda part: _loss(plan, part)),
    }
    for name, (asked, part, values) in ways.items():
        if asked is None:
            continue
        try:
            tally.ticks[name] = _ticks(plan, part, np.asarray(values(part), dtype=np.float64).reshape(len(part), -1))
        except (KeyError, ValueError, TypeError) as error:
            tally.errors[name] = f"it could not be measured: {error}"
    return tally


def _places(yard: Yardsticks, predictions: "pd.Series[Any]") -> Any:
    if yard.classes:
        return is_class(predictions.astype(str).tolist(), yard.classes)
    return below_cuts(predictions.to_numpy(dtype=np.float64), np.array(yard.cuts))


def _loss(plan: Plan, part: pd.DataFrame) -> Any:
    if plan.spec.model.task != "regression":
        return wrong_labels(part["truth"].astype(str).tolist(), part["output.prediction"].astype(str).tolist())
    if plan.error_scale is None:
        raise ValueError("rollout.watch.quality.scale is missing, and the release has no mean absolute error")
    return absolute_loss(part["truth"].astype(np.float64), part["output.prediction"], plan.error_scale)


def _ticks(plan: Plan, part: pd.DataFrame, values: Any) -> tuple[Ticks, ...]:
    """For each column of `values` (n, places), one tick of each stage that is in `part`."""
    stages = np.unique(part["stage"].to_numpy(dtype=np.int64))
    arms = (part["release"] == plan.release.id).to_numpy(dtype=np.int64)
    slot = 2 * np.searchsorted(stages, part["stage"].to_numpy(dtype=np.int64)) + arms
    return tuple(_one(stages, slot, values[:, at]) for at in range(values.shape[1]))


def _one(stages: Any, slot: Any, values: Any) -> Ticks:
    weights: Iterable[Any] = (None, values, values**2)
    sums = (np.bincount(slot, weight, 2 * len(stages)).reshape(-1, 2).astype(np.float64) for weight in weights)
    return Ticks(stages, *sums)
