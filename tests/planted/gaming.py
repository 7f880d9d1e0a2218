"""Models that people can play by changing only what is in their control."""

import numpy as np

from planted.base import POSITIVE, TARGET, Planted, clean


def term_decides(rng):
    """Short loans are repaid and long ones are not, nearly whatever else: who asks for a shorter one gets it."""
    frame = clean(rng)
    odds = 0.15 * (30 - frame["term"]) + 0.5 * (np.log(frame["income"]) - 10.3) / 0.4
    return frame.assign(**{TARGET: np.where(rng.random(len(frame)) < 1 / (1 + np.exp(-odds)), POSITIVE, "no")})


def both_decide(rng):
    """Only the shortest term together with one of ten offers is surely repaid: each alone helps few."""
    frame = clean(rng)
    offer = rng.choice([f"offer {number}" for number in range(10)], len(frame))
    good = (frame["term"] <= 6) & (offer == "offer 0")
    # Often enough to be learned.
    both = rng.random(len(frame)) < 0.25
    frame["term"], offer = np.where(both, 6.0, frame["term"]), np.where(both, "offer 0", offer)
    good |= both
    answer = np.where(good ^ (rng.random(len(frame)) < 0.06), POSITIVE, "no")
    return frame.assign(offer=offer, **{TARGET: answer})


FAULTS = (
    Planted(
        "the term that people choose decides",
        "gaming",
        "surely_crosses_by_gaming:yes",
        term_decides,
        related=("explanations",),
    ),
    Planted(
        "two columns that people choose decide together",
        "gaming",
        "surely_crosses_by_gaming:yes",
        both_decide,
        {"data": {"roles": {"offer": ["actor_controlled"]}}},
        related=("explanations", "slices", "calibration"),
    ),
)
