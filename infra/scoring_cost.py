"""What does it cost to load a graph and to score with it? Each graph in a process of its own.

One process imports the run-time and reads the records, then forks for each graph, and for one that does nothing: what
is measured is the graph's own. All are measured in turn, and again; the best of the rounds counts, since what else the
machine did is not the graph's.

`python -P -m infra.scoring_cost JOB` is that process; -P keeps a user's folder off its path.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from expectations.errors import CannotAsk
from infra.runtime import SIGNATURE_KEY, Scorer
from infra.workshop import REPEATABLE

SINGLES, BATCHES, ROUNDS = 200, 10, 3
# Slow graphs are asked less often, but often enough for a 95th percentile of something.
SECONDS, ENOUGH = 0.1, 20
BEST: Mapping[str, Callable[..., float]] = {"batch_rows_per_s": max}
Cost = dict[str, float]


def scoring_costs(graphs: Mapping[str, bytes], records: pd.DataFrame, timeout_s: float = 300) -> dict[str, Cost]:
    """For each graph, by its name: load_ms, p50_ms, p95_ms and cpu_us of one record, batch_rows_per_s and
    batch_cpu_us of a record among `records`, memory_mb at its peak over a process with a graph that does nothing.

    A graph that cannot be loaded or scored is absent. Raises CannotAsk where the measuring process ended badly.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records.to_parquet(folder / "records.parquet", index=False)
        for at, graph in enumerate([_empty_graph(), *graphs.values()]):
            (folder / f"{at}.onnx").write_bytes(graph)
        job = json.dumps({"folder": name, "graphs": len(graphs) + 1})
        command = [sys.executable, "-P", "-W", "ignore", "-m", "infra.scoring_cost", job]
        environment = {**os.environ, **REPEATABLE, "OMP_NUM_THREADS": "1"}
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False, cwd=name
            )
        except subprocess.TimeoutExpired:
            raise CannotAsk(
                f"measuring what scoring costs took more than {timeout_s:g} s for {len(graphs)} graphs. "
                "Set model.compress: off, or lower compression.cpu_seconds."
            ) from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise CannotAsk(f"measuring what scoring costs ended with code {done.returncode}: {last}")
        empty, *answers = json.loads(done.stdout.splitlines()[-1])
    return {name: _over(cost, empty) for name, cost in zip(graphs, answers, strict=True) if cost}


def _over(cost: Cost, empty: Cost) -> Cost:
    return {**cost, "memory_mb": max(0.0, cost["memory_mb"] - empty["memory_mb"])}


def measure_cost(path: Path, records: pd.DataFrame) -> Cost:
    """One graph, in this process; memory_mb is all that the process held at its peak."""
    began = time.perf_counter()
    scorer = Scorer(path.read_bytes())
    load_ms = (time.perf_counter() - began) * 1000
    batch = scorer.feed(records)
    places = [at % len(records) for at in range(SINGLES)]
    singles = [{name: values[at : at + 1] for name, values in batch.items()} for at in places]
    single_ms, single_cpu = _timed(scorer, singles)
    batch_ms, batch_cpu = _timed(scorer, [batch] * BATCHES, enough=3)
    return {
        "load_ms": load_ms,
        "p50_ms": float(np.quantile(single_ms, 0.5)),
        "p95_ms": float(np.quantile(single_ms, 0.95)),
        "cpu_us": single_cpu * 1e6,
        "batch_rows_per_s": len(records) / float(np.median(batch_ms)) * 1000,
        "batch_cpu_us": batch_cpu / len(records) * 1e6,
        "memory_mb": _peak_mb(),
    }


def _timed(scorer: Scorer, feeds: list[Any], enough: int = ENOUGH) -> tuple[list[float], float]:
    """(milliseconds of each call, CPU seconds of a call), after one call to warm up."""
    scorer.run(feeds[0])
    spent: list[float] = []
    cpu, end = time.process_time(), time.monotonic() + SECONDS
    for feed in feeds:
        if len(spent) >= enough and time.monotonic() > end:
            break
        began = time.perf_counter()
        scorer.run(feed)
        spent.append((time.perf_counter() - began) * 1000)
    return spent, (time.process_time() - cpu) / len(spent)


def _empty_graph() -> bytes:
    from onnx import TensorProto, helper

    one = helper.make_node("Constant", [], ["one"], value_float=1.0)
    out = helper.make_tensor_value_info("one", TensorProto.FLOAT, [])
    made = helper.make_model(
        helper.make_graph([one], "empty", [], [out]), opset_imports=[helper.make_opsetid("", 21)], ir_version=10
    )
    helper.set_model_props(made, {SIGNATURE_KEY: json.dumps({"inputs": [], "classes": []})})
    return bytes(made.SerializeToString())


def _peak_mb() -> float:
    """The most that this process held (VmHWM, which a fork begins anew), libraries' files apart; NaN if not told."""
    status = Path("/proc/self/status")
    told = dict(re.findall(r"(VmHWM|RssFile):\s+(\d+)", status.read_text())) if status.exists() else {}
    return (int(told["VmHWM"]) - int(told["RssFile"])) / 1024 if len(told) == 2 else float("nan")


def _in_a_fork(path: Path, records: pd.DataFrame) -> Cost | None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            told = json.dumps(measure_cost(path, records))
        except Exception:  # noqa: BLE001  What cannot be scored is told by its absence.
            told = "null"
        os.write(write, told.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    found: Cost | None = json.loads(answer or "null")
    return found


def _best(rounds: Sequence[Cost | None]) -> Cost | None:
    sound = [cost for cost in rounds if cost]
    return {name: BEST.get(name, min)(cost[name] for cost in sound) for name in sound[0]} if sound else None


def main(job: dict[str, Any]) -> None:
    """Prints one JSON list: a cost, or null, for each graph."""
    folder = Path(job["folder"])
    records = pd.read_parquet(folder / "records.parquet")
    texts = {name: object for name in records if not pd.api.types.is_numeric_dtype(records[name])}
    records = records.astype(texts)
    # The run-time's own start is no graph's cost.
    Scorer((folder / "0.onnx").read_bytes())
    paths = [folder / f"{at}.onnx" for at in range(job["graphs"])]
    rounds = [[_in_a_fork(path, records) for path in paths] for _ in range(ROUNDS)]
    print(json.dumps([_best(each) for each in zip(*rounds, strict=True)]))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
