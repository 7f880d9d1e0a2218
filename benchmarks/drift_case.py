"""Traffic for the drift benchmark: rows of the credit table, drawn anew each minute, and what befalls them.

The table is the world. The release saw a random part of it (its training and test rows) and is held against that; all
rows come as traffic. A fault changes the rows, the truths or the latencies from a minute on; the package scores them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray

from expectations.sequential.accounts import Sums
from expectations.sequential.ticks import Numbers
from tasks import steps
from tasks.check import TEST, TRAIN, Subject
from tasks.job import open_job
from tasks.monitoring.measures import measured
from tasks.monitoring.reference import ReferenceRows, reference_of
from tasks.monitoring.yardsticks import LABELLED, Yardsticks

SPEC = Path(__file__).parents[1] / "examples" / "credit" / "release.yaml"
# Rows a minute; a truth comes so many minutes after its answer; twelve hours of clean traffic.
EACH, LABELS_LATE, CLEAN_MINUTES = 50, 30, 720
# A fault comes some minutes after the first hour, and is looked for so long.
SOUGHT_MINUTES = 360
LATE_MS, USUAL_MS = 400.0, 20.0
SWAY = 0.25
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class World:
    """The package's answers on the whole table, and what is needed to ask it again of changed rows."""

    subject: Subject
    reference: ReferenceRows
    features: pd.DataFrame
    truth: pd.Series

    def answers(self, features: pd.DataFrame, truth: pd.Series, late: float = 0.005, seed: int = 0) -> pl.DataFrame:
        """Rows of the log with their truth; a share `late` of them took too long."""
        draw = np.random.default_rng(seed)
        latency = draw.lognormal(np.log(USUAL_MS), 0.3, len(features))
        latency[draw.random(len(features)) < late] += LATE_MS
        rows = reference_of(self.subject.scorer(), features, truth).rows
        return rows.with_columns(latency_ms=pl.Series(latency))


def world(folder: Path) -> World:
    """Trains, converts and guards the model of the credit example, as a release does."""
    job = open_job(SPEC, str(folder / "store"), None)
    subject = Subject(job, steps.take_snapshot.fn(job))
    for step, name in ((steps.make_candidate, "trained"), (steps.convert_and_package, "packed")):
        subject = _with(subject, **{name: step.fn(subject)})
    subject = _with(subject, packed=steps.guard_package.fn(subject))
    test, train, table = subject.part(TEST), subject.part(TRAIN), subject.data()
    reference = reference_of(subject.scorer(), job.features(test), job.target(test), job.features(train))
    found = World(subject, reference, job.features(table), pd.Series(job.target(table)))
    own = found.answers(job.features(test), pd.Series(job.target(test)), seed=1)
    return World(subject, ReferenceRows(own, reference.signature, reference.more), found.features, found.truth)


def _with(subject: Subject, **parts: object) -> Subject:
    held = {"trained": subject.trained, "packed": subject.packed} | parts
    return Subject(subject.job, subject.manifest, **held)


@dataclass(frozen=True)
class Fault:
    """`kind` and `size` for people; `change` gives the log's rows that come from then on."""

    kind: str
    size: str
    change: Callable[[World], pl.DataFrame]


def _column(
    name: str, values: Callable[[pd.Series, np.random.Generator], pd.Series]
) -> Callable[[World], pl.DataFrame]:
    def change(world: World) -> pl.DataFrame:
        changed = values(world.features[name], np.random.default_rng(3))
        return world.answers(world.features.assign(**{name: changed}), world.truth)

    return change


def _units(share: float) -> Callable[[World], pl.DataFrame]:
    def change(values: pd.Series, draw: np.random.Generator) -> pd.Series:
        return values.where(draw.random(len(values)) >= share, 100 * values)

    return _column("Income", change)


def _shift(deviations: float) -> Callable[[World], pl.DataFrame]:
    return _column("Income", lambda values, _: values + deviations * values.std())


def _missing(share: float) -> Callable[[World], pl.DataFrame]:
    return _column("Income", lambda values, draw: values.mask(draw.random(len(values)) < share))


def _records(share: float) -> Callable[[World], pl.DataFrame]:
    """Other people come: so many of them with a record of unpaid loans."""

    def change(world: World) -> pl.DataFrame:
        draw, n = np.random.default_rng(3), len(world.features)
        with_record = (world.features["Records"] == "yes").to_numpy()
        wanted = draw.random(n) < share
        some, others = (np.flatnonzero(which) for which in (with_record, ~with_record))
        drawn = np.where(wanted, draw.choice(some, n), draw.choice(others, n))
        return world.answers(world.features.iloc[drawn].reset_index(drop=True), world.truth.iloc[drawn])

    return change


def _shuffled(*columns: str) -> Callable[[World], pl.DataFrame]:
    """A join gone wrong: each column's distribution is as it was, and belongs to somebody else."""

    def change(world: World) -> pl.DataFrame:
        draw, features = np.random.default_rng(3), world.features.copy()
        order = draw.permutation(len(features))
        for name in columns:
            features[name] = features[name].to_numpy()[order]
        return world.answers(features, world.truth)

    return change


def _flipped(share: float) -> Callable[[World], pl.DataFrame]:
    def change(world: World) -> pl.DataFrame:
        other = world.truth.map({"good": "bad", "bad": "good"})
        keep = np.random.default_rng(3).random(len(other)) >= share
        return world.answers(world.features, world.truth.where(keep, other))

    return change


def _late(share: float) -> Callable[[World], pl.DataFrame]:
    return lambda world: world.answers(world.features, world.truth, late=share)


MONEY = ("Income", "Assets", "Debt", "Amount", "Price")
FAULTS = (
    Fault("unit change", "incomes × 100", _units(1.0)),
    Fault("unit change", "of every fifth row", _units(0.2)),
    Fault("mean shift", "0.5 σ of the income", _shift(0.5)),
    Fault("mean shift", "1.5 σ", _shift(1.5)),
    Fault("missing", "30 % of the incomes", _missing(0.3)),
    Fault("category share", "records 17 → 35 %", _records(0.35)),
    Fault("category share", "17 → 60 %", _records(0.6)),
    Fault("joint break", "price of another row", _shuffled("Price")),
    Fault("joint break", "all money of another row", _shuffled(*MONEY)),
    Fault("label flip", "20 % of the truths", _flipped(0.2)),
    Fault("label flip", "50 %", _flipped(0.5)),
    Fault("latency", "late 0.5 → 15 %", _late(0.15)),
    Fault("latency", "0.5 → 50 %", _late(0.5)),
)


@dataclass(frozen=True, eq=False)
class Pool:
    """Rows to draw from, and what each is worth to each strand: values (n, N), NaN as 0, and whether it counts."""

    rows: pl.DataFrame
    values: dict[str, tuple[Numbers, Numbers]]


def pool_of(yardsticks: Yardsticks, rows: pl.DataFrame) -> Pool:
    """Measured as `count` measures, once for all ticks."""
    values = {}
    for name, some in yardsticks.measures.items():
        found = np.concatenate([measured(one, rows) for one in some], axis=1)
        values[name] = np.nan_to_num(found), (~np.isnan(found)).astype(np.float64)
    return Pool(rows, values)


@dataclass(frozen=True, eq=False)
class Run:
    """`drawn` (T, EACH): which row of its pool each request is; from minute `start` on it is the other pool."""

    drawn: Rows
    start: int

    def fault(self, late: int = 0) -> NDArray[np.bool_]:
        """(T,) does what is told in this minute come of the fault? `late`: of labels."""
        return np.arange(len(self.drawn)) - late >= self.start


@cache
def clean_run(rows: int, seed: int, minutes: int = CLEAN_MINUTES) -> Run:
    """Nothing ever changes."""
    return Run(np.random.default_rng(seed).integers(0, rows, (minutes, EACH)), minutes + LABELS_LATE)


def swaying_run(order: Numbers, seed: int) -> Run:
    """Within twelve hours other people come in the morning than at night: who has more income (`order`, (n,) from −1 to
    1) up to a quarter more often, then as much less often. No share moves by more than 0.07."""
    draw, chosen = np.random.default_rng(seed), []
    for minute in range(CLEAN_MINUTES):
        chances = 1 + SWAY * np.sin(2 * np.pi * minute / CLEAN_MINUTES) * order
        chosen.append(draw.choice(len(order), EACH, p=chances / chances.sum()))
    return Run(np.array(chosen), CLEAN_MINUTES + LABELS_LATE)


@cache
def fault_run(rows: int, seed: int) -> Run:
    """The fault comes at some minute of the second hour."""
    draw = np.random.default_rng(seed)
    start = 60 + int(draw.integers(0, 60))
    return Run(draw.integers(0, rows, (start + SOUGHT_MINUTES, EACH)), start)


def ticks(run: Run, clean: Pool, fault: Pool, alarm: str) -> Iterator[Sums]:
    """One tick after the other; what needs the truth comes later."""
    late = LABELS_LATE if alarm in LABELLED else 0
    bad = run.fault(late)
    for at in range(len(run.drawn)):
        values, counted = (fault if bad[at] else clean).values[alarm]
        mine = run.drawn[at - late] if at >= late else run.drawn[:0].ravel()
        some, known = values[mine], counted[mine]
        yield Sums(np.array([60 * at]), *(part.sum(axis=0)[None] for part in (known, some, some**2)))
