"""How much faster is a package than its estimator, and what do its guards cost? `make bench-scoring`; three minutes.

All arms take turns in one process, one thread each. Times are CPU time of a call, the median of several rounds; the
claims are ratios of arms that followed each other, and one whole conversion with its proof. The package is the guarded
graph as it is released; `bare` is its core, `outputs` the core with as many outputs as the package, and `by hand` the
same guards around the estimator in numpy and scikit-learn, which must give the same answers before anything is timed.
"""

import resource
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pandas as pd
import treelite
import treelite.sklearn
from onnx import helper
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from benchmarks.hand_guards import HandGuards, first_difference, guard_by_hand
from benchmarks.results import Claim, write_results
from expectations.spec import Guards
from infra.runtime import Scorer, label_text
from tasks.convert import convert
from tasks.guards.build import Rows, build_guards
from tasks.guards.core import Core

ROWS, CALIBRATION, ASKED, COLUMNS, ROUNDS = 3000, 1000, 1000, 12, 9
SIZES = (1, 1000)
# Of a round and an arm: enough for the clock, and no more calls than a fast arm needs.
ROUND_MS, MOST_CALLS = 20.0, 200
GOALS = {1: 1.25, 1000: 1.5}
PACKAGES = ("treelite", "scikit-learn", "onnxruntime", "skl2onnx", "numpy", "pandas")
Arm = Callable[[], object]
Found = dict[tuple[str, int], dict[str, float]]


def data() -> tuple[pd.DataFrame, "pd.Series[Any]"]:
    """3,000 rows to train on, 1,000 to calibrate with and 1,000 to ask about: 12 numbers, and a target that is no
    straight line."""
    rng, rows = np.random.default_rng(0), ROWS + CALIBRATION + ASKED
    frame = pd.DataFrame(rng.normal(size=(rows, COLUMNS)), columns=[f"x{at}" for at in range(COLUMNS)])
    return frame, frame["x0"] * 3 + frame["x1"] ** 2 + rng.normal(size=rows)


def models() -> dict[str, tuple[Any, bool]]:
    """By name: an estimator, and whether it takes labels."""
    return {
        "logistic": (LogisticRegression(), True),
        "forest of 200": (RandomForestRegressor(200, random_state=0), False),
        "gradient boosting": (GradientBoostingRegressor(random_state=0), False),
        "MLP": (MLPRegressor(hidden_layer_sizes=(64, 64), max_iter=50, random_state=0), False),
        "SVC": (SVC(), True),
        "kNN": (KNeighborsRegressor(), False),
        "Gaussian process": (GaussianProcessRegressor(RBF(5.0), alpha=1.0, optimizer=None, normalize_y=True), False),
    }


def cpu_ms(arms: Mapping[str, Arm]) -> dict[str, float]:
    """Median over the rounds of the CPU milliseconds of a call; the arms in turn."""
    spent: dict[str, list[float]] = {name: [] for name in arms}
    calls = {name: max(1, min(MOST_CALLS, int(ROUND_MS / _timed(arm, 2)))) for name, arm in arms.items()}
    for _ in range(ROUNDS):
        for name, arm in arms.items():
            spent[name].append(_timed(arm, calls[name]))
    return {name: statistics.median(times) for name, times in spent.items()}


def _timed(arm: Arm, calls: int) -> float:
    began = time.process_time()
    for _ in range(calls):
        arm()
    return (time.process_time() - began) / calls * 1000


def only_outputs(core: bytes, package: Scorer) -> Scorer:
    """The bare graph with as many outputs as the package, each new one a copy of an input: what no guard can go
    below, since to hand out a number costs more than to compare it."""
    model = onnx.load_from_string(core)
    given = model.graph.input[0]
    for at in range(len(package.outputs) - len(model.graph.output)):
        model.graph.node.append(helper.make_node("Identity", [given.name], [f"copy_{at}"]))
        copied = model.graph.output.add()
        copied.CopyFrom(given)
        copied.name = f"copy_{at}"
    return Scorer(model.SerializeToString())


def arms_of(
    pipeline: Any, by_hand: HandGuards, package: Scorer, bare: Scorer, outputs: Scorer, rows: pd.DataFrame
) -> dict[str, Arm]:
    """What is timed on these rows: from a frame to answers, and the graphs on a ready feed."""
    if difference := first_difference(by_hand.answers(rows), package.answers(rows)):
        raise SystemExit(f"the guards by hand are not the package's: {difference}")
    feed, bare_feed = package.feed(rows), bare.feed(rows)
    return {
        **treelite_of(pipeline, rows),
        "scikit-learn": lambda: pipeline.predict(rows),
        "by hand": lambda: by_hand.answers(rows),
        "package": lambda: package.score(rows),
        "bare package": lambda: bare.score(rows),
        "guarded": lambda: package.run(feed),
        "bare": lambda: bare.run(bare_feed),
        "outputs": lambda: outputs.run(bare_feed),
    }


def treelite_of(pipeline: Any, rows: pd.DataFrame) -> dict[str, Arm]:
    """Trees as treelite's own interpreter runs them, beside the bare graph; for other models nothing.

    A compiled forest of 200 is not beside it: tl2cgen's C took gcc over four minutes here, also without optimising.
    """
    scaler, model = pipeline[0], pipeline[-1]
    if not isinstance(model, RandomForestRegressor | GradientBoostingRegressor):
        return {}
    trees, matrix = treelite.sklearn.import_model(model), rows.to_numpy()
    mean, scale = scaler.mean_, scaler.scale_

    def predict() -> npt.NDArray[Any]:
        # scikit-learn's trees see float32: a double a hair beside a threshold would take another branch.
        seen = ((matrix - mean) / scale).astype(np.float32).astype(np.float64)
        return np.asarray(treelite.gtil.predict(trees, seen, nthread=1)).ravel()

    if not np.allclose(predict(), pipeline.predict(rows), rtol=1e-5):
        raise SystemExit("treelite's answers are not scikit-learn's")
    return {"treelite": predict}


def measure() -> tuple[Found, float]:
    """((model, rows) -> CPU milliseconds by arm, CPU seconds of converting the forest of 200 with its proof)."""
    frame, numbers = data()
    train, asked = frame.head(ROWS), frame.tail(ASKED).reset_index(drop=True)
    calibration = frame[ROWS:-ASKED].reset_index(drop=True)
    found: Found = {}
    conversion_s = float("nan")
    for name, (model, labels) in models().items():
        target = numbers > 1 if labels else numbers
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pipeline = make_pipeline(StandardScaler(), model).fit(train, target[:ROWS])
            began = time.process_time()
            core, _ = convert(pipeline, train, "bench", 1e-5)
            if name == "forest of 200":
                conversion_s = time.process_time() - began
            truth = label_text(target) if labels else target.to_numpy()
            parts = Rows(train, truth[:ROWS]), Rows(calibration, truth[ROWS:-ASKED])
            package, by_hand = guarded(pipeline, core, *parts)
        for size in SIZES:
            graphs = package, Scorer(core), only_outputs(core, package)
            found[name, size] = cpu_ms(arms_of(pipeline, by_hand, *graphs, asked.head(size)))
            show(name, size, found[name, size])
    return found, conversion_s


def guarded(pipeline: Any, core: bytes, train: Rows, calibration: Rows) -> tuple[Scorer, HandGuards]:
    """The package as a release makes it, and the same by hand."""
    known = Core(core, Scorer(core).signature, hasattr(pipeline, "predict_proba"))
    graph, _ = build_guards(known, train, calibration, Guards())
    package = Scorer(graph)
    return package, guard_by_hand(pipeline, train.frame, train.target, package.signature["guards"])


ARMS = ("scikit-learn", "by hand", "package", "bare package", "guarded", "bare", "treelite")
HEADS = (*ARMS, "speedup", "by hand ×", "guarded/bare", "outputs/bare")


def show(name: str, size: int, spent: Mapping[str, float]) -> None:
    """One line of the table."""
    beside = "".join(f"{spent[arm]:>14.4f}" if arm in spent else f"{'–':>14}" for arm in ARMS)
    ratios = (
        spent["scikit-learn"] / spent["package"],
        spent["by hand"] / spent["package"],
        spent["guarded"] / spent["bare"],
        spent["outputs"] / spent["bare"],
    )
    print(f"{name:<20}{size:>6}{beside}" + "".join(f"{ratio:>14.2f}" for ratio in ratios), flush=True)


def claims(found: Found, conversion_s: float) -> list[Claim]:
    """Ratios of CPU time, of each model and size; the conversion; memory."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        *_ratios(found, "speedup", "scikit-learn", "package", "> 1"),
        *_ratios(found, "by_hand_over_package", "by hand", "package", "> 1"),
        *_ratios(
            {key: one for key, one in found.items() if "treelite" in one},
            "treelite_over_bare",
            "treelite",
            "bare",
            "> 1",
        ),
        *(claim for size in SIZES for claim in _guard_cost(found, size)),
        {
            "name": "conversion_forest_200_s",
            "value": round(conversion_s, 2),
            "unit": "CPU s of converting and proving a forest of 200 trees on 3,000 rows",
            "goal": "< 20",
        },
        {"name": "peak_memory_mb", "value": round(peak), "unit": "MB of the whole benchmark", "goal": "stated"},
    ]


def _ratios(found: Found, name: str, slow: str, fast: str, goal: str) -> list[Claim]:
    unit = f"× CPU time of {slow} over {fast}"
    return [
        {
            "name": f"{name}_{model.lower().replace(' ', '_')}_{size}",
            "value": round(spent[slow] / spent[fast], 2),
            "unit": unit,
            "goal": goal,
        }
        for (model, size), spent in found.items()
    ]


def _guard_cost(found: Found, size: int) -> list[Claim]:
    """Of this size: each model's cost, then the worst of them, which is the claim, the median, and the worst of all
    that a server does, from columns to answers."""
    mine = {key: spent for key, spent in found.items() if key[1] == size}
    goal, worst, told = f"<= {GOALS[size]}", "of the worst model", "CPU time of the guarded graph over the bare one"
    empty = {
        "name": f"outputs_over_bare_{size}",
        "value": round(max(spent["outputs"] / spent["bare"] for spent in mine.values()), 2),
        "unit": f"× CPU time of the bare graph with as many outputs, copies of an input, over the bare one, {worst}",
        "goal": "stated",
    }
    graphs = [spent["guarded"] / spent["bare"] for spent in mine.values()]
    whole = [spent["package"] / spent["bare package"] for spent in mine.values()]
    summary = (
        ("", max(graphs), f"× {told}, {worst}"),
        ("_median", statistics.median(graphs), f"× {told}, median of the models"),
        ("_with_feeding", max(whole), f"× the same from columns to answers, {worst}"),
    )
    each = _ratios(mine, "guarded_over_bare", "guarded", "bare", "stated")
    return [*each, empty] + [
        {"name": f"guarded_over_bare_{size}{name}", "value": round(value, 2), "unit": unit, "goal": goal}
        for name, value, unit in summary
    ]


def main() -> None:
    """Measures, prints and writes the claims."""
    print(f"{'CPU ms of a call':<20}{'rows':>6}" + "".join(f"{head:>14}" for head in HEADS))
    with threadpool_limits(1):
        found, conversion_s = measure()
    told = claims(found, conversion_s)
    for claim in told:
        print(f"{claim['name']:<44}{claim['value']:>10.2f}  {claim['goal']}  {claim['unit']}")
    print(write_results("scoring", PACKAGES, told))


if __name__ == "__main__":
    main()
