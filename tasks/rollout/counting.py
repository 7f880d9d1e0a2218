"""From rows of the prediction log to what the judge is given: sums for each arm and metric, and no single request."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

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
from infra.runtime import label_text
from tasks.rollout.plan import Plan

# What of the log is read.
COLUMNS = ("time", "release", "stage", "shadow", "error", "latency_ms", "output.prediction", "output.trusted")
PREDICTION = "output.prediction"
# So many answers of the champion's set the yardsticks, before any is held against them; later ones do not count.
ENOUGH, MOST = 200, 4000
# About so many of the lesser arm are in a tick, and no reading is cut into more than so many.
EACH, MOST_SLICES = 8, 64
SUMS = ("count", "total", "squares")


@dataclass(frozen=True)
class Yardsticks:
    """What both arms are held against, set once from answers of the champion before the first that is counted.

    `limit_ms`: its p95, unless the spec says another. `cuts`: deciles of its predictions; of labels `classes` instead.
    """

    limit_ms: float
    cuts: tuple[float, ...] = ()
    classes: tuple[str, ...] = ()

    @staticmethod
    def from_json(values: Mapping[str, Any] | None) -> "Yardsticks | None":
        """From what `asdict` gave, as JSON; None from null."""
        return Yardsticks(values["limit_ms"], tuple(values["cuts"]), tuple(values["classes"])) if values else None


def set_yardsticks(plan: Plan, champion: pl.DataFrame) -> Yardsticks | None:
    """From the champion's answers so far; None while they are too few."""
    answered = champion.filter(pl.col("error").is_null()).tail(MOST)
    if len(answered) < ENOUGH:
        return None
    latency = plan.spec.rollout.watch.latency
    limit = latency.limit_ms if latency and latency.limit_ms else float(np.quantile(answered["latency_ms"], 0.95))
    if plan.spec.model.task != "regression":
        return Yardsticks(limit, classes=tuple(sorted(set(_labels(answered)))))
    said = answered[PREDICTION].to_numpy()
    return Yardsticks(limit, cuts=tuple(float(cut) for cut in cut_points(said[np.isfinite(said)])))


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
    return {name: getattr(ticks, name).tolist() for name in ("stage", *SUMS)}


def _ticks_from_json(values: Mapping[str, Any]) -> Ticks:
    count, total, squares = (np.array(values[name], dtype=np.float64).reshape(-1, 2) for name in SUMS)
    return Ticks(np.array(values["stage"], dtype=np.int64), count, total, squares)


def count(plan: Plan, yard: Yardsticks, rows: pl.DataFrame, labelled: pl.DataFrame) -> Tally:
    """Ticks for each stage in what was read just now: `rows` new predictions, `labelled` ones whose truth is new.

    Both have the log's columns; `labelled` also `truth`, `truth_number` and `value`. A tick is what one reading
    brought, or a slice of it, so that rows which come late are ticks of their own and change none that was judged.
    """
    tally = Tally()
    for name, part, values in _ways(plan, yard, rows.filter(pl.col("stage") >= 0), labelled):
        if not len(part):
            continue
        try:
            tally.ticks[name] = _ticks(plan, part, np.asarray(values(part), dtype=np.float64).reshape(len(part), -1))
        except (pl.exceptions.PolarsError, ValueError, TypeError) as error:
            tally.errors[name] = f"it could not be measured: {error}"
    return tally


Way = tuple[str, pl.DataFrame, Callable[[pl.DataFrame], Any]]


def _ways(plan: Plan, yard: Yardsticks, rows: pl.DataFrame, labelled: pl.DataFrame) -> Iterable[Way]:
    """Of each metric that is watched: its name, the rows that it is about, and what each of them is worth, 1 is bad."""
    watch, answered = plan.spec.rollout.watch, rows.filter(pl.col("error").is_null())
    labelled = labelled.filter((pl.col("stage") >= 0) & pl.col("error").is_null())
    if watch.errors:
        yield "errors", rows, lambda part: part["error"].is_not_null()
    if watch.latency:
        yield "latency", answered, lambda part: over_limit(part["latency_ms"], yard.limit_ms)
    if watch.guards:
        yield "guards", answered, lambda part: ~part["output.trusted"]
    if watch.distribution:
        yield "distribution", answered, lambda part: _places(yard, part)
    if business := watch.business:
        yield (
            "business",
            labelled.filter(pl.col("value").is_not_null()),
            lambda part: business_loss(part["value"], business),
        )
    if watch.quality:
        yield "quality", labelled, lambda part: _loss(plan, part)


def _places(yard: Yardsticks, part: pl.DataFrame) -> Any:
    if yard.classes:
        return is_class(_labels(part), yard.classes)
    return below_cuts(part[PREDICTION].to_numpy(), np.array(yard.cuts))


def _loss(plan: Plan, part: pl.DataFrame) -> Any:
    if plan.spec.model.task != "regression":
        return wrong_labels(label_text(part["truth"]).tolist(), _labels(part))
    if plan.error_scale is None:
        raise ValueError("rollout.watch.quality.scale is missing, and the release has no mean absolute error")
    return absolute_loss(part["truth_number"], part[PREDICTION], plan.error_scale)


def _labels(part: pl.DataFrame) -> list[str]:
    return [str(label) for label in label_text(part[PREDICTION].to_list())]


def _ticks(plan: Plan, part: pl.DataFrame, values: Any) -> tuple[Ticks, ...]:
    """For each column of `values` (n, places), the ticks of each stage that is in `part`."""
    stage = part["stage"].to_numpy().astype(np.int64)
    arms = (part["release"] == plan.release.id).to_numpy().astype(np.int64)
    when = part["time"].to_numpy().astype(np.int64)
    stages, tick = _sliced(stage, arms, when)
    return tuple(_one(stages, 2 * tick + arms, values[:, at]) for at in range(values.shape[1]))


def _sliced(stage: Any, arms: Any, when: Any) -> tuple[Any, Any]:
    """(stage of each tick, tick of each row). Rows of one stage are cut in order of time, as finely as the lesser arm
    allows: the judge learns from each block of a few, and where the cuts lie depends on how many there are alone."""
    stages: list[int] = []
    tick = np.empty(len(stage), dtype=np.int64)
    for one in np.unique(stage):
        mine = np.flatnonzero(stage == one)
        slices = int(np.clip(np.bincount(arms[mine], minlength=2).min() // EACH, 1, MOST_SLICES))
        rank = np.argsort(np.argsort(when[mine], kind="stable"), kind="stable")
        tick[mine] = len(stages) + rank * slices // len(mine)
        stages += [int(one)] * slices
    return np.array(stages, dtype=np.int64), tick


def _one(stages: Any, slot: Any, values: Any) -> Ticks:
    weights: Iterable[Any] = (None, values, values**2)
    count, total, squares = (
        np.bincount(slot, weight, 2 * len(stages)).reshape(-1, 2).astype(np.float64) for weight in weights
    )
    return Ticks(stages, count, total, squares)
