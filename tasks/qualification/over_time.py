"""Does the model get worse as time goes on, and is a simpler one steadier?

The loss (of numbers the absolute error) is averaged in parts of about equal size along the time, and a straight line is
laid through the parts. Parts are what is counted, not records: records of one week err together, and an interval from
single records would be too narrow.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t

from infra.runtime import Predictions, estimator_predictions
from tasks.compression.backtest import windows
from tasks.compression.baselines import linear
from tasks.compression.case import Case as Prepared
from tasks.qualification.case import Case

Floats = npt.NDArray[np.float64]
Row = tuple[str, float, float, float, int, int]
NONE = float("nan")
DAYS_A_MONTH = 365.25 / 12
# Of each part so many records at least; so many parts at most of the package, and of each refit.
PART, PARTS, PARTS_OF_REFIT, FEWEST_PARTS = 40, 12, 4, 4
SHORTEST_MONTHS = 1.0
# A refit is trained on, and asked of, so many records at most; and the package of so many.
MOST_REFIT, MOST_ASKED, MOST_OF_PACKAGE = 2000, 2000, 5000
# A growth so many times the limit is found with the tier's power.
TIMES_THE_LIMIT = 4


@dataclass(frozen=True)
class Line:
    """How much a loss grows a month, as a share of its mean: the slope, its standard error and degrees of freedom."""

    slope: float
    error: float
    freedom: int
    n: int

    def bounds(self, alpha: float) -> tuple[float, float]:
        """Each one-sided at alpha."""
        far = float(t.ppf(1 - alpha, self.freedom)) * self.error
        return self.slope - far, self.slope + far

    def required(self, gap: float, alpha: float, power: float) -> int:
        """How many records would show a slope that lies `gap` above a limit."""
        needed = (t.ppf(1 - alpha, self.freedom) + t.ppf(power, self.freedom)) * self.error / gap
        return int(np.ceil(self.n * needed**2))


@dataclass(frozen=True)
class Timed:
    """Records with the moment of each: `features` (n, k), `target` (n,), `times` (n,) as datetime64."""

    features: pd.DataFrame
    target: "pd.Series[Any]"
    times: "pd.Series[Any]"

    def at(self, rows: npt.NDArray[np.intp]) -> "Timed":
        """Some of them."""
        return Timed(
            self.features.iloc[rows].reset_index(drop=True),
            self.target.iloc[rows].reset_index(drop=True),
            self.times.iloc[rows].reset_index(drop=True),
        )

    def and_then(self, other: "Timed") -> "Timed":
        """These and others."""
        return Timed(
            pd.concat([self.features, other.features], ignore_index=True),
            pd.concat([self.target, other.target], ignore_index=True),
            pd.concat([self.times, other.times], ignore_index=True),
        )


@dataclass(frozen=True)
class History:
    """What the package was trained on, what it is tested on, and every record there is."""

    train: Timed
    test: Timed
    every: Timed


@dataclass
class OverTime:
    """What time did: `lines` by name, one record per part, and why something was not asked."""

    lines: dict[str, Line] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def loss_of(case: Case, actual: npt.NDArray[Any], said: Predictions) -> Floats:
    """(n,) absolute error, log loss, or 1 for a wrong label: squared errors hang on too few records to show a slope."""
    return case.loss(actual, said) if case.classifies else case.error(actual, said)


def line_through(parts: pd.DataFrame) -> Line | None:
    """Through `months` and `loss` of parts, each `group` at its own level. None of too few parts."""
    groups = parts.groupby("group", sort=False)
    freedom = len(parts) - groups.ngroups - 1
    months = (parts["months"] - groups["months"].transform("mean")).to_numpy(dtype=np.float64)
    loss = (parts["loss"] - groups["loss"].transform("mean")).to_numpy(dtype=np.float64)
    mean, across = float(parts["level"].mean()) if len(parts) else 0.0, float(months @ months)
    if freedom < FEWEST_PARTS - 2 or across <= 0 or not mean > 0:
        return None
    slope = float(months @ loss) / across
    error = float(np.sqrt(((loss - slope * months) ** 2).sum() / freedom / across))
    return Line(slope / mean, error / mean, freedom, int(parts["n"].sum()))


def parts_of(losses: Floats, times: "pd.Series[Any]", start: Any, most: int, group: str) -> pd.DataFrame:
    """Parts along the time: group, months since `start`, mean loss, level (the same), n."""
    count = int(min(most, len(losses) // PART))
    if count < 1:
        return pd.DataFrame(columns=["group", "months", "loss", "level", "n"])
    months = ((times - start) / pd.Timedelta(days=DAYS_A_MONTH)).to_numpy(dtype=np.float64)
    order = np.argsort(months, kind="stable")
    rows = [
        {"group": group, "months": months[p].mean(), "loss": losses[p].mean(), "level": losses[p].mean(), "n": len(p)}
        for p in np.array_split(order, count)
    ]
    return pd.DataFrame(rows)


def measure_package(case: Case, test: Timed, last_trained: Any, found: OverTime) -> None:
    """The package's loss along the time of test records, all of them later than training."""
    span = (test.times.max() - test.times.min()) / pd.Timedelta(days=DAYS_A_MONTH) if len(test.times) else 0.0
    if not len(test.times) or test.times.min() < last_trained:
        found.skipped["package"] = (
            "test records lie among training's in time, so that the package has no later ones to get worse on; the "
            "refits tell. `data.split.by: time` asks the package itself"
        )
        return
    if len(test.times) > MOST_OF_PACKAGE:
        test = test.at(_some(np.arange(len(test.times)), MOST_OF_PACKAGE, np.random.default_rng(case.seed)))
    losses = loss_of(case, case.truth(test.target), case.ask(test.features))
    parts = parts_of(losses, test.times, last_trained, PARTS, "the package")
    _keep(found, "package", parts, span)


def measure_refits(case: Case, every: Timed, count: int, found: OverTime) -> None:
    """The candidate's kind and a linear model on the same preprocessing, trained on the past and asked of what came."""
    rng = np.random.default_rng(case.seed)
    tried: dict[str, list[pd.DataFrame]] = {"refits": [], "simple": []}
    for number, (past, following) in enumerate(windows(every.times, count)):
        known, ahead = every.at(_some(past, MOST_REFIT, rng)), every.at(_some(following, MOST_ASKED, rng))
        for name, make in (("refits", _again), ("simple", _simple)):
            if name in found.skipped:
                continue
            try:
                said = make(case, known)(ahead.features)
            except Exception as error:  # noqa: BLE001  A fit on other rows may raise anything.
                found.skipped[name] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
                continue
            losses = loss_of(case, case.truth(ahead.target), said)
            group, start = f"window {number + 1}", known.times.max()
            tried[name].append(parts_of(losses, ahead.times, start, PARTS_OF_REFIT, group))
    _compare(found, tried, _span(tried))


def _again(case: Case, known: Timed) -> Callable[[pd.DataFrame], Predictions]:
    return case.refitted(known.features, known.target)


def _simple(case: Case, known: Timed) -> Callable[[pd.DataFrame], Predictions]:
    """Ridge or logistic regression behind the candidate's own preprocessing."""
    candidate = case.candidate()
    model = linear(Prepared(candidate, known.features, known.target, case.seed).prepared(known.features, known.target))
    return lambda frame: estimator_predictions(model, frame)


def _some(rows: npt.NDArray[np.intp], most: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def _span(tried: dict[str, list[pd.DataFrame]]) -> float:
    months = [part["months"] for parts in tried.values() for part in parts if len(part)]
    return max((float(one.max() - one.min()) for one in months), default=0.0)


def _compare(found: OverTime, tried: dict[str, list[pd.DataFrame]], span: float) -> None:
    """The line of each, and of their difference: positive where the candidate's kind decays faster."""
    together = {name: _joined(parts) for name, parts in tried.items() if name not in found.skipped}
    for name, parts in together.items():
        _keep(found, name, parts, span)
    if len(together) == 2 and all(name in found.lines for name in together):
        mine, simple = together["refits"], together["simple"]
        # Each of its own mean, so that a worse level is no steeper slope.
        own = mine["loss"] / mine["level"].mean() - simple["loss"] / simple["level"].mean()
        _keep(found, "against simple", mine.assign(loss=own, level=1.0), span, tell=False)


def _joined(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([*parts, parts_of(np.zeros(0), pd.Series(dtype="datetime64[ns]"), 0, 1, "")], ignore_index=True)


def _keep(found: OverTime, name: str, parts: pd.DataFrame, span: float, tell: bool = True) -> None:
    line = line_through(parts) if len(parts) else None
    if line is None or span < SHORTEST_MONTHS:
        found.skipped[name] = (
            f"{len(parts)} parts of {PART} records or more over {span:.1f} months; at least {FEWEST_PARTS} parts over "
            f"{SHORTEST_MONTHS:g} month are needed to lay a line"
        )
        line = Line(NONE, NONE, 1, int(parts["n"].sum()) if len(parts) else 0)
    found.lines[name] = line
    if tell:
        found.records += parts.drop(columns="level").assign(column=f"time: {name}").to_dict("records")  # type: ignore[arg-type]


METRIC = {
    "package": "decay_per_month",
    "refits": "refit_decay_per_month",
    "simple": "simple_decay_per_month",
    "against simple": "faster_than_simple",
}


def rows_of(case: Case, found: OverTime, limit: float) -> list[Row]:
    """Each slope with its 95 % interval, and what it surely is, at the tier's level for all slopes together."""
    rows: list[Row] = []
    alpha, gap = case.tier.alpha / max(len(found.lines), 1), (TIMES_THE_LIMIT - 1) * limit
    for name, line in found.lines.items():
        if not np.isfinite(line.slope):
            rows.append((f"sure_{METRIC[name]}", NONE, NONE, NONE, line.n, 1))
            continue
        low, high = line.bounds(0.025)
        required = line.required(gap, alpha, case.tier.power)
        rows.append((METRIC[name], line.slope, low, high, line.n, 1))
        rows.append((f"sure_{METRIC[name]}", max(line.bounds(alpha)[0], 0.0), NONE, NONE, line.n, required))
    return rows
