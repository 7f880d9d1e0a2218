"""What do the answers hang on? Each column is shuffled among the records, and the package is asked again.

Permutation importance (Breiman 2001; model reliance: Fisher, Rudin, Dominici 2019). Shuffling makes records that
cannot be where columns go together, so what is told of one of two columns that hold the same is shared by chance.
"""

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from scipy.stats import norm

from expectations.tiers import SURELY
from infra.runtime import Predictions
from tasks.multiplicity import records_for_mean
from tasks.qualification.case import Case, Floats, chance_of
from tasks.qualification.codes import asked, codes_of
from tasks.quality import weights

# A share this much beyond its limit is what a tier cares about: of a limit of 0.8 a column with 0.9 of all.
SMALLEST = 0.1
WIDE = float(norm.ppf(0.975))


@dataclass(frozen=True)
class Reliance:
    """Of one package: `moved` (repeats, n, k) how far each answer moved, `lost` (n, k) by how much its loss rose."""

    names: tuple[str, ...]
    moved: Floats
    lost: Floats

    def by_record(self, names: tuple[str, ...]) -> Floats:
        """(n, len(names)) mean move over the repeats; a column that the package does not take moves nothing."""
        mean, place = self.moved.mean(axis=0), {name: at for at, name in enumerate(self.names)}
        nothing = np.zeros(len(mean))
        return np.column_stack([mean[:, place[name]] if name in place else nothing for name in names])

    @property
    def noise(self) -> float:
        """The share of all movement that changes hands between one half of the repeats and the other."""
        half = len(self.moved) // 2
        first, second = (shares(part.mean(axis=0).mean(axis=0)) for part in (self.moved[:half], self.moved[half:]))
        return float(np.abs(first - second).sum() / 2)


def measure_reliance(case: Case, repeats: int) -> Reliance:
    """Each column of `case.test` shuffled `repeats` times; the same shuffles for any package of the same rows."""
    codes = codes_of(case)
    cells = codes.encode(case.test)
    before = asked(case, codes, cells)
    bare = bounded_loss(case, before)
    names = tuple(column.name for column in codes.columns)
    moved = np.zeros((repeats, len(cells), len(names)))
    lost = np.zeros((len(cells), len(names)))
    for at, name in enumerate(names):
        for turn in range(repeats):
            shuffled = cells.copy()
            order = np.random.default_rng([case.seed, turn, crc32(name.encode())]).permutation(len(cells))
            shuffled[:, at] = cells[order, at]
            after = asked(case, codes, shuffled)
            moved[turn, :, at] = case.distance(before, after)
            lost[:, at] += (bounded_loss(case, after) - bare) / repeats
    return Reliance(names, moved, lost)


def bounded_loss(case: Case, said: Predictions) -> Floats:
    """(n,) squared error in variances of the target, or half the Brier score (0 to 1), or 1 for a wrong label.

    Not the log loss: one record that was surely wrong would outweigh all others.
    """
    if said.probabilities is None:
        return np.asarray(case.loss(case.actual, said) / case.scale**2)
    squares = (said.probabilities**2).sum(axis=1)
    return np.asarray((squares - 2 * chance_of(said, case.actual) + 1) / 2)


def shares(amounts: Floats) -> Floats:
    """(…, k) as shares of their sum; NaN where nothing moves."""
    total = amounts.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(amounts / np.where(total > 0, total, np.nan))


def share_errors(by_record: Floats) -> tuple[Floats, Floats]:
    """(k,) shares of all movement, and the standard deviation of what one record adds to each (delta method)."""
    found, mean = shares(by_record.mean(axis=0)), by_record.sum(axis=1).mean()
    if not mean > 0:
        return found, np.full(len(found), np.nan)
    influence = (by_record - found * by_record.sum(axis=1, keepdims=True)) / mean
    return found, influence.std(axis=0)


def sure_share(share: float, deviation: float, n: int, questions: int) -> float:
    """What the share surely is at least; one-sided, corrected for the number of questions asked."""
    return float(share - norm.ppf(1 - SURELY / max(questions, 1)) * deviation / np.sqrt(max(n, 1)))


def needed(deviation: float, power: float, least: int) -> int:
    """Records by which a share SMALLEST beyond its limit is found with this power."""
    return max(least, records_for_mean(SMALLEST, deviation, SURELY, power) if np.isfinite(deviation) else 0)


@dataclass(frozen=True)
class Shift:
    """Of two packages on the same records: the share of all movement that changed hands, with what chance makes of it.

    `sure`: what surely changed hands beyond `noise`, the share that changes hands when one package is asked twice.
    """

    share: float
    lower: float
    upper: float
    sure: float
    noise: float
    correlation: float


def measure_shift(one: Reliance, other: Reliance, seed: int) -> Shift:
    """Total variation between the two packages' shares; basic bootstrap over the records, paired."""
    from scipy.stats import spearmanr

    names = tuple(dict.fromkeys((*one.names, *other.names)))
    mine, theirs = one.by_record(names), other.by_record(names)
    drawn = weights(len(mine), seed, 400)
    moved = _apart(drawn @ mine, drawn @ theirs)
    share = float(_apart(mine.sum(axis=0), theirs.sum(axis=0)))
    noise = float(np.mean([one.noise, other.noise]))
    low, high = np.quantile(moved, [0.025, 0.975]) if np.isfinite(moved).all() else (np.nan, np.nan)
    # Chance only ever adds to a distance: turned round (basic bootstrap), so that it is taken off again.
    surely = 2 * share - float(np.quantile(moved, 1 - SURELY)) - noise
    rank = float(spearmanr(mine.mean(axis=0), theirs.mean(axis=0)).statistic) if len(names) > 2 else np.nan
    lower, upper = max(0.0, 2 * share - float(high)), max(share, 2 * share - float(low))
    return Shift(share, lower, upper, max(surely, 0.0), noise, rank)


def _apart(one: Floats, other: Floats) -> Floats:
    return np.asarray(np.abs(shares(one) - shares(other)).sum(axis=-1) / 2)
