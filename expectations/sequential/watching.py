"""From what was seen to values between 0 and 1, where 1 is bad; and what is asked of each metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from expectations.rollout_spec import Watch, WatchedBusiness
from expectations.sequential.ticks import Numbers

Unit = Literal["requests", "labels", "minutes"]


@dataclass(frozen=True)
class Watched:
    """What is asked of one metric. All of it in the scale of its values, 0 to 1.

    A challenger is *good* where its mean is at most the champion's plus `harmless`, and is *bad* from `tolerance` on.
    Between the two either answer is right. `limit` is absolute. `both_ways`: less is as far away as more.
    """

    name: str
    tolerance: float
    harmless: float = 0.0
    limit: float | None = None
    both_ways: bool = False
    unit: Unit = "requests"

    @property
    def suspect(self) -> float:
        """A difference that is rather bad than good."""
        return (self.harmless + self.tolerance) / 2


def watched(watch: Watch) -> tuple[Watched, ...]:
    """What the spec watches, in its order. Another prediction is no harm as such, so up to the tolerance it is good."""
    rates = ((name, getattr(watch, name)) for name in ("errors", "latency", "guards"))
    found = [Watched(name, rate.tolerance, limit=rate.limit) for name, rate in rates if rate]
    if watch.distribution:
        far = watch.distribution.tolerance
        found.append(Watched("distribution", far, harmless=far, both_ways=True))
    if watch.business:
        width = watch.business.high - watch.business.low
        found.append(Watched("business", watch.business.tolerance / width, unit="labels"))
    if watch.quality:
        found.append(Watched("quality", watch.quality.tolerance, limit=watch.quality.limit, unit="labels"))
    return tuple(found)


def over_limit(latency_ms: ArrayLike, limit_ms: float) -> Numbers:
    """1 for each request that took longer than `limit_ms`; (n,).

    Without a limit in the spec take the champion's p95 of *before*: of the shadow stage, or of the step before. It may
    change from block to block as long as it is set before the block begins and is the same for both arms.
    """
    return (np.asarray(latency_ms, dtype=np.float64) > limit_ms).astype(np.float64)


def business_loss(values: ArrayLike, asked: WatchedBusiness) -> Numbers:
    """(n,) numbers as losses: 0 for the best that can be, 1 for the worst. Outside of the bounds is outside [0, 1]."""
    found = (np.asarray(values, dtype=np.float64) - asked.low) / (asked.high - asked.low)
    return 1 - found if asked.better == "higher" else found


def absolute_loss(actual: ArrayLike, predicted: ArrayLike, scale: float) -> Numbers:
    """(n,) absolute errors as a share of `scale`, 1 at most."""
    return np.minimum(np.abs(np.asarray(actual, np.float64) - np.asarray(predicted, np.float64)) / scale, 1.0)


def wrong_labels(actual: Sequence[object], predicted: Sequence[object]) -> Numbers:
    """1 where the predicted class is not the actual one; (n,)."""
    return np.array([a != p for a, p in zip(actual, predicted, strict=True)], dtype=np.float64)


def cut_points(champion: ArrayLike, parts: int = 10) -> Numbers:
    """The champion's deciles from before the rollout, each once: where both arms' predictions are compared.

    One strand of ticks for each, as `judge_rollout` takes them; so they stay the same while it lasts.
    """
    inner = np.arange(1, parts) / parts
    return np.unique(np.quantile(np.asarray(champion, dtype=np.float64), inner, method="inverted_cdf"))


def below_cuts(predictions: ArrayLike, cuts: Numbers) -> Numbers:
    """(n, C) of 0 and 1: is the prediction at most the cut? The means are the distribution function at the cuts.

    Two distributions differ at a cut by at most their Kolmogorov distance. Few cuts, each tested by betting, tell small
    differences sooner than a band around the whole function does (Howard and Ramdas, "Sequential estimation of
    quantiles", Bernoulli 2022), and do not see what happens between them. For classes see `is_class`.
    """
    return (np.asarray(predictions, dtype=np.float64)[:, None] <= cuts).astype(np.float64)


def is_class(predictions: Sequence[object], classes: Sequence[object]) -> Numbers:
    """(n, C) of 0 and 1: is the prediction this class?"""
    found: NDArray[np.bool_] = np.array([[p == c for c in classes] for p in predictions], dtype=bool)
    return found.reshape(len(predictions), len(classes)).astype(np.float64)
