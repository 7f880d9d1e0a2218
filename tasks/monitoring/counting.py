"""From rows of the prediction log to the sums of one tick: of each strand of each alarm, and no single row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from expectations.sequential.accounts import Sums
from tasks.monitoring.measures import Measure, NotMeasured, measured
from tasks.monitoring.places import Floats
from tasks.monitoring.yardsticks import LABELLED, Yardsticks

# So many rows at a time, for the memory's sake.
AT_ONCE = 50_000


@dataclass(frozen=True, eq=False)
class Counted:
    """One tick. `sums` by alarm (3, strands): count, total, squares. `problems` by alarm: what could not be measured
    of these rows, in sentences; its strands counted nothing."""

    sums: Mapping[str, Floats] = field(default_factory=dict)
    problems: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def ticks(self, alarm: str, when: int) -> Sums:
        """One tick as an account takes it; `when` in UTC seconds."""
        count, total, squares = self.sums[alarm][:, None]
        return Sums(np.array([when], dtype=np.int64), count, total, squares)

    def plus(self, more: "Counted") -> "Counted":
        """Two parts of one tick, as one."""
        names = [*self.sums, *(name for name in more.sums if name not in self.sums)]
        sums = {name: self.sums.get(name, 0.0) + np.asarray(more.sums.get(name, 0.0)) for name in names}
        told = [*self.problems, *(name for name in more.problems if name not in self.problems)]
        both = {name: (*self.problems.get(name, ()), *more.problems.get(name, ())) for name in told}
        return Counted(sums, {name: tuple(dict.fromkeys(words)) for name, words in both.items()})

    def as_json(self) -> dict[str, Any]:
        """`counted_from_json` is the inverse."""
        sums = {name: values.tolist() for name, values in self.sums.items()}
        return {"sums": sums, "problems": {name: list(words) for name, words in self.problems.items()}}


def counted_from_json(told: Mapping[str, Any]) -> Counted:
    """The tick that `Counted.as_json` gave."""
    sums = {name: np.array(values, dtype=np.float64) for name, values in told["sums"].items()}
    return Counted(sums, {name: tuple(words) for name, words in told["problems"].items()})


def count(yardsticks: Yardsticks, rows: pl.DataFrame, labelled: pl.DataFrame) -> Counted:
    """The sums of one tick: `rows` are new predictions that fell to the release (no shadow), `labelled` ones whose
    truth is new, with `truth` and `truth_number` beside the log's columns. No row was counted before."""
    found = Counted({name: np.zeros((3, _strands(some))) for name, some in yardsticks.measures.items()})
    labelled = labelled.filter(pl.col("truth").is_not_null()) if "truth" in labelled.columns else labelled
    for name, some in yardsticks.measures.items():
        frame = labelled if name in LABELLED else rows
        for part in (frame[at : at + AT_ONCE] for at in range(0, len(frame), AT_ONCE)):
            found = found.plus(_counted(name, some, part))
    return found


def _strands(some: tuple[Measure, ...]) -> int:
    return sum(len(one.labels) for one in some)


def _counted(name: str, some: tuple[Measure, ...], rows: pl.DataFrame) -> Counted:
    sums, problems = [], []
    for one in some:
        try:
            values = measured(one, rows)
        except NotMeasured as error:
            problems.append(str(error))
            values = np.full((0, len(one.labels)), np.nan)
        known = np.nan_to_num(values)
        sums.append(np.stack([(~np.isnan(values)).sum(axis=0), known.sum(axis=0), (known**2).sum(axis=0)]))
    told = {name: tuple(dict.fromkeys(problems))} if problems else {}
    return Counted({name: np.concatenate(sums, axis=1)}, told)
