"""Faults that provoking records bring to light."""

import numpy as np
import pandas as pd

from planted.base import Planted, clean


def mixed_units(rng: np.random.Generator) -> pd.DataFrame:
    """One income in twenty came in thousandths, so that training saw every income a thousand times too large."""
    frame = clean(rng)
    wrong = rng.random(len(frame)) < 0.05
    return frame.assign(income=frame["income"].where(~wrong, frame["income"] * 1000))


def declared(**expect: object) -> dict[str, object]:
    rows = [{"income": 8000, "amount": 20000}, {"income": 9000, "amount": 25000}]
    sets = [{"name": "poor and a large loan", "rows": rows, "fill": True, "expect": expect}]
    return {"checks": {"scenarios": {"sets": sets}}}


FAULTS: tuple[Planted, ...] = (
    Planted(
        "units mixed in training",
        "scenarios",
        "sure_swapped:income",
        mixed_units,
        train="forest",
    ),
    Planted(
        "a declared label does not come", "scenarios", "scenario:poor", spec=declared(label="yes"), train="logistic"
    ),
    Planted(
        "a declared chance does not come",
        "scenarios",
        "scenario:poor",
        spec=declared(between=[0.4, 1]),
        train="logistic",
    ),
    Planted(
        "a refusal that does not come",
        "scenarios",
        "scenario:usual",
        train="logistic",
        spec={
            "checks": {
                "scenarios": {"sets": [{"name": "usual", "rows": [{"age": 40}], "fill": True, "expect": "refuse"}]}
            }
        },
    ),
)
