"""A clean loan table whose truth is known, and what a planted fault is.

Faults are planted on a made-up table, since of real data nobody knows what is wrong with it already.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from exposure import ANSWERS

TARGET, POSITIVE = "repaid", "yes"
TOWNS = ("Ashford", "Brookfield", "Clayton", "Dunmore", "Easton")
JOBS = ("clerk", "driver", "nurse", "teacher")
# A spec of tier 3 asks every check; `group` is protected and has no part in the truth.
SPEC: dict[str, Any] = {
    "model": {"name": "loans", "task": "binary", "owner": "owner@example.com", "positive": POSITIVE},
    "candidate": {"train": "train:boosting"},
    "data": {
        "target": TARGET,
        "sources": {"loans": {"path": "loans.parquet", "origin": "made for a test", "licence": "CC0-1.0"}},
        "roles": {"group": ["protected"], "term": ["actor_controlled"]},
    },
    # What applicants want is known, so only that is asked.
    "checks": {"gaming": {"favourable": "positive"}},
    "risk": {"tier": 3, "answers": ANSWERS},
}


def clean(rng: np.random.Generator, n: int = 4000) -> pd.DataFrame:
    """(n, 9) loans: four numbers and two categories decide, smoothly; `group` and `noise` do not."""
    return answered(loans(rng, n), rng)


def loans(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """(n, 8) the same without the answer."""
    return pd.DataFrame(
        {
            "income": rng.lognormal(10.3, 0.4, n).round(),
            "age": rng.integers(21, 70, n).astype(float),
            "amount": rng.lognormal(8.5, 0.5, n).round(),
            "term": rng.integers(1, 11, n) * 6.0,
            "town": rng.choice(TOWNS, n),
            "job": rng.choice(JOBS, n),
            "group": rng.choice(["a", "b"], n),
            "noise": rng.normal(size=n).round(3),
        }
    )


def answered(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """With the answer of each row, by what stands in it."""
    odds = (
        1.4 * (np.log(frame["income"]) - 10.3) / 0.4
        - 1.1 * (np.log(frame["amount"]) - 8.5) / 0.5
        + 0.02 * (frame["age"] - 45)
        + 0.6 * (frame["job"] == "teacher")
        - 0.5 * (frame["town"] == "Dunmore")
    )
    return frame.assign(**{TARGET: np.where(rng.random(len(frame)) < 1 / (1 + np.exp(-odds)), POSITIVE, "no")})


def clean_rents(rng: np.random.Generator, n: int = 4000) -> pd.DataFrame:
    """(n, 7) rents: size, age and town decide, smoothly and with noise; `group` and `noise` do not."""
    frame = pd.DataFrame(
        {
            "size": rng.normal(70, 18, n).clip(20, 150).round(1),
            "age": rng.integers(0, 90, n).astype(float),
            "town": rng.choice(TOWNS, n),
            "term": rng.integers(1, 11, n) * 6.0,
            "group": rng.choice(["a", "b"], n),
            "noise": rng.normal(size=n).round(3),
        }
    )
    told = 9 * frame["size"] - 1.5 * frame["age"] + 120 * (frame["town"] == "Dunmore") + 400
    return frame.assign(rent=(told + rng.normal(0, 60, n)).round(2))


RENTS: dict[str, Any] = {
    "model": {"task": "regression", "positive": None},
    "data": {"target": "rent"},
    "checks": {"gaming": {"favourable": "high"}},
}


@dataclass(frozen=True)
class Planted:
    """One fault. `table(rng)` gives the rows, `spec` is laid over `SPEC`, `train` names a function of `models`.

    The check `caught_by` must not let it through; of the others only those `related` may say anything against it.
    `says` is part of the name of an expectation that does. `files` lie beside the spec, by name.
    """

    name: str
    caught_by: str
    says: str
    table: Callable[[np.random.Generator], pd.DataFrame] = clean
    spec: Mapping[str, Any] = field(default_factory=dict)
    train: str = "boosting"
    related: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
