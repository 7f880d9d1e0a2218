"""Which of the alternatives would have held over time? Trained on the past, tested on what came next."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from infra.runtime import Predictions, estimator_predictions, label_text
from tasks.compare import LOSSES
from tasks.compression.case import Case
from tasks.compression.making import MEASURED, Budget, Made
from tasks.cost import Price
from tasks.quality import guess_from, score_records

FEWEST_PAST, FEWEST_NEXT = 100, 30
Rows = npt.NDArray[np.intp]


@dataclass
class History:
    """All rows with their times; `loss` as the comparison counts it."""

    features: pd.DataFrame
    target: "pd.Series[Any]"
    times: "pd.Series[Any]"
    metric: str
    price: Price
    positive: str | None
    skipped: dict[str, str] = field(default_factory=dict)

    def skill(self, said: Predictions, past: Rows, following: Rows) -> float:
        """Of the rows that follow: the share of guessing's loss that is saved, guessing by what the past told."""
        loss = LOSSES[self.metric]
        actual, known = self._truth(following, said), self._truth(past, said)
        guess = guess_from(known, said.classes, len(following))
        mine, theirs = (score_records(actual, one, self.price, self.positive)[loss].mean() for one in (said, guess))
        return float(1 - mine / theirs)

    def _truth(self, rows: Rows, said: Predictions) -> npt.NDArray[Any]:
        values = self.target.iloc[rows]
        return label_text(values) if said.classes else values.to_numpy(dtype=np.float64)


def windows(times: "pd.Series[Any]", count: int) -> Iterator[tuple[Rows, Rows]]:
    """(past, following) row positions: count + 1 parts of about equal size, no moment on two sides.

    A window with too few rows on a side is left out.
    """
    moments = times.to_numpy()
    ordered = np.sort(moments)
    edges = np.unique(ordered[[len(ordered) * at // (count + 1) for at in range(1, count + 1)]])
    for at, edge in enumerate(edges):
        following = moments >= edge
        if at + 1 < len(edges):
            following &= moments < edges[at + 1]
        past, next_ones = np.flatnonzero(moments < edge), np.flatnonzero(following)
        if len(past) >= FEWEST_PAST and len(next_ones) >= FEWEST_NEXT:
            yield past, next_ones


def back_test(
    candidate: Made, made: list[Made], case: Case, history: History, count: int, budget: Budget
) -> pd.DataFrame:
    """One row a model and window: name, window, from, to, n, skill. What the time left out is in `history.skipped`."""
    parted = list(windows(history.times, count))
    cases = _cases(case, history, parted, budget, candidate.recipe.name)
    models = [one for one in [candidate, *made] if one.status == MEASURED and one.estimator is not None]
    rows: list[dict[str, Any]] = []
    for one in models:
        reason = _why_not(one, candidate, cases, case, parted, budget, history)
        if reason:
            history.skipped[one.recipe.name] = reason
            continue
        try:
            rows += [_tested(one, candidate, item, history, at, *parted[at]) for at, item in enumerate(cases)]
        except Exception as error:  # noqa: BLE001  A refit on little data may raise anything.
            history.skipped[one.recipe.name] = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
    complete = [row for row in rows if row["name"] not in history.skipped]
    return pd.DataFrame(complete, columns=["name", "window", "from", "to", "n", "skill"])


def _cases(case: Case, history: History, parted: list[tuple[Rows, Rows]], budget: Budget, name: str) -> list[Case]:
    """The case as of each window: its candidate fitted anew on the past, or only its preprocessing."""
    cases: list[Case] = []
    refit, spent, fitted_on = True, 0.0, 0
    for at, (past, _) in enumerate(parted):
        features, target = history.features.iloc[past], history.target.iloc[past]
        ahead = sum(len(rows) for rows, _ in parted[at:])
        if refit and fitted_on and (need := spent / fitted_on * ahead) > budget.left():
            refit = False
            history.skipped[name] = f"fitting it anew takes about {need:.0f} CPU s more; raise compression.cpu_seconds"
        began = time.process_time()
        if refit:
            try:
                cases.append(case.refitted(features, target))
                spent, fitted_on = spent + time.process_time() - began, fitted_on + len(past)
                continue
            except Exception as error:  # noqa: BLE001  The user's estimator may raise anything.
                refit = False
                history.skipped[name] = f"cannot be fitted anew: {' '.join(str(error).split())[:120]}"
        cases.append(case.prepared(features, target))
    return cases


def _why_not(
    one: Made,
    candidate: Made,
    cases: list[Case],
    case: Case,
    parted: list[tuple[Rows, Rows]],
    budget: Budget,
    history: History,
) -> str:
    if (one is candidate or one.recipe.needs_candidate) and candidate.recipe.name in history.skipped:
        return history.skipped[candidate.recipe.name]
    ahead = one.cpu_s * sum(len(rows) for rows, _ in parted) / max(1, len(case.features))
    if ahead <= budget.left() and budget.left():
        return ""
    return f"takes about {ahead:.1f} CPU s more than there were; raise compression.cpu_seconds"


def _tested(
    one: Made, candidate: Made, case: Case, history: History, at: int, past: Rows, following: Rows
) -> dict[str, Any]:
    estimator = case.candidate if one is candidate else one.recipe.make(case)  # type: ignore[misc]
    said = estimator_predictions(estimator, history.features.iloc[following])
    times = history.times.iloc[following]
    return {
        "name": one.recipe.name,
        "window": at + 1,
        "from": str(times.min()),
        "to": str(times.max()),
        "n": len(following),
        "skill": history.skill(said, past, following),
    }


def summaries(tested: pd.DataFrame) -> pd.DataFrame:
    """By name: mean, worst and standard deviation of the windows' skill, and its trend from window to window."""
    grouped = tested.groupby("name", sort=False)
    found = grouped["skill"].agg(over_time="mean", worst_window="min", spread="std")
    trend = {
        str(name): float(np.polyfit(rows["window"], rows["skill"], 1)[0]) if len(rows) > 1 else float("nan")
        for name, rows in grouped
    }
    found["trend"] = pd.Series(trend, dtype=float)
    return pd.DataFrame(found)
