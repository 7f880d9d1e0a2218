"""How long does one prediction take, before and after conversion?"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from expectations.records import Evidence, metric_rows
from infra.runtime import Scorer
from tasks.check import TEST, Check, Subject, on_package

WARM_UP, CALLS, BATCH, BATCH_CALLS = 20, 300, 1000, 10
# A share of 5 % cannot be told from fewer calls than this: 3 in 60 are over the limit, or none.
ENOUGH = 60
BUDGET_SECONDS = 8.0


def measure(subject: Subject) -> Evidence:
    """Measured once per release and kept: times are no function of their inputs."""
    test, scorer = subject.part(TEST), subject.scorer()
    features = subject.job.features(test)
    more = [name for name in scorer.sent if name not in features.columns]
    return measure_latency(subject.candidate(), scorer, features, test[more])


CHECK = Check("latency", measure, on_package)


def measure_latency(estimator: Any, scorer: Scorer, frame: pd.DataFrame, more: pd.DataFrame | None = None) -> Evidence:
    """One record and a batch, after a warm-up, both arms in turn in the same minute; milliseconds.

    The package is measured on what a server does per request: columns to arrays, and the graph. `more` are columns
    that a caller sends and the estimator does not take.
    """
    if not len(frame):
        return Evidence("latency", metric_rows([]), pd.DataFrame({"latency_ms": [], "sklearn_latency_ms": []}))
    trained: Callable[..., Any] = estimator.predict
    if more is not None and len(more.columns):
        columns, frame = list(frame.columns), pd.concat([frame, more], axis=1)
        trained = lambda rows: estimator.predict(rows[columns])  # noqa: E731
    singles = [frame.iloc[[at % len(frame)]] for at in range(CALLS)]
    records = _in_turn(scorer.score, trained, singles, ENOUGH)
    batch = pd.concat([frame] * (BATCH // len(frame) + 1), ignore_index=True).head(BATCH)
    batches = _in_turn(scorer.score, trained, [batch] * BATCH_CALLS, 3)
    return Evidence("latency", metric_rows(_summary(records, batches)), records, {"batch_rows": BATCH, "threads": 1})


def _in_turn(
    package: Callable[..., Any], trained: Callable[..., Any], inputs: list[pd.DataFrame], enough: int
) -> pd.DataFrame:
    """All inputs, or as many as the time budget holds, but `enough` in any case."""
    _timed(package, inputs[:WARM_UP])
    _timed(trained, inputs[:3])
    pairs: list[tuple[float, float]] = []
    end = time.monotonic() + BUDGET_SECONDS
    for one in inputs:
        if len(pairs) >= enough and time.monotonic() > end:
            break
        pairs.append((_timed(package, [one])[0], _timed(trained, [one])[0]))
    return pd.DataFrame(pairs, columns=["latency_ms", "sklearn_latency_ms"])


def _timed(call: Callable[..., Any], inputs: list[pd.DataFrame]) -> "np.ndarray[Any, np.dtype[np.float64]]":
    spent = []
    for one in inputs:
        start = time.perf_counter()
        call(one)
        spent.append((time.perf_counter() - start) * 1000)
    return np.array(spent)


def _summary(records: pd.DataFrame, batches: pd.DataFrame) -> list[tuple[str, float, float, float, int, int]]:
    n, nan = len(records), float("nan")
    package, trained = records["latency_ms"], records["sklearn_latency_ms"]
    rows = [("mean_ms", float(package.mean()))]
    rows += [(f"p{q}_ms", float(package.quantile(q / 100))) for q in (50, 95, 99)]
    rows += [
        ("sklearn_p50_ms", float(trained.median())),
        ("speedup_single", float(trained.median() / package.median())),
    ]
    batch_ms, batch_trained = float(batches["latency_ms"].median()), float(batches["sklearn_latency_ms"].median())
    rows += [("batch_rows_per_s", BATCH / batch_ms * 1000), ("speedup_batch", batch_trained / batch_ms)]
    return [(name, value, nan, nan, n, 1) for name, value in rows]
