"""What a release that serves is held against: places and limits, from its own rows alone, set once.

An alarm has measures, a measure has places (a cut of a number, a level of a text, a share), and a place is one strand,
or two where less is as far away as more. Limits are what the same measure gives of the release's own rows.

Where the own rows are too few to show what is usual, more is tolerated (`limits`): a fifth of alpha is for that, the
rest is what the bets may err.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from expectations.monitoring_spec import Monitoring, WatchedChange, WatchedShare
from expectations.sequential.accounts import Asked
from expectations.sequential.standing import BETS, OWN_ROWS
from expectations.spec import ReleaseSpec
from tasks.monitoring.inputs import input_measures
from tasks.monitoring.limits import limited
from tasks.monitoring.measures import Found, Measure, NotApplicable, NotMeasured
from tasks.monitoring.outputs import (
    error_measures,
    estimate_measures,
    guard_measures,
    latency_measures,
    lookup_measures,
    oddity_measures,
    prediction_measures,
)
from tasks.monitoring.reference import ReferenceRows, as_served
from tasks.monitoring.truths import calibration_measures, quality_measures, slice_measures

MEASURES: Mapping[str, Callable[[ReleaseSpec, ReferenceRows], Found]] = {
    "inputs": input_measures,
    "oddity": oddity_measures,
    "predictions": prediction_measures,
    "guards": guard_measures,
    "errors": error_measures,
    "latency": latency_measures,
    "lookups": lookup_measures,
    "quality": quality_measures,
    "slices": slice_measures,
    "calibration": calibration_measures,
    "estimated_quality": estimate_measures,
}
LABELLED = frozenset({"quality", "slices", "calibration"})
TRUTH = frozenset({"truth", "truth_number"})
# Multiples of the tolerance that are asked about, beside those at which a mode is set.
LADDER = (1.0, 2.0, 4.0)
# Whose answer it was, beside what the measures themselves need.
WHOSE = frozenset({"release", "answered_release", "answered_by", "refused", "error"})


@dataclass(frozen=True)
class Yardsticks:
    """`measures` by alarm; what an alarm cannot measure is a sentence in `left_out`, be it all of it or a part. Alarms
    with nothing to ask of this release stand in `not_applicable`, with the reason."""

    measures: Mapping[str, tuple[Measure, ...]]
    left_out: Mapping[str, tuple[str, ...]]
    levels: Mapping[str, tuple[float, ...]]
    alpha: float
    calm_seconds: float
    not_applicable: Mapping[str, str]

    def asked(self) -> dict[str, Asked]:
        """The claims of each alarm that can be measured; alpha is divided over them. `when` counts seconds."""
        return self._asked_once

    @cached_property
    def _asked_once(self) -> dict[str, Asked]:
        part = BETS * self.alpha / max(len(self.measures), 1)
        return {name: self._asked(name, part) for name in self.measures}

    def _asked(self, name: str, alpha: float) -> Asked:
        some = self.measures[name]
        limit = np.array([limit for one in some for limit in one.limit], dtype=np.float64)
        tolerance = np.array([one.tolerance for one in some for _ in one.limit], dtype=np.float64)
        labels = tuple(label for one in some for label in one.labels)
        return Asked(labels, limit, tolerance, self.levels[name], alpha, self.calm_seconds)

    def not_measured(self) -> dict[str, str]:
        """Of each alarm that is watched and of which nothing can be measured: why."""
        return {name: " ".join(why) for name, why in self.left_out.items() if name not in self.measures}

    def columns(self) -> frozenset[str]:
        """The columns of the log that `count` reads, beside `truth` and `truth_number`, which feedback brings."""
        return (
            frozenset(column for some in self.measures.values() for one in some for column in one.needs) - TRUTH | WHOSE
        )

    def as_json(self) -> dict[str, Any]:
        """`yardsticks_from_json` is the inverse."""
        return asdict(self)


def yardsticks_from_json(told: Mapping[str, Any]) -> Yardsticks:
    """The yardsticks that `Yardsticks.as_json` gave, or JSON of it."""
    return Yardsticks(
        {name: tuple(Measure.from_json(one) for one in some) for name, some in told["measures"].items()},
        {name: tuple(why) for name, why in told["left_out"].items()},
        {name: tuple(levels) for name, levels in told["levels"].items()},
        told["alpha"],
        told["calm_seconds"],
        told["not_applicable"],
    )


def set_yardsticks(spec: ReleaseSpec, reference: ReferenceRows) -> Yardsticks:
    """From the release's spec and its own rows: test rows for what the package says, all rows for the inputs."""
    reference = as_served(spec, reference)
    watched = _watched(spec.monitoring)
    part = OWN_ROWS * spec.monitoring.alpha / max(len(watched), 1)
    found, not_applicable = {}, {}
    for name, one in watched.items():
        try:
            found[name] = _set(MEASURES[name](spec, reference), one, reference, part)
        except NotApplicable as nothing:
            not_applicable[name] = str(nothing)
    measures = {name: tuple(some) for name, (some, _) in found.items() if some}
    left_out = {name: tuple(why) for name, (_, why) in found.items() if why}
    levels = {name: tuple(sorted({*LADDER, *watched[name].modes.values()})) for name in measures}
    calm_seconds = 60 * spec.monitoring.calm_minutes
    return Yardsticks(measures, left_out, levels, spec.monitoring.alpha, calm_seconds, not_applicable)


def _watched(monitoring: Monitoring) -> dict[str, WatchedShare | WatchedChange]:
    """The alarms that rows of the log can tell of; silence and cost are told by other things."""
    asked = ((name, getattr(monitoring.alarms, name)) for name in MEASURES)
    return {name: one for name, one in asked if one is not None}


def _set(found: Found, alarm: WatchedShare | WatchedChange, reference: ReferenceRows, alpha: float) -> Found:
    """With limits; `alpha` is shared by all strands of the alarm."""
    measures, why = found
    each, kept, why = alpha / max(sum(len(one.labels) for one in measures), 1), [], [*why]
    for one in measures:
        try:
            kept.append(limited(one, alarm.tolerance, reference, each))
        except NotMeasured as error:
            why.append(f"In the release's own rows {error}")
    kept = [one for one in kept if one.labels]
    if not kept and not why:
        why.append("The release's own rows are too few, or nothing of it can change by more than its tolerance.")
    return kept, why
