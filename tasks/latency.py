"""How long does one prediction take: asked of the gateway, of the package, and of the estimator that it was?"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from expectations.records import Evidence, metric_rows
from infra.gateway.client import Client, feed_of_caller, json_request
from infra.gateway.trial import limits
from infra.runtime import Scorer
from tasks.check import TEST, Check, Subject, on_package

WARM_UP, CALLS, BATCH, BATCH_CALLS = 20, 300, 1000, 10
# A share of 5 % cannot be told from fewer calls than this: 3 in 60 are over the limit, or none.
ENOUGH = 60
BUDGET_SECONDS = 8.0
# The estimator tells a median alone, and a forest takes a thousand times as long as its package: each fifth record.
SELDOM = {"sklearn": 5}
# How each arm's times are called: the gateway's are what expectations are about.
ARMS = {"gateway": "latency_ms", "package": "package_latency_ms", "sklearn": "sklearn_latency_ms"}
Call = Callable[[Any], object]


def measure(subject: Subject) -> Evidence:
    """Measured once per release and kept: times are no function of their inputs."""
    test, scorer = subject.part(TEST), subject.scorer()
    features = subject.job.features(test)
    more = [name for name in scorer.sent if name not in features.columns]
    with subject.gateway() as gateway:
        return measure_latency(subject.candidate(), scorer, gateway, features, test[more], limits(subject.job.spec))


CHECK = Check("latency", measure, on_package)


def measure_latency(
    estimator: Any,
    scorer: Scorer,
    gateway: Client,
    features: pd.DataFrame,
    more: pd.DataFrame,
    facts: Mapping[str, Any],
) -> Evidence:
    """One record and a batch, after a warm-up, all arms in turn in the same minute; milliseconds, NaN where not asked.

    `latency_ms` is what a caller of the gateway waits for: JSON sent, answered and read. The package alone, columns to
    arrays and the graph, is held against the estimator. `more` are columns that a caller sends and it does not take.
    """
    if not len(features):
        return Evidence("latency", metric_rows([]), pd.DataFrame({name: [] for name in ARMS.values()}))
    frame, columns = pd.concat([features, more], axis=1), list(features.columns)
    singles = [frame.iloc[[at % len(frame)]] for at in range(CALLS)]
    package: Mapping[str, Call] = {"package": scorer.score, "sklearn": lambda rows: estimator.predict(rows[columns])}
    asked = {id(one): _body(scorer, one) for one in singles}
    headers = {"content-type": "application/json"}
    arms = {"gateway": lambda one: gateway.post(asked[id(one)], headers), **package}
    records = _in_turn(arms, singles, ENOUGH, SELDOM)
    batch = pd.concat([frame] * (BATCH // len(frame) + 1), ignore_index=True).head(BATCH)
    batches = _in_turn(package, [batch] * BATCH_CALLS, 3, {})
    return Evidence("latency", metric_rows(_summary(records, batches)), records, {"batch_rows": BATCH, **facts})


def _body(scorer: Scorer, rows: pd.DataFrame) -> bytes:
    return json_request(feed_of_caller(scorer, rows))


def _in_turn(
    arms: Mapping[str, Call], inputs: Sequence[pd.DataFrame], enough: int, seldom: Mapping[str, int]
) -> pd.DataFrame:
    """All inputs, or as many as the time budget holds, but `enough` in any case; some arms answer `seldom`."""
    for name, call in arms.items():
        _timed(call, inputs[: 3 if name == "sklearn" else WARM_UP])
    rounds: list[list[float]] = []
    end = time.monotonic() + BUDGET_SECONDS
    for one in inputs:
        if len(rounds) >= enough and time.monotonic() > end:
            break
        asked = (len(rounds) % seldom.get(name, 1) == 0 for name in arms)
        rounds.append(
            [_timed(call, [one])[0] if now else np.nan for now, call in zip(asked, arms.values(), strict=True)]
        )
    return pd.DataFrame(rounds, columns=[ARMS[name] for name in arms])


def _timed(call: Call, inputs: Sequence[pd.DataFrame]) -> "np.ndarray[Any, np.dtype[np.float64]]":
    spent = []
    for one in inputs:
        start = time.perf_counter()
        call(one)
        spent.append((time.perf_counter() - start) * 1000)
    return np.array(spent)


def _summary(records: pd.DataFrame, batches: pd.DataFrame) -> list[tuple[str, float, float, float, int, int]]:
    n, nan, seldom = len(records), float("nan"), int(records[ARMS["sklearn"]].count())
    asked = records[ARMS["gateway"]]
    rows = [("mean_ms", float(asked.mean()))]
    rows += [(f"p{q}_ms", float(asked.quantile(q / 100))) for q in (50, 95, 99)]
    single = {name: float(records[ARMS[name]].median()) for name in ("package", "sklearn")}
    rows += [(f"{name}_p50_ms", value) for name, value in single.items()]
    whole = {name: float(batches[ARMS[name]].median()) for name in ("package", "sklearn")}
    rows += [
        ("speedup_single", single["sklearn"] / single["package"]),
        ("batch_rows_per_s", BATCH / whole["package"] * 1000),
        ("speedup_batch", whole["sklearn"] / whole["package"]),
    ]
    of_estimator = ("sklearn_p50_ms", "speedup_single")
    return [(name, value, nan, nan, seldom if name in of_estimator else n, 1) for name, value in rows]
