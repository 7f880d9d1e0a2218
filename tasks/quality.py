"""How good is the package, on records that training never saw?"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.records import Evidence, metric_rows
from infra.runtime import Predictions
from tasks.check import TEST, TRAIN, Check, Subject, on_package
from tasks.cost import Price, price_of

Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
RESAMPLES = 1000
TINY = 1e-15


def weights(n: int, seed: int, resamples: int = RESAMPLES) -> Floats:
    """(resamples, n) float64: how often each record is drawn. Efron's bootstrap; fewer resamples for many records."""
    resamples = max(200, min(resamples, 20_000_000 // max(n, 1)))
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)


def measure(subject: Subject) -> Evidence:
    """The package on records that training never saw."""
    job, test = subject.job, subject.part(TEST)
    # As a caller gets them: through the gateway's own processes, over HTTP. But what a live lookup says is another
    # thing tomorrow, and these records are of the frozen tables' time.
    scorer = subject.scorer()
    with subject.gateway(live=False) as gateway:
        said = scorer.predictions(gateway.answers(scorer, test))
    guess = guess_from(job.target(subject.part(TRAIN)), said.classes, len(test))
    price = price_of(job.spec.cost, job.file.root, job.features(test))
    return measure_quality(job.target(test), said, guess, price, job.positive, job.tier.min_records)


CHECK = Check("quality", measure, on_package)


def measure_quality(
    actual: npt.NDArray[Any],
    predicted: Predictions,
    baseline: Predictions,
    price: Price,
    positive: str | None,
    required: int,
) -> Evidence:
    """Metrics with 95 % percentile bootstrap intervals, money beside a perfect model, and skill over guessing.

    `actual` (n,) float64 or label strings; `baseline` what a model that only knows the training target would say.
    """
    records = score_records(actual, predicted, price, positive)
    guess = score_records(actual, baseline, price, positive)
    statistics = {**_statistics(records, predicted, positive), **_money(records)}
    primary = (
        "squared_error" if not predicted.classes else "log_loss" if predicted.probabilities is not None else "error"
    )
    statistics["improvement_over_baseline"] = relative_gain(guess[primary], records[primary], primary)
    rows = with_intervals(statistics, len(records), required)
    return Evidence("quality", metric_rows(rows), records, {"primary": primary, "resamples": RESAMPLES})


def with_intervals(
    statistics: Mapping[str, Statistic], n: int, required: int, seed: int = 0
) -> list[tuple[str, float, float, float, int, int]]:
    """(metric, value, lower, upper, n, required) of each statistic, all on the same resamples."""
    if n == 0:
        return [(name, np.nan, np.nan, np.nan, 0, required) for name in statistics]
    drawn, once = weights(n, seed), np.ones((1, n))
    rows = []
    for name, statistic in statistics.items():
        with np.errstate(divide="ignore", invalid="ignore"):
            value, draws = float(statistic(once)[0]), statistic(drawn)
        sound = draws[np.isfinite(draws)]
        low, high = np.quantile(sound, [0.025, 0.975]) if len(sound) > 0.5 * len(draws) else (np.nan, np.nan)
        rows.append((name, value, float(low), float(high), n, required))
    return rows


def score_records(actual: npt.NDArray[Any], predicted: Predictions, price: Price, positive: str | None) -> pd.DataFrame:
    """One row per record: actual, predicted, the losses and what the error costs."""
    frame = pd.DataFrame({"actual": actual, "predicted": predicted.values})
    if not predicted.classes:
        error = frame["predicted"] - frame["actual"]
        frame["error"], frame["absolute_error"], frame["squared_error"] = error, error.abs(), error**2
        return frame.assign(cost=price(frame["actual"], frame["predicted"]), perfect_cost=price(actual, actual))
    frame["correct"] = (frame["actual"] == frame["predicted"]).astype(float)
    frame["error"] = 1 - frame["correct"]
    if predicted.probabilities is not None:
        frame["log_loss"] = _log_loss(actual, predicted)
        if positive in predicted.classes:
            frame["probability"] = predicted.probabilities[:, predicted.classes.index(positive)]
    return frame.assign(cost=price(frame["actual"], frame["predicted"]), perfect_cost=price(actual, actual))


def _log_loss(actual: npt.NDArray[Any], predicted: Predictions) -> Floats:
    assert predicted.probabilities is not None
    place = {label: at for at, label in enumerate(predicted.classes)}
    chosen = np.array([place.get(label, -1) for label in actual])
    held = np.where(chosen >= 0, predicted.probabilities[np.arange(len(chosen)), chosen], 0.0)
    return np.asarray(-np.log(np.clip(held, TINY, 1.0)))


def mean_of(values: "pd.Series[Any] | Floats") -> Statistic:
    """The weighted mean of a column."""
    column = np.asarray(values, dtype=np.float64)
    return lambda w: w @ column / w.sum(axis=1)


def ratio_of(top: "pd.Series[Any] | Floats", bottom: "pd.Series[Any] | Floats") -> Statistic:
    """A ratio of two weighted sums; NaN where the lower one is 0."""
    above, below = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
    return lambda w: (w @ above) / (w @ below)


def relative_gain(before: "pd.Series[Any]", after: "pd.Series[Any]", loss: str) -> Statistic:
    """Paired: the share of `before`'s loss that `after` saves; of squared errors, the share of the RMSE."""
    old, new = mean_of(before), mean_of(after)
    power = 0.5 if loss == "squared_error" else 1.0
    return lambda w: 1 - new(w) ** power / old(w) ** power


def _statistics(records: pd.DataFrame, predicted: Predictions, positive: str | None) -> dict[str, Statistic]:
    if not predicted.classes:
        return _regression(records)
    found = {"accuracy": mean_of(records["correct"])}
    if "log_loss" in records:
        found["log_loss"] = mean_of(records["log_loss"])
    return found | (_binary(records, positive) if positive is not None else {"macro_recall": _macro_recall(records)})


def _regression(records: pd.DataFrame) -> dict[str, Statistic]:
    squared, actual = mean_of(records["squared_error"]), mean_of(records["actual"])
    second = mean_of(records["actual"].astype(float) ** 2)
    return {
        "rmse": lambda w: np.sqrt(squared(w)),
        "mae": mean_of(records["absolute_error"]),
        "bias": mean_of(records["error"]),
        "r2": lambda w: 1 - squared(w) / (second(w) - actual(w) ** 2),
    }


def _binary(records: pd.DataFrame, positive: str | None) -> dict[str, Statistic]:
    truth, said = records["actual"] == positive, records["predicted"] == positive
    found = {
        "precision": ratio_of(truth & said, said),
        "recall": ratio_of(truth & said, truth),
        "f1": ratio_of(2.0 * (truth & said), truth.astype(float) + said),
    }
    if "probability" in records:
        found["roc_auc"] = roc_auc(truth.to_numpy(), records["probability"].to_numpy())
        found["brier"] = mean_of((records["probability"] - truth) ** 2)
    return found


def roc_auc(truth: npt.NDArray[np.bool_], score: Floats) -> Statistic:
    """The weighted area under the ROC curve, ties counted half (Mann-Whitney)."""
    levels, level = np.unique(score, return_inverse=True)
    starts = np.searchsorted(np.sort(level), np.arange(len(levels)))
    order = np.argsort(level, kind="stable")

    def area(w: Floats) -> Floats:
        yes = np.add.reduceat((w * truth)[:, order], starts, axis=1)
        no = np.add.reduceat((w * ~truth)[:, order], starts, axis=1)
        below = np.cumsum(no, axis=1) - no / 2
        return np.asarray((yes * below).sum(axis=1) / (yes.sum(axis=1) * no.sum(axis=1)))

    return area


def _macro_recall(records: pd.DataFrame) -> Statistic:
    per_class = [
        ratio_of((records["actual"] == label) & (records["correct"] == 1), records["actual"] == label)
        for label in sorted(records["actual"].unique())
    ]
    return lambda w: np.mean([recall(w) for recall in per_class], axis=0)


def _money(records: pd.DataFrame) -> dict[str, Statistic]:
    """Cost per record, of a perfect model, and the mean of the worst 1 % (its tail)."""
    cost = records["cost"].to_numpy(dtype=np.float64)
    return {
        "expected_cost": mean_of(cost),
        "expected_cost_perfect": mean_of(records["perfect_cost"]),
        "cost_tail_1pct": tail_of(cost),
    }


def tail_of(cost: Floats, share: float = 0.01) -> Statistic:
    """The mean of the costliest records that make up `share` of all (expected shortfall; Acerbi and Tasche 2002)."""
    order = np.argsort(-cost, kind="stable")

    def tail(w: Floats) -> Floats:
        drawn = w[:, order]
        room = share * drawn.sum(axis=1, keepdims=True)
        taken = np.clip(room - (np.cumsum(drawn, axis=1) - drawn), 0, drawn)
        return np.asarray((taken @ cost[order]) / room[:, 0])

    return tail


def guess_from(target: npt.NDArray[Any], classes: tuple[str, ...], n: int) -> Predictions:
    """What a model that saw only the training target would say: the mean, or the class shares."""
    if not classes:
        return Predictions(np.full(n, float(np.mean(target.astype(np.float64)))))
    shares = np.array([np.mean(target == label) for label in classes], dtype=np.float64)
    said = np.full(n, classes[int(shares.argmax())], dtype=object)
    return Predictions(said, np.tile(shares, (n, 1)), classes)
