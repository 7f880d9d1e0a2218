"""How others do on the drift benchmark's runs: plain tests of each column, and Evidently, apart from us."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.drift_case import LABELS_LATE, Run, clean_run, fault_run, swaying_run
from benchmarks.drift_rules import Rule, column_of, first, path, placed, table, tuned
from benchmarks.peers import python_of
from expectations.sequential.ticks import Numbers
from tasks.monitoring.places import numbers

PEERS = Path(__file__).with_name("battery_peers")
CLEAN, TUNING, RUNS, EVIDENTLY_RUNS = 30, 100, 20, 10
ALPHA = 0.05
CLEAN_POOL = "clean"
HOURLY = Rule("Kolmogorov-Smirnov, chi²: p < 0.05 in an hour's window", 60, 60, -np.log10(0.05))
TUNED = (
    Rule("the same tests, tuned: each hour", 60, 60, 0),
    Rule("the same tests, tuned: the last hour, each minute", 60, 1, 0),
    Rule("the same tests, tuned: the last ten minutes, each minute", 10, 1, 0),
)


@dataclass
class Scores:
    """How one way did: the share of clean runs with an alarm, alarms a clean run, the share of runs with a harmless
    sway that had one, and minutes by fault and run."""

    name: str
    false_runs: float = 0.0
    false_alarms: float = 0.0
    swaying_runs: float = 0.0
    delays: dict[str, list[float]] = field(default_factory=dict)
    tuned: bool = False


@cache
def _swaying(incomes: bytes) -> list[Run]:
    values = np.frombuffer(incomes)
    order = 2 * np.argsort(np.argsort(values, kind="stable"), kind="stable") / len(values) - 1
    return [swaying_run(order, 500 + seed) for seed in range(RUNS)]


def swaying(rows: pl.DataFrame) -> list[Run]:
    """The same runs for everybody."""
    return _swaying(numbers(rows["input.Income"]).tobytes())


def known_late(fault: str) -> int:
    """Minutes from a changed row until it can be known."""
    return LABELS_LATE if fault.startswith("label") else 0


def plain(own: pl.DataFrame, clean: pl.DataFrame, faults: Mapping[str, pl.DataFrame]) -> list[Scores]:
    """Tests of each column: at p < 0.05, and tuned."""
    tests = _Tests(own, {CLEAN_POOL: clean, **faults}, swaying(clean))
    rules = [HOURLY]
    for rule in TUNED:
        others = [tests.path(CLEAN_POOL, clean_run(len(clean), 1000 + seed), rule.minutes) for seed in range(TUNING)]
        rules.append(tuned(rule, others, ALPHA))
    return [tests.score(rule, rule is not HOURLY) for rule in rules]


class _Tests:
    """The rows of each pool by their places in each column, and the paths of the runs."""

    def __init__(self, own: pl.DataFrame, pools: Mapping[str, pl.DataFrame], swayed: list[Run]) -> None:
        self.columns = [column_of(one) for one in table(own)]
        self.pools = {name: placed(self.columns, table(rows)) for name, rows in pools.items()}
        self.rows, self.swayed = len(pools[CLEAN_POOL]), swayed
        self.known: dict[tuple[str, Run, int], Numbers] = {}

    def path(self, pool: str, run: Run, window: int) -> Numbers:
        key = (pool, run, window)
        if key not in self.known:
            self.known[key] = path(self.columns, run, self.pools[CLEAN_POOL], self.pools[pool], window)
        return self.known[key]

    def score(self, rule: Rule, is_tuned: bool) -> Scores:
        clean = [self.path(CLEAN_POOL, clean_run(self.rows, seed), rule.minutes) for seed in range(CLEAN)]
        looks = [one[rule.minutes - 1 :: rule.each] >= rule.level for one in clean]
        swayed = [first(rule, self.path(CLEAN_POOL, run, rule.minutes)) for run in self.swayed]
        alarms = float(np.mean([one.any() for one in looks])), float(np.mean([one.sum() for one in looks]))
        delays = {name: self._delays(rule, name) for name in self.pools if name != CLEAN_POOL}
        return Scores(rule.name, *alarms, float(np.mean(np.isfinite(swayed))), delays, is_tuned)

    def _delays(self, rule: Rule, fault: str) -> list[float]:
        runs = [fault_run(self.rows, seed) for seed in range(RUNS)]
        paths = (self.path(fault, run, rule.minutes) for run in runs)
        return [first(rule, told, run.start + known_late(fault)) for run, told in zip(runs, paths, strict=True)]


def evidently(folder: Path, own: pl.DataFrame, clean: pl.DataFrame, faults: Mapping[str, pl.DataFrame]) -> list[Scores]:
    """Its default preset, an hour's rows at a time."""
    n, windows = len(clean), {}
    (folder / "pools").mkdir()
    table(own).write_parquet(folder / "reference.parquet")
    for name, rows in {
        "clean": clean,
        "sway": clean,
        **{f"f{at}": rows for at, rows in enumerate(faults.values())},
    }.items():
        table(rows).write_parquet(folder / "pools" / f"{name}.parquet")
    runs = {f"clean/{seed}": clean_run(n, seed) for seed in range(CLEAN)}
    runs |= {f"sway/{seed}": run for seed, run in enumerate(swaying(clean))}
    runs |= {f"f{at}/{seed}": fault_run(n, seed) for at in range(len(faults)) for seed in range(EVIDENTLY_RUNS)}
    for name, run in runs.items():
        windows[name] = _windows(run, n)
    np.savez(folder / "windows.npz", **windows)
    command = [python_of(PEERS, "evidently"), str(PEERS / "evidently_drift.py"), str(folder)]
    subprocess.run(command, check=True, env={**os.environ, "DO_NOT_TRACK": "1"})
    told = json.loads((folder / "scores.json").read_text())
    if told["furthest"] > 1e-9:
        raise SystemExit(f"Evidently's report differs from its tests by {told['furthest']}.")
    return _evidently_scores(told["scores"], runs, [*faults])


def _windows(run: Run, n: int) -> np.ndarray:
    """(hours, 2, rows) row numbers of answers and of truths, −1 where there is none; the fault's after the clean's."""
    both = []
    for late in (0, LABELS_LATE):
        drawn = run.drawn + n * run.fault()[:, None]
        shifted = np.concatenate([np.full((late, drawn.shape[1]), -1), drawn])[: len(drawn)]
        hours = len(shifted) // 60
        both.append(shifted[: 60 * hours].reshape(hours, -1))
    return np.stack(both, axis=1)


def _evidently_scores(
    told: Mapping[str, list[dict[str, tuple[float, bool]]]], runs: Mapping[str, Run], names: list[str]
) -> list[Scores]:
    """`told` by run: of each hour each column's score, and whether it drifted by the preset's threshold."""
    half = {name: [float(np.mean([d for _, d in one.values()])) for one in some] for name, some in told.items()}
    any_ = {name: [float(any(d for _, d in one.values())) for one in some] for name, some in told.items()}
    most = {name: [max(score for score, _ in one.values()) for one in some] for name, some in told.items()}
    highest = sorted((max(some) for name, some in most.items() if name.startswith("clean")), reverse=True)
    level = float(np.nextafter(highest[int(ALPHA * CLEAN)], np.inf))
    return [
        _by_hours("Evidently's preset: half of the columns drifted, each hour", half, 0.5, runs, names),
        _by_hours("Evidently's preset: any column drifted, each hour", any_, 1.0, runs, names),
        _by_hours("Evidently's scores, tuned: each hour", most, level, runs, names),
    ]


def _by_hours(
    name: str, paths: Mapping[str, list[float]], top: float, runs: Mapping[str, Run], names: list[str]
) -> Scores:
    clean = [np.array(some) >= top for run, some in paths.items() if run.startswith("clean")]
    swayed = [max(some) >= top for run, some in paths.items() if run.startswith("sway")]
    alarms = float(np.mean([one.any() for one in clean])), float(np.mean([one.sum() for one in clean]))
    score = Scores(name, *alarms, float(np.mean(swayed)), tuned="tuned" in name)
    for run, some in paths.items():
        if run.startswith("f"):
            fault = names[int(run.split("/")[0][1:])]
            known = runs[run].start + known_late(fault)
            hours = [60.0 * (at + 1) - known for at, one in enumerate(some) if one >= top]
            score.delays.setdefault(fault, []).append(min((one for one in hours if one > 0), default=np.inf))
    return score
