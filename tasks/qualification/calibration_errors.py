"""How far probabilities are from what happens, so that chance alone raises no alarm."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm

from tasks.guards.conformal import clopper_pearson
from tasks.qualification.case import Case, Flags, Floats

NAN = float("nan")
# Probabilities are held between these before their logarithm is taken.
EDGE = 1e-3
# Where chance leads both halves astray in the same way, both seem right: their errors are correlated by at most 2 / pi,
# the square of the mean of |z|.
CROSSED = float(np.sqrt(1 + 2 / np.pi))
IN_BIN, FEWEST = 25, 20


@dataclass(frozen=True)
class Claims:
    """What was claimed of each record and what came: `said` (n,) a probability, or a prediction in standard deviations
    of the target from its mean in training; `came` (n,) 1 or 0, or the truth in the same unit; `about` in words.

    `known` says of each test row whether it is among them."""

    said: Floats
    came: Floats
    about: str
    known: Flags
    chances: bool = True

    @property
    def off(self) -> Floats:
        """(n,) what came less what was said; its mean is 0 among records of which the same was said."""
        return self.came - self.said


def claims_of(case: Case) -> Claims | None:
    """Binary: the chance of the positive label; of many classes, of the label that was said; numbers: themselves.

    None of a classifier without probabilities. Rows whose truth is missing are left out.
    """
    said, actual = case.said, case.actual
    if not case.classifies:
        known = np.isfinite(actual) & np.isfinite(said.values)
        middle, scale = float(case.known.mean()), case.scale
        return Claims(
            (said.values[known] - middle) / scale, (actual[known] - middle) / scale, "the prediction", known, False
        )
    if said.probabilities is None:
        return None
    chance = case.score(said)
    came = actual == case.positive if case.positive is not None else said.values == actual
    about = f"the chance of {case.positive}" if case.positive is not None else "the chance that the answer is right"
    return Claims(chance, np.asarray(came, dtype=np.float64), about, np.ones(len(chance), dtype=bool))


@dataclass(frozen=True)
class Estimate:
    """A value and its standard error."""

    value: float
    error: float

    def ends(self, level: float = 0.025) -> tuple[float, float]:
        half = float(norm.isf(level)) * self.error
        return self.value - half, self.value + half


def error_of(claims: Claims, seed: int) -> Estimate:
    """The mean distance between what is said and what then comes, E|E[came | said] - said|.

    By its dual form: E[(came - said) w(said)] is never more, whatever witness w within [-1, 1] (Błasiok, Gopalan, Hu,
    Nakkiran 2023). Each half of the records gets the witness that the other half suggests: the sign of an isotonic
    recalibration. So a calibrated model comes to 0 on average, where the usual binned error of it is above 0.
    """
    from sklearn.isotonic import IsotonicRegression

    n = len(claims.said)
    if n < FEWEST:
        return Estimate(NAN, NAN)
    half = np.random.default_rng(seed).permutation(n) % 2 == 0
    seen = np.zeros(n)
    for learn, ask in ((half, ~half), (~half, half)):
        again = IsotonicRegression(out_of_bounds="clip").fit(claims.said[learn], claims.came[learn])
        seen[ask] = claims.off[ask] * np.sign(again.predict(claims.said[ask]) - claims.said[ask])
    return Estimate(float(seen.mean()), float(CROSSED * seen.std(ddof=1) / np.sqrt(n)))


def recalibration(claims: Claims) -> tuple[Estimate, Estimate] | None:
    """(intercept, slope) of what came on what was said, both as log odds where they are chances (Cox 1958): 0 and 1
    where said is what comes; a slope below 1 means too sure of itself. None where it cannot be fitted."""
    x = logit(np.clip(claims.said, EDGE, 1 - EDGE)) if claims.chances else claims.said
    if len(x) < FEWEST or np.ptp(x) < 1e-9 or np.ptp(claims.came) == 0:
        return None
    design = np.column_stack([np.ones(len(x)), x])
    found = _logistic(design, claims.came) if claims.chances else _linear(design, claims.came)
    if found is None:
        return None
    values, covariance = found
    errors = np.sqrt(np.maximum(np.diag(covariance), 0))
    return Estimate(float(values[0]), float(errors[0])), Estimate(float(values[1]), float(errors[1]))


def _logistic(design: Floats, came: Floats) -> tuple[Floats, Floats] | None:
    """Newton's steps; None where they do not settle, as of classes that are told apart without an error."""
    at = np.zeros(2)
    for _ in range(50):
        chance = expit(design @ at)
        weights = np.maximum(chance * (1 - chance), 1e-9)
        hessian = design.T @ (design * weights[:, None])
        step = np.linalg.lstsq(hessian, design.T @ (came - chance), rcond=None)[0]
        at = at + step
        if np.abs(step).max() < 1e-8:
            return at, np.linalg.pinv(hessian)
    return None


def _linear(design: Floats, came: Floats) -> tuple[Floats, Floats]:
    """Least squares, its errors robust against unequal spread (White 1980)."""
    bread = np.linalg.pinv(design.T @ design)
    at = bread @ design.T @ came
    left = (came - design @ at) ** 2
    return at, bread @ (design.T @ (design * left[:, None])) @ bread


def spiegelhalter(claims: Claims) -> float:
    """The p-value that the chances are right (Spiegelhalter 1986); NaN where they are all 0, 1 or one half."""
    p, weight = claims.said, 1 - 2 * claims.said
    spread = np.sqrt((weight**2 * p * (1 - p)).sum())
    return float(2 * norm.sf(abs((claims.off * weight).sum() / spread))) if spread > 0 else NAN


def reliability(claims: Claims, bins: int) -> pd.DataFrame:
    """What was said and what came, in bins of equally many records, with 95 % intervals."""
    count = max(1, min(bins, len(claims.said) // IN_BIN))
    rows = []
    for part in np.array_split(np.argsort(claims.said, kind="stable"), count):
        came = claims.came[part]
        if not len(part):
            continue
        if claims.chances:
            lower, upper = clopper_pearson(int(came.sum()), len(part))
        else:
            half = 1.96 * came.std() / np.sqrt(len(part))
            lower, upper = came.mean() - half, came.mean() + half
        row = {"said": claims.said[part].mean(), "came": came.mean(), "lower": lower, "upper": upper}
        rows.append({"table": "reliability", "n": len(part), **row})
    return pd.DataFrame(rows)


def unbiased_square_error(table: pd.DataFrame, claims: Claims) -> float:
    """The root of the mean squared distance over the bins, less what chance adds (Kumar, Liang, Ma 2019); 0
    where chance explains it all."""
    if table.empty:
        return NAN
    n = table["n"].to_numpy(dtype=np.float64)
    off = (table["came"] - table["said"]).to_numpy(dtype=np.float64)
    parts = np.array_split(np.argsort(claims.said, kind="stable"), len(table))
    chance = np.array([claims.off[part].var(ddof=1) / len(part) if len(part) > 1 else NAN for part in parts])
    return float(np.sqrt(max(0.0, float((n * (off**2 - chance)).sum() / n.sum()))))
