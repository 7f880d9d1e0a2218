"""Intervals and sets that hold the truth as often as stated, whatever the model is worth.

Split conformal prediction (Papadopoulos et al. 2002; Vovk, Gammerman, Shafer 2005; Lei et al. 2018): the quantile of a
score on rows that training did not see. Rows must be exchangeable: where the world changes, coverage is lost, and the
evidence on the latest rows shows it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import beta, betabinom, binom
from threadpoolctl import threadpool_limits

from expectations.tiers import SURELY
from tasks.guards.plan import Flags, Floats

TINY = 1e-9


def conformal_quantile(scores: Floats, level: float) -> float:
    """The ceil((n + 1) level)-th smallest score; infinite where there are too few to promise anything."""
    rank = int(np.ceil((len(scores) + 1) * level - 1e-9))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else float("inf")


def group_quantiles(scores: Floats, groups: npt.NDArray[Any], level: float) -> tuple[float, dict[Any, float]]:
    """(of the rest, {group: its own}): Mondrian (Vovk et al. 2005). Groups too small for a quantile are one rest.

    The rest's quantile is what an unseen group gets too; where the rest is too small for one, that of all rows.
    """
    own = {value: conformal_quantile(scores[groups == value], level) for value in _distinct(groups)}
    large = {value: quantile for value, quantile in own.items() if np.isfinite(quantile)}
    rest = conformal_quantile(scores[~np.isin(groups.astype(object), np.array(list(large), dtype=object))], level)
    return (rest if np.isfinite(rest) else conformal_quantile(scores, level)), large


def _distinct(groups: npt.NDArray[Any]) -> list[Any]:
    return sorted({value for value in groups.tolist() if value == value and value != ""})


def low_quantile(values: Floats, budget: float) -> float:
    """What at most this share of new values lies below: the floor((n + 1) budget)-th smallest, or nothing at all."""
    rank = int(np.floor((len(values) + 1) * budget + 1e-9))
    return float(np.sort(values)[rank - 1]) if rank >= 1 else float("-inf")


def unlikeliness(probabilities: Floats, actual: npt.NDArray[Any], classes: tuple[str, ...]) -> Floats:
    """1 - probability of the true class: the score of the least ambiguous sets (Sadinle, Lei, Wasserman 2019), the
    smallest on average of all with the same coverage. A label that training never saw is as unlikely as can be."""
    place = {label: at for at, label in enumerate(classes)}
    held = np.array([place.get(label, -1) for label in actual])
    chance = np.where(held >= 0, probabilities[np.arange(len(held)), np.maximum(held, 0)], -np.inf)
    return np.asarray(1 - chance, dtype=np.float64)


def clopper_pearson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The exact binomial interval (Clopper, Pearson 1934); [0, 1] of nothing."""
    if n == 0:
        return 0.0, 1.0
    rest = (1 - level) / 2
    low = float(beta.ppf(rest, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - rest, hits + 1, n - hits)) if hits < n else 1.0
    return low, high


def sure_excess(raised: Flags, budget: float, calibrated: int | None, surely: float = SURELY) -> float:
    """By how much more than its budget a limit surely lets happen, 0 where that may be chance.

    A limit from `calibrated` rows leaves floor((n + 1) budget) of n + 1 ranks beyond it, and its own share is random
    with a beta distribution (Vovk 2012), so counts are beta-binomial; of a limit that no row set (None), binomial. Who
    asks of many groups at once gives each a smaller `surely`.
    """
    hits, n = int(raised.sum()), len(raised)
    if not n or hits <= budget * n:
        return 0.0
    beyond = 0 if calibrated is None else int(np.floor((calibrated + 1) * budget + 1e-9))
    if calibrated is None or not beyond:
        chance = float(binom.sf(hits - 1, n, budget))
    else:
        chance = float(betabinom.sf(hits - 1, n, beyond, calibrated + 1 - beyond))
    return hits / n - budget if chance < surely else 0.0


def learn_spread(given: Floats, residuals: Floats) -> Any | None:
    """Where does the model err more? A boosted regression of log |residual|, as MAPIE's residual-normalised score.

    Learned from training rows, so that the calibration rows stay unseen. None where it would not make intervals at
    least 5 % narrower (told by cross-validation), or where training residuals say nothing, as those of a model that
    knows its rows by heart.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.model_selection import cross_val_predict

    size = np.abs(residuals)
    if len(size) < 100 or np.median(size) <= TINY * max(float(np.std(given[:, -1])), TINY):
        return None
    floor = float(np.quantile(size, 0.05)) + TINY
    target = np.log(np.maximum(size, floor))
    model = HistGradientBoostingRegressor(
        max_iter=40, max_leaf_nodes=6, learning_rate=0.1, min_samples_leaf=20, early_stopping=False, random_state=0
    )
    with threadpool_limits(1):
        spread = np.exp(cross_val_predict(model, given, target, cv=5))
        narrow, plain = np.quantile(size / spread, 0.9) * spread.mean(), np.quantile(size, 0.9)
        return model.fit(given, target) if narrow < 0.95 * plain else None
