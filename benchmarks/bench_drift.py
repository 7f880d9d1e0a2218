"""How soon is a change found, and how often is one told of that is none? `make bench-drift`, some minutes.

Seatrial's judge, with the spec's defaults and as `seatrial` runs it (a look a minute, all alarms), beside Evidently's
default drift preset and plain tests of each column, window by window; then those with the level at which no more of
other clean runs alarm than Seatrial's alpha. Writes docs/monitoring-benchmark.md and the claims.
"""

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.drift_case import FAULTS, Fault, Pool, Run, clean_run, fault_run, pool_of, ticks, world
from benchmarks.drift_peers import ALPHA, CLEAN, PEERS, RUNS, Scores, evidently, known_late, plain, swaying
from benchmarks.drift_table import page
from benchmarks.peers import version_of
from benchmarks.results import Claim, write_results
from expectations.sequential.accounts import begin, go_on, threshold
from expectations.spec import ReleaseSpec
from tasks.monitoring.yardsticks import Yardsticks, set_yardsticks

DOCS = Path(__file__).parents[1] / "docs" / "monitoring-benchmark.md"
STRICT = 0.02


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
    known = run.start + known_late(fault)
    after = [minute - known for minute in found if minute > known]
    return min(after, default=np.inf)


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
