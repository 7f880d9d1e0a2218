"""All alternatives on one frontier: quality beside the candidate's on the same records, and what each costs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations import sufficiency
from expectations.spec import Compression
from infra.runtime import Predictions
from infra.scoring_cost import Cost
from tasks.compare import LOSSES
from tasks.compression.making import MEASURED, Made
from tasks.cost import Price
from tasks.quality import Statistic, guess_from, mean_of, score_records, with_intervals

Losses = npt.NDArray[np.float64]
COSTS = ("p50_ms", "p95_ms", "batch_rows_per_s", "load_ms", "memory_mb", "cpu_us", "batch_cpu_us")


class Yardstick:
    """The truth of the test records, the loss that counts, and what guessing loses on them."""

    def __init__(
        self, metric: str, actual: npt.NDArray[Any], trained_on: npt.NDArray[Any], price: Price, positive: str | None
    ) -> None:
        self.metric, self._actual, self._price, self._positive = metric, actual, price, positive
        self._trained_on = trained_on

    def losses(self, said: Predictions) -> Losses:
        """(n,) the loss of each record. Raises KeyError where these predictions have no such loss."""
        records = score_records(self._actual, said, self._price, self._positive)
        return np.asarray(records[LOSSES[self.metric]], dtype=np.float64)

    def guess(self, classes: tuple[str, ...]) -> Losses:
        """(n,) the loss of guessing; of squared errors the test records' own mean, so that skill is R²."""
        known = self._actual if self.metric == "rmse" else self._trained_on
        return self.losses(guess_from(known, classes, len(self._actual)))

    @property
    def unit(self) -> str:
        """What skill is called."""
        return "R²" if self.metric == "rmse" else f"of guessing's {self.metric.replace('_', ' ')}"

    def value(self, losses: Losses) -> float:
        """The metric itself."""
        power = 0.5 if self.metric == "rmse" else 1.0
        return float(np.mean(losses) ** power)


def skill_difference(candidate: Losses, alternative: Losses, guess: Losses) -> Statistic:
    """Alternative's skill less the candidate's, paired; skill is the share of guessing's loss that a model saves."""
    gap, base = mean_of(candidate - alternative), mean_of(guess)
    return lambda w: gap(w) / base(w)


def skill_differences(
    candidate: Losses, others: Mapping[str, Losses], guess: Losses, required: int
) -> dict[str, tuple[float, float, float]]:
    """name -> (value, lower, upper); 95 % of all intervals together (Bonferroni, normal approximation)."""
    from scipy.stats import norm

    statistics = {name: skill_difference(candidate, losses, guess) for name, losses in others.items()}
    widen = norm.ppf(1 - 0.025 / max(1, len(others))) / norm.ppf(0.975)
    rows = with_intervals(statistics, len(candidate), required)
    return {name: (v, v - widen * (v - low), v + widen * (high - v)) for name, v, low, high, _, _ in rows}


def build_frontier(
    made: list[Made],
    candidate: Made,
    losses: Mapping[str, Losses],
    costs: Mapping[str, Cost],
    yardstick: Yardstick,
    guess: Losses,
    asked: Compression,
    parity: float,
    required: int,
) -> pd.DataFrame:
    """One row an alternative, the candidate's first. `losses` and `costs` by name; who is in neither was not measured.

    With fewer than `required` records no alternative is told to be sufficient.
    """
    mine = losses[candidate.recipe.name]
    others = {name: values for name, values in losses.items() if name != candidate.recipe.name}
    gaps = skill_differences(mine, others, guess, required) | {candidate.recipe.name: (0.0, 0.0, 0.0)}
    rows = [_row(one, losses, costs, gaps, yardstick, guess, asked, parity, required) for one in [candidate, *made]]
    first = rows[0] | {"answer": ""}
    return pd.DataFrame([first, *({**row, "simpler": _simpler(row, first, asked)} for row in rows[1:])])


def _row(
    one: Made,
    losses: Mapping[str, Losses],
    costs: Mapping[str, Cost],
    gaps: Mapping[str, tuple[float, float, float]],
    yardstick: Yardstick,
    guess: Losses,
    asked: Compression,
    parity: float,
    required: int,
) -> dict[str, Any]:
    name, recipe, nan = one.recipe.name, one.recipe, float("nan")
    value, lower, upper = gaps.get(name, (nan, nan, nan))
    cost = dict.fromkeys(COSTS, nan) | dict(costs.get(name, {}))
    own = losses.get(name)
    enough = own is not None and len(own) >= required
    return {
        "name": name,
        "idea": recipe.idea,
        "status": one.status,
        "value": nan if own is None else yardstick.value(own),
        "skill": nan if own is None else 1 - float(np.mean(own)) / float(np.mean(guess)),
        "skill_difference": value,
        "lower": lower,
        "upper": upper,
        "answer": sufficiency.answer(lower, upper, asked.tolerance) if enough else "cannot tell" if one.graph else "",
        "simpler": False,
        "proven": one.proven(parity) and (one.estimator is not None),
        "max_difference": one.max_difference if one.graph else nan,
        "label_mismatches": one.label_mismatches if one.graph else nan,
        "onnx_bytes": float(len(one.graph)) if one.graph else nan,
        **cost,
        **running_cost(cost["cpu_us"], asked),
        "make_cpu_s": one.cpu_s,
        "note": "; ".join(part for part in (one.reason, recipe.note) if part),
    }


def running_cost(cpu_us: float, asked: Compression) -> dict[str, float]:
    """Of a million predictions one by one: CPU seconds (measured), kWh and money (from the spec's watts and prices)."""
    kwh = cpu_us * asked.watts_per_core / 3.6e6
    money = cpu_us / 3600 * asked.price_per_core_hour + kwh * asked.price_per_kwh
    return {"cpu_s_per_million": cpu_us, "kwh_per_million": kwh, "money_per_million": money}


def _simpler(row: Mapping[str, Any], candidate: Mapping[str, Any], asked: Compression) -> bool:
    return row["status"] == MEASURED and sufficiency.simpler(row, candidate, asked.prefer)
