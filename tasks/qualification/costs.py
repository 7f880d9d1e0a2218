"""What do errors cost, and what does running cost?

Errors: by the spec's prices, against the champion, the cheapest constant answer and a perfect model, on average and in
the worst 1 %. Running: processor time, energy, money and memory of the package, measured beside the champion.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.records import Evidence, metric_rows
from expectations.spec import Compression
from expectations.suites.costs import is_stated
from expectations.tiers import Tier
from infra.evidence_store import get_json
from infra.packages import open_package
from infra.scoring_cost import scoring_costs
from tasks.check import TEST, Check, Subject, on_package_and_champion
from tasks.compress import evenly
from tasks.compression.frontier import running_cost
from tasks.cost import Price, price_of
from tasks.drawing import Plot, bars
from tasks.qualification.case import MOST_TEST, Case, case_of, sampled
from tasks.quality import Statistic, mean_of, tail_of, weights, with_intervals

Floats = npt.NDArray[np.float64]
NAN, TINY = float("nan"), 1e-12
# Constants that guessing may answer with: of numbers these quantiles of training; a cost per unit has its own best one.
QUANTILES = np.linspace(0.05, 0.95, 19)
MOST_KNOWN, MOST_CLASSES, BATCH = 2_000, 20, 1_000
# Resampling keeps rows × resamples in memory; the costliest rows alone are kept as records.
MOST, MOST_RECORDS = 10_000, 2_000
MODEL, CHAMPION, GUESSING, PERFECT = "model", "champion", "guessing", "perfect"


def measure(subject: Subject) -> Evidence:
    """The package's errors and its running, with their prices."""
    job, case = subject.job, case_of(subject).smaller(MOST)
    price = price_of(job.spec.cost, job.file.root, case.test)
    said = {MODEL: case.said.values, GUESSING: np.full(len(case.test), _guess(subject, case), dtype=case.actual.dtype)}
    said |= _champion_said(subject)
    found = measure_costs(case.actual, said, price, job.tier)
    running = measure_running(_running(subject, case), job.spec.compression)
    rows = pd.concat([found.metrics, running], ignore_index=True)
    about = {
        "unit": job.spec.cost.unit or "as in the spec",
        "cost": "as the spec states" if is_stated(job.spec.cost) else "none is stated: every error costs 1",
        "sampled": case.sampled,
        "estimates": _estimates(job.spec.compression),
    }
    return Evidence("costs", rows, found.records, {**found.facts, **about})


def measure_costs(
    actual: npt.NDArray[Any], said: Mapping[str, npt.NDArray[Any]], price: Price, tier: Tier, seed: int = 0
) -> Evidence:
    """Cost of each record by each answerer, with 95 % bootstrap intervals of mean and tail.

    `said` has `model` and `guessing`, perhaps `champion`; each (n,) like `actual`. `saved_over_guessing` is paired, per
    record and in the unit of cost. What is `surely_…` is a one-sided bound at the tier's alpha, as a share.
    """
    costs = {name: price(actual, answers) for name, answers in said.items()}
    costs[PERFECT] = price(actual, actual)
    n, required = len(actual), tier.min_records
    statistics: dict[str, Statistic] = {f"expected_cost:{name}": mean_of(values) for name, values in costs.items()}
    statistics |= {f"tail_1pct:{name}": tail_of(values) for name, values in costs.items()}
    statistics["saved_over_guessing"] = mean_of(costs[GUESSING] - costs[MODEL])
    rows = with_intervals(statistics, n, required, seed)
    rows += [(f"worst:{name}", float(values.max()) if n else NAN, NAN, NAN, n, 0) for name, values in costs.items()]
    rows += _over_champion(costs, tier.alpha, required, seed) if CHAMPION in costs else []
    records = pd.DataFrame({"actual": actual, "predicted": said[MODEL], "cost": costs[MODEL]})
    records = records.assign(**{f"{name}_cost": costs[name] for name in costs if name != MODEL})
    records = records.sort_values("cost", ascending=False, kind="stable", ignore_index=True).head(MOST_RECORDS)
    return Evidence("costs", metric_rows(rows), records, {"n": n, "could_find": _could_find(costs, tier), "seed": seed})


def _over_champion(
    costs: Mapping[str, Floats], alpha: float, required: int, seed: int
) -> list[tuple[str, float, float, float, int, int]]:
    """How much more the model's errors cost than the champion's, surely: the lower bounds of mean and tail."""
    n = len(costs[MODEL])
    if not n:
        return []
    drawn = weights(n, seed)
    asked: dict[str, Callable[[Floats], Statistic]] = {
        "surely_costlier_than_champion": mean_of,
        "surely_longer_tail_than_champion": tail_of,
    }
    rows = []
    for name, statistic in asked.items():
        mine, theirs = statistic(costs[MODEL])(drawn), statistic(costs[CHAMPION])(drawn)
        over = mine / np.maximum(theirs, TINY) - 1
        # Nothing against nothing is as good.
        over[(mine == 0) & (theirs == 0)] = 0.0
        rows.append((name, float(np.quantile(over, alpha)), NAN, NAN, n, required))
    return rows


def _could_find(costs: Mapping[str, Floats], tier: Tier) -> str:
    """The smallest saving over guessing that so many records find with the tier's power (normal approximation)."""
    from scipy.stats import norm

    gain, guess = costs[GUESSING] - costs[MODEL], float(np.mean(costs[GUESSING])) if len(costs[GUESSING]) else 0.0
    if len(gain) < 2 or not guess:
        return "nothing: too few records, or guessing costs nothing"
    least = float((norm.ppf(1 - tier.alpha / 2) + norm.ppf(tier.power)) * gain.std(ddof=1) / np.sqrt(len(gain)))
    return f"a saving of {least / abs(guess):.1%} of what guessing costs, with power {tier.power:g} at {tier.alpha:g}"


def cheapest_constant(price: Price, known: npt.NDArray[Any], constants: npt.NDArray[Any]) -> Any:
    """The one answer that costs least on training's truth. `price` is asked once, of all constants in turn."""
    actual = np.tile(known, len(constants))
    said = np.repeat(constants, len(known))
    totals = price(actual, said).reshape(len(constants), len(known)).sum(axis=1)
    return constants[int(np.argmin(totals))]


def _guess(subject: Subject, case: Case) -> Any:
    """What a model would answer that knows the training target and the prices, and no features."""
    job = subject.job
    rows = evenly(case.train, MOST_KNOWN)
    known = case.truth(evenly(case.known.to_frame(), MOST_KNOWN).iloc[:, 0])
    constants = _constants(known, case)
    features = pd.concat([rows] * len(constants), ignore_index=True)
    return cheapest_constant(price_of(job.spec.cost, job.file.root, features), known, constants)


def _constants(known: npt.NDArray[Any], case: Case) -> npt.NDArray[Any]:
    if not case.classifies:
        return np.unique(np.append(np.quantile(known, QUANTILES), known.mean()))
    labels, counts = np.unique(known.astype(str), return_counts=True)
    return np.asarray(labels[np.argsort(-counts, kind="stable")][:MOST_CLASSES], dtype=object)


def _champion_said(subject: Subject) -> dict[str, npt.NDArray[Any]]:
    """The champion's answers to the same rows; nothing where none serves."""
    serving = subject.champion()
    if serving is None:
        return {}
    scorer = open_package(subject.job.store(), serving.package_digest)
    return {CHAMPION: scorer.score(_test_rows(subject)).values}


def _test_rows(subject: Subject) -> pd.DataFrame:
    """The rows of the case with every column: the champion may have been given others."""
    seed = subject.job.spec.seed
    return sampled(sampled(subject.part(TEST), MOST_TEST, seed), MOST, seed)


def _running(subject: Subject, case: Case) -> dict[str, dict[str, float]]:
    """What the package, and the champion's, cost to run on the same records."""
    store, serving = subject.job.store(), subject.champion()
    packages = {MODEL: subject.packed["package"]} | ({CHAMPION: serving.package_digest} if serving else {})
    graphs = {name: store.get_blob(get_json(store, digest)["graph"]) for name, digest in packages.items()}
    if not len(case.test):
        return {}
    rows = evenly(_test_rows(subject), BATCH)
    return scoring_costs(graphs, pd.concat([rows] * (BATCH // len(rows) + 1), ignore_index=True).head(BATCH))


def measure_running(costs: Mapping[str, Mapping[str, float]], asked: Compression) -> pd.DataFrame:
    """Of a million predictions, one by one and in batches: CPU seconds (measured), kWh and money (estimated)."""
    mine = costs.get(MODEL, {})
    one = running_cost(float(mine.get("cpu_us", NAN)), asked)
    batch = running_cost(float(mine.get("batch_cpu_us", NAN)), asked)
    values = {**one, **{f"{name}:in_batches": value for name, value in batch.items()}}
    values |= {"memory_mb": float(mine.get("memory_mb", NAN)), "p95_ms": float(mine.get("p95_ms", NAN))}
    if CHAMPION in costs and mine:
        values["running_over_champion"] = mine["cpu_us"] / max(costs[CHAMPION]["cpu_us"], TINY)
    return metric_rows([(name, value, NAN, NAN, BATCH if mine else 0, 0) for name, value in values.items()])


def _estimates(asked: Compression) -> str:
    price = f"{asked.price_per_core_hour:g} {asked.currency} a core hour and {asked.price_per_kwh:g} a kWh"
    return f"kWh and money from {asked.watts_per_core:g} W a core, {price}; CPU seconds and memory were measured"


def plots(evidence: Evidence, spec: Mapping[str, Any]) -> list[Plot | None]:
    """What errors cost by whom, on average and in the worst hundredth."""
    unit = (spec.get("cost") or {}).get("unit") or "cost"
    return [
        bars(evidence.metrics, "expected_cost:", "What errors cost on average", f"{unit} a record", {}),
        bars(evidence.metrics, "tail_1pct:", "What errors cost in the worst 1 % of records", f"{unit} a record", {}),
    ]


QUESTION = "What do errors cost, and what does running cost?"
CHECK = Check("costs", measure, on_package_and_champion, "Costs", QUESTION, plots)
