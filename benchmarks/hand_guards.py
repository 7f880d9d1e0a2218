"""A package's guards as one would write them around an estimator, in numpy and scikit-learn: the same answers.

Numbers only. The limits are the package's own; detector and spread are fitted by the functions that the package's
were fitted by, and kept as scikit-learn's models.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from infra.runtime import label_text
from tasks.guards.conformal import learn_spread
from tasks.guards.judged import SLACK
from tasks.guards.oddity import learn_oddity
from tasks.guards.plan import KINDS, Flags, Floats, Oddity

Answer = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class HandGuards:
    """`told` are the package's limits, from its metadata; `spread` is None where intervals are of one width."""

    pipeline: Any
    columns: list[str]
    low: Floats
    high: Floats
    typical: Floats
    odd: Oddity
    spread: Any | None
    told: dict[str, Any]

    def answers(self, frame: pd.DataFrame) -> Answer:
        """What the package answers, by the same names."""
        values = frame[self.columns].to_numpy(dtype=np.float64)
        missing = np.isnan(values)
        full = np.where(np.isfinite(values), values, self.typical)
        inside = np.clip(full, self.low, self.high)
        outside = (values < self.low) | (values > self.high)
        safe = pd.DataFrame(full, columns=self.columns)
        score = self._oddity(inside)
        said = self._labels(safe) if hasattr(self.pipeline, "classes_") else self._interval(safe, inside)
        no_limit = self.told["odd_above"] is None
        odd = np.zeros(len(score), dtype=bool) if no_limit else score > self.told["odd_above"] + SLACK
        found = [missing, outside, odd[:, None], said.pop("strange"), said.pop("unsure")]
        return {**said, "anomaly_score": score[:, None], **_reasons(found)}

    def _oddity(self, z: Floats) -> Floats:
        odd = self.odd
        return np.asarray(np.abs(z @ odd.weights + odd.shift) @ odd.slopes + odd.constant)

    def _interval(self, safe: pd.DataFrame, inside: Floats) -> Answer:
        said = self.pipeline.predict(safe)
        half = np.full(len(said), float(self.told["quantile"]))
        if self.spread is not None:
            half *= np.exp(self.spread.predict(np.column_stack([inside, said])))
        low, high = self.told["plausible"]
        wide = self.told["wider_than"]
        unsure = np.zeros(len(said), dtype=bool) if wide is None else half > wide / 2
        strange = ~((said >= low) & (said <= high))
        named = {"prediction": said, "lower": said - half, "upper": said + half, "strange": strange, "unsure": unsure}
        return {name: values[:, None] for name, values in named.items()}

    def _labels(self, safe: pd.DataFrame) -> Answer:
        if not hasattr(self.pipeline, "predict_proba"):
            none = np.zeros((len(safe), 1), dtype=bool)
            return {"prediction": self.pipeline.predict(safe)[:, None], "strange": none, "unsure": none}
        chances = self.pipeline.predict_proba(safe)
        return {
            "prediction": self.pipeline.classes_[chances.argmax(axis=1)][:, None],
            "probabilities": chances,
            "conformal_set": chances >= 1 - SLACK - self.told["quantile"],
            "strange": ~(np.abs(chances.sum(axis=1, keepdims=True) - 1) <= 1e-3),
            "unsure": chances.max(axis=1, keepdims=True) < self.told["probability_below"] - SLACK,
        }


def guard_by_hand(pipeline: Any, train: pd.DataFrame, target: Floats, told: dict[str, Any]) -> HandGuards:
    """Around a fitted pipeline, with the limits that its package tells as `guards`."""
    z = train.to_numpy(dtype=np.float64)
    low, high = np.array([told["intervals"][name] for name in train.columns]).T
    typical, spread = np.quantile(z, 0.5, axis=0, method="lower"), None
    if told["conformal"] == "normalised residual":
        said = pipeline.predict(train)
        spread = learn_spread(np.column_stack([z, said]), target - said)
    odd = learn_oddity(z)
    assert odd is not None
    return HandGuards(pipeline, list(train.columns), low, high, typical, odd, spread, told)


def _reasons(found: list[Flags]) -> Answer:
    """All that is said of missing, outside, odd, range and confidence, a matrix of flags each."""
    raised = dict(zip(("missing", "outside", "odd", "range", "confidence"), found, strict=True))
    by_kind = {kind: flags.any(axis=1, keepdims=True) for kind, flags in raised.items()}
    bits = sum(flags.astype(np.int64) << KINDS.index(kind) for kind, flags in by_kind.items())
    return {
        "flags": np.hstack(found),
        "in_domain": ~(by_kind["missing"] | by_kind["outside"]),
        "in_range": ~by_kind["range"],
        "confident": ~by_kind["confidence"],
        "trusted": np.asarray(bits == 0),
        "reasons": np.asarray(bits),
    }


def first_difference(by_hand: Answer, package: Answer) -> str | None:
    """The first output that is not the same in both: what is compared must do the same work."""
    if set(by_hand) != set(package):
        return f"only one of them has {', '.join(sorted(set(by_hand) ^ set(package)))}"
    return next((name for name in package if not _same(by_hand[name], package[name])), None)


def _same(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    if one.dtype == np.float64:
        return bool(np.allclose(one, other, rtol=1e-6, atol=1e-9))
    return one.shape == other.shape and bool((label_text(one.ravel()) == label_text(other.ravel())).all())
