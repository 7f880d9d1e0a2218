"""Models whose answers hang on what they should not hang on."""

import numpy as np

from planted.base import POSITIVE, TARGET, Planted, clean


def group_decides(rng):
    """Members of group `a` are repaid for far more often, whatever else they are."""
    frame = clean(rng)
    odds = np.where(frame["group"] == "a", 1.2, -1.2) + (np.log(frame["income"]) - 10.3) / 0.4
    return frame.assign(**{TARGET: np.where(rng.random(len(frame)) < 1 / (1 + np.exp(-odds)), POSITIVE, "no")})


def leaked(rng):
    """`stage` is written after the fact: it nearly is the answer."""
    frame = clean(rng)
    told = (frame[TARGET] == POSITIVE) ^ (rng.random(len(frame)) < 0.02)
    return frame.assign(stage=np.where(told, 2.0, 1.0) + rng.normal(0, 0.1, len(frame)).round(3))


FAULTS = (
    Planted(
        "the answers hang on a protected attribute",
        "explanations",
        "surely_relies_on:group",
        group_decides,
        related=("fairness", "slices", "leakage"),
    ),
    Planted(
        "one leaked column holds nearly all importance",
        "explanations",
        "surely_concentrated",
        leaked,
        related=("leakage", "stability"),
    ),
)
