"""Slices for which the model is worse."""

import numpy as np

from planted.base import POSITIVE, TARGET, Planted, clean


def shuffled_labels(rng):
    """Of people from 35 on in one town nobody knows the answer any more: two conditions at once."""
    frame = clean(rng, 8000)
    inside = frame["town"].eq("Dunmore").to_numpy() & (frame["age"] >= 35).to_numpy()
    labels = frame[TARGET].to_numpy(copy=True)
    labels[inside] = rng.permutation(labels[inside])
    return frame.assign(**{TARGET: labels})


def lost_incomes(rng):
    """A branch with an eighth of the people records no incomes, and codes the outcome the other way round."""
    frame = clean(rng, 8000)
    lost = rng.random(len(frame)) < 1 / 8
    labels = np.where(frame[TARGET] == POSITIVE, "no", POSITIVE)
    return frame.assign(income=frame["income"].mask(lost), **{TARGET: frame[TARGET].mask(lost, labels)})


FAULTS: tuple[Planted, ...] = (
    Planted(
        "labels shuffled in one slice", "slices", "found_slice_excess_at_least:", shuffled_labels, train="logistic"
    ),
    Planted("errors where income is missing", "slices", "income: missing", lost_incomes, train="imputed"),
)
