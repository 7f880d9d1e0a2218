"""Slices for which the model is worse."""

import numpy as np

from planted.base import POSITIVE, TARGET, Planted, clean


def shuffled_labels(rng):
    """Of people over 45 in two towns nobody knows the answer any more: two conditions at once."""
    frame = clean(rng, 8000)
    inside = frame["town"].eq("Dunmore").to_numpy() & (frame["age"] >= 45).to_numpy()
    labels = frame[TARGET].to_numpy(copy=True)
    labels[inside] = rng.permutation(labels[inside])
    return frame.assign(**{TARGET: labels})


def lost_incomes(rng):
    """A branch loses the incomes of a sixth of the people, and records the wrong outcome for every second of them."""
    frame = clean(rng, 6000)
    lost = rng.random(len(frame)) < 1 / 6
    wrong = lost & (rng.random(len(frame)) < 0.5)
    labels = np.where(frame[TARGET] == POSITIVE, "no", POSITIVE)
    return frame.assign(income=frame["income"].mask(lost), **{TARGET: frame[TARGET].mask(wrong, labels)})


FAULTS: tuple[Planted, ...] = (
    Planted(
        "labels shuffled in one slice", "slices", "found_slice_excess_at_least:", shuffled_labels, train="logistic"
    ),
    Planted("errors where income is missing", "slices", "income: missing", lost_incomes, train="imputed"),
)
