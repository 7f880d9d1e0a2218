"""What does writing predictions down cost? `make bench-prediction-log`.

Requests of one record with 22 inputs and 7 outputs, as the gateway notes them. CPU time, so that a busy machine says
nearly the same.
"""

import tempfile
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from benchmarks.results import Claim, write_results
from infra.gateway.contract import Answered, Asked
from infra.gateway.diary.columns import Columns, Input
from infra.gateway.diary.diary import Diary
from infra.gateway.diary.metrics import Metrics
from infra.local_store import LocalStore
from infra.prediction_log import read_predictions

REQUESTS, ROUNDS = 10_000, 3
NUMBERS, TEXTS = [f"number {at}" for at in range(20)], ["make", "town"]
COLUMNS = Columns(
    tuple(Input(name, name, "double" if name in NUMBERS else "string", "clear") for name in (*NUMBERS, *TEXTS)),
    frozenset(),
    ("missing", "outside", "unknown"),
)


def main() -> None:
    """Notes, writes, brings and reads the same requests, several times; the best round counts."""
    memory = _memory()
    rounds = [_round() for _ in range(ROUNDS)]
    best = {name: min(one[name] for one in rounds) for name in rounds[0]} | {"memory_bytes": memory}
    claims: list[Claim] = [
        {"name": "note_us", "value": round(best["note"], 2), "unit": "CPU µs a request", "goal": "<= 3"},
        {"name": "count_us", "value": round(best["count"], 2), "unit": "CPU µs a request", "goal": "<= 3"},
        {"name": "write_us", "value": round(best["write"], 1), "unit": "CPU µs a row", "goal": "stated"},
        {"name": "bring_us", "value": round(best["bring"], 1), "unit": "CPU µs a row", "goal": "stated"},
        {"name": "read_us", "value": round(best["read"], 1), "unit": "CPU µs a row", "goal": "stated"},
        {"name": "stored_bytes", "value": round(best["bytes"], 1), "unit": "bytes a row", "goal": "stated"},
        {"name": "waiting_bytes", "value": round(memory), "unit": "bytes of memory a row", "goal": "stated"},
    ]
    for claim in claims:
        print(f"{claim['name']:>14} {claim['value']:>8} {claim['unit']}")
    print(write_results("prediction_log", ("pyarrow", "polars", "prometheus-client", "numpy"), claims))


def _round() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        store, counts = LocalStore(Path(folder, "store")), Metrics(Path(folder, "metrics"))
        diary = Diary(store, Path(folder, "home"), counts)
        diary.know("r1", COLUMNS)
        requests = [_request(number) for number in range(REQUESTS)]
        spent = {
            "note": _spent(lambda: [diary.record(asked, answered, 0.0, stage=1) for asked, answered in requests]),
            "count": _spent(lambda: [counts.answered("m", "r1", "champion", 200, 0.003, 1) for _ in requests]),
            "write": _spent(diary.flush),
        }
        spool = diary._spool
        spool.close()
        spent["bring"] = _spent(lambda: diary.bring(spool.bring))
        spent["read"] = _spent(lambda: _read(store))
        size = sum(len(store.get(key)) for key in store.keys("predictions/"))
    return spent | {"bytes": size / REQUESTS}


def _read(store: LocalStore) -> None:
    assert len(read_predictions(store, "m", datetime.now(UTC) - timedelta(hours=1))) == REQUESTS


def _spent(act: Callable[[], object]) -> float:
    """CPU microseconds for each request."""
    began = time.process_time()
    act()
    return (time.process_time() - began) / REQUESTS * 1e6


def _memory() -> float:
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    requests = [_request(number) for number in range(1000)]
    found = (tracemalloc.get_traced_memory()[0] - before) / len(requests)
    tracemalloc.stop()
    return found


def _request(number: int) -> tuple[Asked, Answered]:
    random = np.random.default_rng(number)
    tensors = {name: random.normal(size=1) for name in NUMBERS}
    tensors |= {name: np.array([f"{name} {random.integers(50)}"], dtype=object) for name in TEXTS}
    said = random.normal(size=(1, 1))
    outputs = {
        "prediction": said,
        "lower": said - 1,
        "upper": said + 1,
        "anomaly_score": random.random((1, 1)),
        "trusted": np.array([[True]]),
        "reasons": np.array([[0]]),
        "flags": np.zeros((1, 40), dtype=bool),
    }
    asked = Asked("m", tensors, 1, f"{number:016x}", f"customer {number % 500}", "web", None, 900)
    return asked, Answered(outputs, "r1", "champion")


if __name__ == "__main__":
    main()
