"""Models that say more than they know, and groups in which a promise does not hold."""

import numpy as np

from planted.base import POSITIVE, TARGET, Planted, clean


def told_again(rng):
    """The same two numbers under five names each: naive Bayes counts them five times."""
    frame = clean(rng)
    copies = {f"{name}_{k}": frame[name] * k for name in ("income", "amount") for k in range(2, 6)}
    return frame.assign(**copies)[[*clean(np.random.default_rng(0), 1).columns[:-1], *copies, TARGET]].assign(
        **{TARGET: frame[TARGET]}
    )


def lost_town(rng):
    """In one town half of the labels are turned; a linear model cannot know that it knows nothing there."""
    frame = clean(rng, 6000)
    turned = frame["town"].eq("Easton").to_numpy() & (rng.random(len(frame)) < 0.5)
    return frame.assign(**{TARGET: frame[TARGET].mask(turned, np.where(frame[TARGET] == POSITIVE, "no", POSITIVE))})


# Where all that it counts twice says the same, it is wrong by more than elsewhere.
TOO_SURE = ("slices",)
# So it knows its training rows by heart, and turns with the least noise.
BY_HEART = ("leakage", "robustness", "stability", "gaming")

FAULTS: tuple[Planted, ...] = (
    Planted(
        "naive Bayes that counts twice",
        "calibration",
        "calibration_error_at_least",
        told_again,
        train="bayes",
        related=TOO_SURE,
    ),
    Planted(
        "a tree grown to the last leaf",
        "calibration",
        "calibration_error_at_least",
        train="deep_tree",
        related=BY_HEART,
    ),
    Planted(
        "coverage lost in one town",
        "calibration",
        "coverage_shortfall:town=Easton",
        lost_town,
        spec={"checks": {"calibration": {"groups": ["town"]}}},
        train="logistic",
        related=("slices",),
    ),
)
