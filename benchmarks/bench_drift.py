"""How soon is a change found, and how often is one told of that is none? `make bench-drift`, some minutes.

Seatrial's judge, with the spec's defaults and as `seatrial` runs it (a look a minute, all alarms), beside Evidently's
default drift preset and plain tests of each column, window by window; then those with the level at which no more of
other clean runs alarm than Seatrial's alpha. Writes docs/monitoring-benchmark.md and the claims.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.drift_case import (
    FAULTS,
    LABELS_LATE,
    Fault,
    Pool,
    Run,
    clean_run,
    fault_run,
    pool_of,
    swaying_run,
    ticks,
    world,
)
from benchmarks.drift_rules import Rule, column_of, first, path, placed, table, tuned
from benchmarks.drift_table import page
from benchmarks.peers import python_of, version_of
from benchmarks.results import Claim, write_results
from expectations.sequential.accounts import begin, go_on, threshold
from expectations.spec import ReleaseSpec
from tasks.monitoring.places import numbers
from tasks.monitoring.yardsticks import Yardsticks, set_yardsticks

PEERS = Path(__file__).with_name("battery_peers")
DOCS = Path(__file__).parents[1] / "docs" / "monitoring-benchmark.md"
CLEAN, TUNING, RUNS, EVIDENTLY_RUNS = 30, 100, 20, 10
ALPHA, STRICT = 0.05, 0.02
HOURLY = Rule("Kolmogorov-Smirnov, chi²: p < 0.05 in an hour's window", 60, 60, -np.log10(0.05))
TUNED = (
    Rule("tuned: each hour", 60, 60, 0),
    Rule("tuned: the last hour, each minute", 60, 1, 0),
    Rule("tuned: the last ten minutes, each minute", 10, 1, 0),
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


def key(fault: Fault) -> str:
    """A fault's name."""
    return f"{fault.kind}: {fault.size}"


def found_at(yardsticks: Yardsticks, run: Run, clean: Pool, fault: Pool) -> list[float]:
    """The minute after which each alarm is raised; once one is after the fault, no more is sought."""
    found = []
    asked = yardsticks.asked()
    ways = {name: ticks(run, clean, fault, name) for name in asked}
    accounts = {name: begin(one) for name, one in asked.items()}
    for at in range(len(run.drawn)):
        for name in [*accounts]:
            accounts[name] = go_on(asked[name], accounts[name], next(ways[name]))
            if accounts[name].best[0] >= threshold(asked[name], accounts[name]):
                found.append(float(at + 1))
                del accounts[name]
        if found and found[-1] > run.start:
            break
    return found


@cache
def _swaying(incomes: bytes) -> list[Run]:
    values = np.frombuffer(incomes)
    order = 2 * np.argsort(np.argsort(values, kind="stable"), kind="stable") / len(values) - 1
    return [swaying_run(order, 500 + seed) for seed in range(RUNS)]


def swaying(rows: pl.DataFrame) -> list[Run]:
    """The same runs for everybody."""
    return _swaying(numbers(rows["input.Income"]).tobytes())


def ours(name: str, yardsticks: Yardsticks, clean: Pool, faults: Mapping[str, pl.DataFrame]) -> Scores:
    """On clean runs, and on each fault."""
    n = len(clean.rows)
    told = [found_at(yardsticks, clean_run(n, seed), clean, clean) for seed in range(CLEAN)]
    scores = Scores(name, float(np.mean([bool(one) for one in told])), sum(map(len, told)) / CLEAN)
    swayed = [found_at(yardsticks, run, clean, clean) for run in swaying(clean.rows)]
    scores.swaying_runs = float(np.mean([bool(one) for one in swayed]))
    for fault, rows in faults.items():
        bad = pool_of(yardsticks, rows)
        runs = [fault_run(n, seed) for seed in range(RUNS)]
        scores.delays[fault] = [_delay(found_at(yardsticks, run, clean, bad), run, fault) for run in runs]
    return scores


def _delay(found: Sequence[float], run: Run, fault: str) -> float:
    """Minutes from the first changed row, of labels from the first changed one that is known."""
    known = run.start + (LABELS_LATE if fault.startswith("label") else 0)
    after = [minute - known for minute in found if minute > known]
    return min(after, default=np.inf)


def plain(own: pl.DataFrame, clean: pl.DataFrame, faults: Mapping[str, pl.DataFrame]) -> list[Scores]:
    """Tests of each column: at p < 0.05, and tuned."""
    columns = [column_of(one) for one in table(own)]
    usual, n = placed(columns, table(clean)), len(clean)
    bad = {name: placed(columns, table(rows)) for name, rows in faults.items()}
    others = {w: [path(columns, clean_run(n, 1000 + s), usual, usual, w) for s in range(TUNING)] for w in (10, 60)}
    rules = [HOURLY, *(tuned(rule, others[rule.minutes], ALPHA) for rule in TUNED)]
    found = [Scores(rule.name, tuned=rule is not HOURLY) for rule in rules]
    for window in (10, 60):
        mine = [(rule, score) for rule, score in zip(rules, found, strict=True) if rule.minutes == window]
        paths = [path(columns, clean_run(n, seed), usual, usual, window) for seed in range(CLEAN)]
        for rule, score in mine:
            looks = [one[window - 1 :: rule.each] >= rule.level for one in paths]
            score.false_runs, score.false_alarms = (float(np.mean([f(x) for x in looks])) for f in (np.any, np.sum))
        swayed = [path(columns, run, usual, usual, window) for run in swaying(clean)]
        for rule, score in mine:
            score.swaying_runs = float(np.mean([np.isfinite(first(rule, one)) for one in swayed]))
        for name in faults:
            for seed in range(RUNS):
                run = fault_run(n, seed)
                told = path(columns, run, usual, bad[name], window)
                for rule, score in mine:
                    late = LABELS_LATE if name.startswith("label") else 0
                    score.delays.setdefault(name, []).append(first(rule, told, run.start + late))
    return found


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


def _evidently_scores(told: Mapping[str, list], runs: Mapping[str, Run], names: list[str]) -> list[Scores]:
    half = {name: [np.mean([d for _, d in one.values()]) for one in some] for name, some in told.items()}
    any_ = {name: [float(any(d for _, d in one.values())) for one in some] for name, some in told.items()}
    most = {name: [max(score for score, _ in one.values()) for one in some] for name, some in told.items()}
    highest = sorted((max(some) for name, some in most.items() if name.startswith("clean")), reverse=True)
    level = float(np.nextafter(highest[int(ALPHA * CLEAN)], np.inf))
    ways = (
        ("Evidently's preset: half of the columns drifted, each hour", half, 0.5, False),
        ("Evidently's preset: any column drifted, each hour", any_, 1.0, False),
        ("Evidently's scores, tuned, each hour", most, level, True),
    )
    found = []
    for name, paths, top, is_tuned in ways:
        clean = [np.array(some) >= top for run, some in paths.items() if run.startswith("clean")]
        alarms = float(np.mean([one.any() for one in clean])), float(np.mean([one.sum() for one in clean]))
        swayed = [max(some) >= top for run, some in paths.items() if run.startswith("sway")]
        score = Scores(name, *alarms, float(np.mean(swayed)), tuned=is_tuned)
        for run, some in paths.items():
            if run.startswith("f"):
                fault = names[int(run.split("/")[0][1:])]
                late = LABELS_LATE if fault.startswith("label") else 0
                hours = [60.0 * (at + 1) - runs[run].start - late for at, one in enumerate(some) if one >= top]
                score.delays.setdefault(fault, []).append(min((one for one in hours if one > 0), default=np.inf))
        found.append(score)
    return found


def stricter(spec: ReleaseSpec, tolerance: float) -> ReleaseSpec:
    """The same with one tolerance for all alarms."""
    told = spec.model_dump(mode="json")
    for one in told["monitoring"]["alarms"].values():
        if one and "tolerance" in one:
            one["tolerance"] = tolerance
    return ReleaseSpec.model_validate(told)


def claims(scores: Sequence[Scores]) -> list[Claim]:
    """What the issue asks for, with its goals."""
    usual, strict, peers = scores[0], scores[1], [one for one in scores if one.tuned]
    told = [("false_alarms_per_12h", usual.false_alarms, "alarms", f"<= {ALPHA}")]
    told.append(("clean_runs", CLEAN, "runs of 12 h", ">= 30"))
    for name, mine in (("delay_against_best_peer", usual), ("delay_against_best_peer_at_tolerance_0.02", strict)):
        told.append(
            (name, ratio(mine, peers), "ratio of minutes, geometric mean", "<= 1" if mine is usual else "stated")
        )
    told.append(("faults_found", sum(np.isfinite(median(usual, f)) for f in usual.delays), "faults", "stated"))
    best = sum(any(np.isfinite(median(one, f)) for one in peers) for f in usual.delays)
    told.append(("faults_found_by_any_peer", best, "faults", "stated"))
    told.append(("faults", len(FAULTS), "faults", "stated"))
    return [
        {"name": name, "value": round(float(value), 4), "unit": unit, "goal": goal} for name, value, unit, goal in told
    ]


def median(score: Scores, fault: str) -> float:
    """Minutes; ∞ where half of the runs or more never told."""
    return float(np.quantile(score.delays[fault], 0.5, method="higher"))


def ratio(mine: Scores, peers: Sequence[Scores]) -> float:
    """Of our delay to that of the peer that is best at each fault, over the faults that both find."""
    found = []
    for fault in mine.delays:
        best = min(median(one, fault) for one in peers)
        if np.isfinite(best) and np.isfinite(median(mine, fault)):
            found.append(median(mine, fault) / best)
    return float(np.exp(np.mean(np.log(found))))


def main() -> None:
    """Measures, prints, and writes the page and the claims."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["SEATRIAL_HOME"] = str(folder / "home")
        seen = world(folder)
        rows = seen.answers(seen.features, seen.truth)
        faults = {key(fault): fault.change(seen) for fault in FAULTS}
        spec, scores = seen.subject.job.spec, []
        for label, asked in (("Seatrial", spec), (f"Seatrial, tolerances of {STRICT}", stricter(spec, STRICT))):
            yardsticks = set_yardsticks(asked, seen.reference)
            scores.append(ours(label, yardsticks, pool_of(yardsticks, rows), faults))
            print(f"{label}: {time.monotonic() - began:.0f} s", flush=True)
        scores += plain(seen.reference.rows, rows, faults)
        print(f"plain tests: {time.monotonic() - began:.0f} s", flush=True)
        scores += evidently(folder, seen.reference.rows, rows, faults)
    text = page(scores, [key(one) for one in FAULTS], version_of(PEERS, "evidently"))
    print(text)
    DOCS.write_text(text)
    print(f"{time.monotonic() - began:.0f} s")
    versions = {"evidently": version_of(PEERS, "evidently")}
    print(write_results("drift", ("numpy", "scipy", "polars"), claims(scores), versions))


if __name__ == "__main__":
    main()
