"""Cases for tests of the qualification: a real package of a small model, and its rows."""

import pandas as pd
from guarded import guarded

from expectations.tiers import TIERS
from tasks.qualification.case import Case


def case(estimator, parts, target, *, tier=2, roles=None, positive=None, seed=0, asked=None):
    """The guarded package of an estimator, trained on the first of (train, calibration, test), and its case."""
    train, _, test = (part.reset_index(drop=True) for part in parts)
    package, _, _ = guarded(estimator, parts, target, asked)
    return Case(
        scorer=package,
        train=train.drop(columns=target),
        known=train[target],
        test=test.drop(columns=target),
        target=test[target],
        candidate=lambda: estimator,
        positive=positive,
        roles=roles or {},
        tier=TIERS[tier],
        seed=seed,
    )


def parted(frame: pd.DataFrame, train=0.6, calibration=0.15):
    """(train, calibration, test) of a frame, in its order."""
    ends = [int(len(frame) * train), int(len(frame) * (train + calibration))]
    return frame.iloc[: ends[0]], frame.iloc[ends[0] : ends[1]], frame.iloc[ends[1] :]


def values(evidence):
    """The metrics by their name."""
    return evidence.metrics.set_index("metric")
