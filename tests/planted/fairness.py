"""Groups that are treated worse, and features that tell who is in them."""

import numpy as np

from planted.base import POSITIVE, TARGET, Planted, clean


def harsh_labels(rng):
    """Every second of group b who repaid is recorded as if they had not."""
    frame = clean(rng, 6000)
    harsh = frame["group"].eq("b").to_numpy() & (rng.random(len(frame)) < 0.5)
    return frame.assign(**{TARGET: frame[TARGET].mask(harsh, "no")})


def turned_labels(rng):
    """Of group b half of the labels are turned: nobody can know them, so the model errs more there."""
    frame = clean(rng, 6000)
    turned = frame["group"].eq("b").to_numpy() & (rng.random(len(frame)) < 0.5)
    return frame.assign(**{TARGET: frame[TARGET].mask(turned, np.where(frame[TARGET] == POSITIVE, "no", POSITIVE))})


def with_card(frame, rng):
    """A shop card that nearly all of one group have, and few of the other."""
    same = rng.random(len(frame)) < 0.94
    return frame.assign(card=np.where(frame["group"].eq("a").to_numpy() == same, "gold", "blue"))


def proxy(rng):
    return with_card(clean(rng), rng)


def harsh_through_a_proxy(rng):
    return with_card(harsh_labels(rng), rng)


FAULTS: tuple[Planted, ...] = (
    # A model that was taught that a group is another one hangs on the group.
    Planted("a group recorded more harshly", "fairness", "gap_at_least:group", harsh_labels, related=("explanations",)),
    Planted(
        "labels turned in one group",
        "fairness",
        "gap_at_least:group",
        turned_labels,
        related=("slices", "explanations"),
    ),
    Planted("a proxy of the protected attribute", "fairness", "proxy_auc_at_least:group", proxy),
    Planted(
        "a model that knows the group by its card alone",
        "fairness",
        "gap_at_least:group",
        harsh_through_a_proxy,
        spec={"data": {"ignore": ["group"]}},
    ),
)
