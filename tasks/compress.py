"""Is there a simpler model that is good enough, and what would it save?"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from expectations import sufficiency
from expectations.records import Evidence, metric_rows
from infra.runtime import Predictions, Scorer
from infra.scoring_cost import scoring_costs
from tasks.check import TEST, TRAIN, Check, Subject
from tasks.compression import backtest, words
from tasks.compression.case import Case, Recipe
from tasks.compression.frontier import Losses, Yardstick, build_frontier
from tasks.compression.making import LEFT_OUT, MEASURED, Budget, Made, fully_proven, make_all
from tasks.conversion.trials import on_rows
from tasks.conversion.voting import ensemble_of
from tasks.cost import price_of
from tasks.parity import furthest, measure_parity

# Refits, proofs and comparisons of alternatives on large data use so many rows, evenly taken.
MOST_TRAIN, MOST_TEST, MOST_PROOF, BATCH = 20_000, 20_000, 5_000, 1000
CANDIDATE = Recipe("candidate", "candidate")


def measure(subject: Subject) -> Evidence:
    """The candidate and its alternatives on one frontier; with `auto`, the recommended one is kept to be released."""
    job = subject.job
    if job.spec.model.compress == "off":
        told = {"not_applicable": "model.compress is off: no alternatives were looked for"}
        return Evidence("compression", metric_rows([]), pd.DataFrame(), told)
    train, test = evenly(subject.part(TRAIN), MOST_TRAIN), evenly(subject.part(TEST), MOST_TEST)
    case = Case(subject.candidate(), job.features(train), train[job.spec.data.target], job.spec.seed)
    graph = job.store().get_blob(subject.packed["blobs"]["graph"])
    proof = job.features(evenly(subject.data(), MOST_PROOF))
    tolerance = job.tier.parity_tolerance
    # Loading is not what the budget is for: it starts here. Back-tests take what the making leaves, half at least.
    budget = Budget(job.spec.compression.cpu_seconds)
    making = Budget(budget.left() / 2 if _times(subject) else budget.left())
    made = make_all(case, graph, proof, job.spec.model.name, tolerance, making)
    candidate = _candidate(case, graph, proof, tolerance)
    frontier, unit, metric = _frontier(subject, candidate, made, train, test)
    tested, skipped = _back_tested(subject, candidate, made, case, metric, budget)
    rows = [{str(key): value for key, value in row.items()} for row in frontier.to_dict("records")]
    chosen = recommended(rows, made, job.spec.compression.prefer, proof, tolerance)
    return told_as_evidence(subject, rows, chosen, tested, skipped, made, unit, metric)


def recommended(
    rows: list[dict[str, Any]], made: list[Made], prefer: str, proof: pd.DataFrame, tolerance: float
) -> dict[str, Any] | None:
    """The simplest sufficient one that holds on every trial too. Of one that does not, its row says so from now on."""
    while (found := sufficiency.recommend(rows[1:], rows[0], prefer)) is not None:
        chosen = next(row for row in rows if row["name"] == found["name"])
        again = fully_proven(next(o for o in made if o.recipe.name == chosen["name"]), proof, "proof", tolerance)
        chosen |= {"label_mismatches": again.label_mismatches, "max_difference": again.max_difference}
        if again.proven(tolerance):
            return chosen
        chosen |= {"proven": False, "note": "; ".join([chosen["note"], "differs from its estimator on a trial"])}
    return None


def _candidate(case: Case, graph: bytes, proof: pd.DataFrame, tolerance: float) -> Made:
    mismatches, far = furthest(measure_parity(on_rows(case.candidate, proof), Scorer(graph).score(proof), tolerance))
    return Made(CANDIDATE, MEASURED, "", case.candidate, graph, mismatches, far)


def _on_package(subject: Subject) -> dict[str, Any]:
    return {"package": subject.packed["package"], "candidate": subject.trained["candidate"]}


CHECK = Check("compression", measure, _on_package)


def evenly(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """All rows, or `most` of them at even distances."""
    if len(rows) <= most:
        return rows
    return rows.iloc[np.linspace(0, len(rows) - 1, most).astype(int)].reset_index(drop=True)


def _metric(subject: Subject, said: Predictions) -> str:
    if subject.job.spec.comparison.metric:
        return subject.job.spec.comparison.metric
    return "rmse" if not said.classes else "log_loss" if said.probabilities is not None else "error_rate"


def _frontier(
    subject: Subject, candidate: Made, made: list[Made], train: pd.DataFrame, test: pd.DataFrame
) -> tuple[pd.DataFrame, str, str]:
    """(frontier, what skill is called, the metric)."""
    job = subject.job
    features = job.features(test)
    graphs = {one.recipe.name: one.graph for one in [candidate, *made] if one.graph}
    said = {name: Scorer(graph).score(features) for name, graph in graphs.items()}
    first = said[CANDIDATE.name]
    metric = _metric(subject, first)
    # The team's own cost function runs in a process of its own each time: only where it is what counts.
    price = price_of(job.spec.cost, job.file.root, features) if metric == "expected_cost" else _nothing
    yardstick = Yardstick(metric, job.target(test), job.target(train), price, job.positive)
    losses: dict[str, Losses] = {name: yardstick.losses(one) for name, one in said.items()}
    batch = pd.concat([features] * (BATCH // max(1, len(features)) + 1), ignore_index=True).head(BATCH)
    costs = scoring_costs(graphs, batch) if len(test) else {}
    guess = yardstick.guess(first.classes)
    asked, tier = job.spec.compression, job.tier
    frontier = build_frontier(
        made, candidate, losses, costs, yardstick, guess, asked, tier.parity_tolerance, tier.min_records
    )
    return frontier, yardstick.unit, metric


def _nothing(actual: Any, predicted: Any) -> Any:
    return np.zeros(len(actual))


def _times(subject: Subject) -> str | None:
    """The column that back-tests go along, if there is one and somebody wants them."""
    spec = subject.job.spec
    return spec.data.rows.event_time if spec.compression.windows else None


def _back_tested(
    subject: Subject, candidate: Made, made: list[Made], case: Case, metric: str, budget: Budget
) -> tuple[pd.DataFrame, Mapping[str, str]]:
    """(one row a model and window, why others are not there)."""
    job, times = subject.job, _times(subject)
    if times is None:
        return pd.DataFrame(), {}
    rows = evenly(subject.data(), MOST_TRAIN).reset_index(drop=True)
    features = job.features(rows)
    price = price_of(job.spec.cost, job.file.root, features) if metric == "expected_cost" else _nothing
    history = backtest.History(features, rows[job.spec.data.target], rows[times], metric, price, job.positive)
    return backtest.back_test(candidate, made, case, history, job.spec.compression.windows, budget), history.skipped


def told_as_evidence(
    subject: Subject,
    rows: list[dict[str, Any]],
    chosen: dict[str, Any] | None,
    tested: pd.DataFrame,
    skipped: Mapping[str, str],
    made: list[Made],
    unit: str,
    metric: str,
) -> Evidence:
    """Metrics for the suite, the frontier as records, and the recommendation as a fact."""
    asked, tier, auto = subject.job.spec.compression, subject.job.tier, subject.job.spec.model.compress == "auto"
    # One model in an ensemble's place would have nobody who disagrees.
    auto = auto and ensemble_of(subject.candidate()) is None
    over_time = backtest.summaries(tested) if len(tested) else pd.DataFrame()
    frontier = pd.DataFrame(rows)
    records = frontier.join(over_time, on="name") if len(over_time) else frontier
    late = [one.recipe.name for one in made if one.status == LEFT_OUT]
    n = len(subject.part(TEST))
    facts = {
        "recommendation": words.recommendation(rows, chosen, asked.tolerance, unit) + words.left_out(late),
        "recommended": chosen["name"] if chosen else None,
        "metric": metric,
        "skill": unit,
        "tolerance": asked.tolerance,
        "estimates": f"{asked.watts_per_core:g} W a core, {asked.price_per_core_hour:g} {asked.currency} an hour of a "
        f"core, {asked.price_per_kwh:g} {asked.currency} a kWh",
        "currency": asked.currency,
        "left_out_for_time": late,
        "not_back_tested": dict(skipped),
        "over_time": _over_time_words(over_time, tested, unit, skipped.get(CANDIDATE.name, "")),
        "back_test": tested.to_dict("records"),
    }
    if auto and chosen is not None:
        facts["release_instead"] = _kept(subject, next(one for one in made if one.recipe.name == chosen["name"]))
    return Evidence("compression", metric_rows(_metrics(rows, made, n, tier.min_records)), records, facts)


def _over_time_words(over_time: pd.DataFrame, tested: pd.DataFrame, unit: str, absent: str) -> str | None:
    if over_time.empty:
        return None
    told = {str(name): {str(k): float(v) for k, v in row.items()} for name, row in over_time.iterrows()}
    windows = int(tested["window"].max())
    named = sufficiency.better_and_steadier(told, windows)
    return words.over_time(*named, told, windows, unit, absent) if named else None


def _metrics(
    rows: list[dict[str, Any]], made: list[Made], n: int, required: int
) -> list[tuple[str, float, float, float, int, int]]:
    """The candidate's lead over the best simpler baseline, then each alternative's difference."""
    baselines = {one.recipe.name for one in made if one.recipe.is_baseline}
    simpler = [row for row in rows if row["name"] in baselines and row["simpler"]]
    found = []
    if simpler:
        best = max(simpler, key=lambda row: (row["skill_difference"], row["name"]))
        found.append(
            ("lead_over_simple_baseline", -best["skill_difference"], -best["upper"], -best["lower"], n, required)
        )
    measured = [row for row in rows[1:] if row["status"] == MEASURED]
    each = [(f"skill_difference:{r['name']}", r["skill_difference"], r["lower"], r["upper"], n, 0) for r in measured]
    return [*found, ("alternatives", float(len(measured)), np.nan, np.nan, n, 0), *each]


def _kept(subject: Subject, one: Made) -> dict[str, str]:
    """The recommended estimator, in the store as candidates are."""
    import skops.io

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "candidate.skops")
        skops.io.dump(one.estimator, path)
        return {"name": one.recipe.name, "candidate": subject.job.store().put_blob(path)}
