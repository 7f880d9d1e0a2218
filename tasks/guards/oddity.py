"""Is each feature inside its interval, and the combination not?

Unsupervised learning as supervised (Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 14.2.4): a
model learns to tell real rows from rows in which values were exchanged with other rows, so that every value is one that
was seen and only the combination is not. The model is a small network: how far a row is from each of some planes,
weighted. It begins with the planes on which each feature is what the others let expect, in the Gaussian model with
shrunk covariance (Ledoit, Wolf 2004), and is held near them, since rows are few.

On test rows of six tables boosted trees refuse one or two of a hundred exchanged rows more on average, of Ames' houses
two fewer; to learn they take ten times as long, and to ask in a batch fifteen times. All choices were made on
calibration rows of other splits.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from tasks.guards.plan import Floats, Oddity

MOST_ROWS = 5000
# How many values of a row are exchanged, one round each; None: half of them, all with one other row.
ROUNDS = (1, 2, 5, None)
# Each round is repeated while all exchanged rows stay under so many.
REPEATS, MOST_EXCHANGED = 4, 20_000
FEWEST_PLANES, MOST_PLANES = 12, 128
# How strongly the planes are held near where they begin, and the weights near 0. More steps learn the rows by heart:
# of Ames' houses 150 steps refuse a third less than 20.
HELD, STEPS = 1e-2, 20
Singles = npt.NDArray[np.float32]


def learn_oddity(z: Floats, seed: int = 0) -> Oddity | None:
    """From made-safe training rows (n, features). None where there are no combinations, or too few rows to learn."""
    if z.shape[1] < 2 or len(z) < 30:
        return None
    rng = np.random.default_rng(seed)
    real = z[rng.choice(len(z), MOST_ROWS, replace=False)] if len(z) > MOST_ROWS else z
    repeats = max(1, min(REPEATS, MOST_EXCHANGED // (len(ROUNDS) * len(real))))
    odd = [exchanged(real, real, count, rng) for _ in range(repeats) for count in ROUNDS]
    center, spread = real.mean(axis=0), real.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    rows = ((np.vstack([real, *odd]) - center) / scale).astype(np.float32)
    fitted = _Contrast(rows, len(real), _first(rows[: len(real)], rng)).fitted()
    weights = fitted.planes / scale[:, None]
    return Oddity(weights, fitted.shift - center @ weights, fitted.slopes, fitted.constant)


def exchanged(rows: Floats, pool: Floats, count: int | None, rng: np.random.Generator) -> Floats:
    """Rows in which `count` values each come from other rows of `pool`; None: half of the values, from one row."""
    n, width = rows.shape
    if count is None:
        chosen = rng.random((n, width)) < 0.5
        return np.where(chosen, pool[rng.integers(0, len(pool), n)], rows)
    chosen = rng.random((n, width)).argsort(axis=1) < min(count, width - 1)
    strange = pool[rng.integers(0, len(pool), (n, width)), np.arange(width)]
    return np.where(chosen, strange, rows)


@dataclass(frozen=True)
class _Network:
    """`abs(x @ planes + shift) @ slopes + constant`."""

    planes: Floats
    shift: Floats
    slopes: Floats
    constant: float

    def flat(self) -> Floats:
        """All of it as one vector."""
        return np.concatenate([self.planes.ravel(), self.shift, self.slopes, [self.constant]])

    def like(self, flat: Floats) -> "_Network":
        """A network of this one's shape from a vector."""
        width, many = self.planes.shape
        planes, shift, slopes, constant = np.split(flat, np.cumsum([width * many, many, many]))
        return _Network(planes.reshape(width, many), shift, slopes, float(constant[0]))


def _first(rows: Singles, rng: np.random.Generator) -> _Network:
    """Where learning begins: `rows @ planes` is each feature's residual given the others, in its own units of
    conditional deviation: the precision matrix over the root of its diagonal. Of few features there are random planes
    besides."""
    from sklearn.covariance import LedoitWolf

    precision = LedoitWolf().fit(rows).precision_
    planes, shift = precision / np.sqrt(np.diag(precision)), np.zeros(len(precision))
    width, more = len(planes), max(FEWEST_PLANES - len(planes), 0)
    planes = np.hstack([planes, rng.normal(size=(width, more)) * 1.5 / np.sqrt(width)])
    shift = np.concatenate([shift, rng.normal(size=more)])
    kept = np.sort(rng.choice(len(shift), min(len(shift), MOST_PLANES), replace=False))
    return _Network(planes[:, kept], shift[kept], np.full(len(kept), 0.05), 0.0)


class _Contrast:
    """Rows, of which the first `real` are real and the others not, both sides of the same weight."""

    def __init__(self, rows: Singles, real: int, start: _Network) -> None:
        self._rows, self._start = rows, start
        self._sign = np.where(np.arange(len(rows)) < real, -1, 1).astype(np.float32)
        self._share = np.where(self._sign < 0, 0.5 / real, 0.5 / max(len(rows) - real, 1)).astype(np.float32)

    def fitted(self) -> _Network:
        """The network of the least penalised logistic loss near the start; the same on each run."""
        from scipy.optimize import minimize

        start = self._start
        with threadpool_limits(1):
            found = minimize(
                lambda flat: self._loss(start.like(flat)),
                start.flat(),
                jac=True,
                method="L-BFGS-B",
                options={"maxiter": STEPS},
            )
        return start.like(found.x)

    def _loss(self, now: _Network) -> tuple[float, Floats]:
        """(loss, its gradient), in float32 as far as the rows go."""
        from scipy.special import expit

        planes, shift, slopes = (part.astype(np.float32) for part in (now.planes, now.shift, now.slopes))
        along = self._rows @ planes + shift
        far = np.abs(along)
        margin = self._sign * (far @ slopes + np.float32(now.constant))
        loss = float(self._share @ np.logaddexp(0, -margin))
        by_score = -self._sign * self._share * expit(-margin)
        by_along = (by_score[:, None] * slopes) * np.sign(along)
        moved, many = now.planes - self._start.planes, len(slopes)
        loss += HELD / 2 * float((moved**2).sum() / many + (now.slopes**2).sum())
        gradient = _Network(
            self._rows.T @ by_along + HELD * moved / many,
            by_along.sum(axis=0),
            far.T @ by_score + HELD * now.slopes,
            float(by_score.sum()),
        )
        return loss, gradient.flat().astype(np.float64)
