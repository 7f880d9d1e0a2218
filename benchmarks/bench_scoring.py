"""How much faster is a package than its estimator? `make bench-scoring`; about a minute.

All arms take turns in one process, one thread each. Times are CPU time of a call, the median of several rounds; the
claims are ratios of arms that followed each other, and one whole conversion with its proof.
"""

import resource
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmarks.results import Claim, write_results
from infra.runtime import Scorer
from tasks.convert import convert

ROWS, COLUMNS, ROUNDS = 3000, 12, 9
SIZES = (1, 1000)
PACKAGES = ("scikit-learn", "onnxruntime", "skl2onnx", "numpy", "pandas")
Arm = Callable[[], object]


def data() -> tuple[pd.DataFrame, "pd.Series[Any]"]:
    """3,000 rows of 12 numbers, and a target that is no straight line."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(ROWS, COLUMNS)), columns=[f"x{at}" for at in range(COLUMNS)])
    return frame, frame["x0"] * 3 + frame["x1"] ** 2 + rng.normal(size=ROWS)


def models() -> dict[str, tuple[Any, bool]]:
    """By name: an estimator, and whether it takes labels."""
    return {
        "logistic": (LogisticRegression(), True),
        "forest of 200": (RandomForestRegressor(200, random_state=0), False),
        "gradient boosting": (GradientBoostingRegressor(random_state=0), False),
        "MLP": (MLPRegressor(hidden_layer_sizes=(64, 64), max_iter=50, random_state=0), False),
        "SVC": (SVC(), True),
        "kNN": (KNeighborsRegressor(), False),
    }


def cpu_ms(arms: Mapping[str, Arm], calls: int) -> dict[str, float]:
    """Median over the rounds of the CPU milliseconds of a call; the arms in turn."""
    spent: dict[str, list[float]] = {name: [] for name in arms}
    for arm in arms.values():
        arm()
    for _ in range(ROUNDS):
        for name, arm in arms.items():
            began = time.process_time()
            for _ in range(calls):
                arm()
            spent[name].append((time.process_time() - began) / calls * 1000)
    return {name: statistics.median(times) for name, times in spent.items()}


def arms_of(pipeline: Any, scorer: Scorer, rows: pd.DataFrame) -> dict[str, Arm]:
    """What is timed on these rows: from a frame to answers, the graph on a ready feed."""
    feed = scorer.feed(rows)
    return {
        "scikit-learn": lambda: pipeline.predict(rows),
        "package": lambda: scorer.score(rows),
        "graph": lambda: scorer.run(feed),
    }


def measure() -> tuple[dict[tuple[str, int], dict[str, float]], float]:
    """((model, rows) -> CPU milliseconds by arm, CPU seconds of converting the forest of 200 with its proof)."""
    frame, numbers = data()
    found: dict[tuple[str, int], dict[str, float]] = {}
    conversion_s = float("nan")
    for name, (model, labels) in models().items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pipeline = make_pipeline(StandardScaler(), model).fit(frame, numbers > 1 if labels else numbers)
            began = time.process_time()
            graph, _ = convert(pipeline, frame, "bench", 1e-5)
            if name == "forest of 200":
                conversion_s = time.process_time() - began
            scorer = Scorer(graph)
            for size in SIZES:
                found[name, size] = cpu_ms(arms_of(pipeline, scorer, frame.head(size)), 20 if size == 1 else 1)
                show(name, size, found[name, size])
    return found, conversion_s


def show(name: str, size: int, spent: Mapping[str, float]) -> None:
    """One line of the table."""
    beside = "".join(f"{spent[arm]:>14.4f}" for arm in ("scikit-learn", "package", "graph"))
    print(f"{name:<20}{size:>6}{beside}{spent['scikit-learn'] / spent['package']:>10.1f}×", flush=True)


def claims(found: Mapping[tuple[str, int], Mapping[str, float]], conversion_s: float) -> list[Claim]:
    """scikit-learn's CPU time over the package's, of each model and size; the conversion; memory."""
    told: list[Claim] = [
        {
            "name": f"speedup_{name.lower().replace(' ', '_')}_{size}",
            "value": round(spent["scikit-learn"] / spent["package"], 2),
            "unit": "× of scikit-learn's CPU time over the package's",
            "goal": "> 1",
        }
        for (name, size), spent in found.items()
    ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        *told,
        {
            "name": "conversion_forest_200_s",
            "value": round(conversion_s, 2),
            "unit": "CPU s of converting and proving a forest of 200 trees on 3,000 rows",
            "goal": "< 20",
        },
        {"name": "peak_memory_mb", "value": round(peak), "unit": "MB of the whole benchmark", "goal": "stated"},
    ]


def main() -> None:
    """Measures, prints and writes the claims."""
    print(f"{'CPU ms of a call':<20}{'rows':>6}{'scikit-learn':>14}{'package':>14}{'graph':>14}{'ratio':>11}")
    found, conversion_s = measure()
    told = claims(found, conversion_s)
    for claim in told:
        print(f"{claim['name']:<44}{claim['value']:>10.2f}  {claim['goal']}  {claim['unit']}")
    print(write_results("scoring", PACKAGES, told))


if __name__ == "__main__":
    main()
