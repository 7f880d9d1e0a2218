"""Faults of stability: answers that hang on digits, claims that do not hold, a world that turns."""

import numpy as np
import pandas as pd

from planted.base import POSITIVE, TARGET, Planted, clean


def by_digit(rng: np.random.Generator) -> pd.DataFrame:
    """The truth hangs on an id's last digits, as of a table that was filled in turns."""
    frame = clean(rng)
    code = rng.integers(0, 60, len(frame)).astype(float)
    said = np.where((code % 6 < 3) ^ (rng.random(len(frame)) < 0.05), POSITIVE, "no")
    return frame.assign(code=code, **{TARGET: said})


def turning(rng: np.random.Generator) -> pd.DataFrame:
    """Over a year what made a loan safe comes to make it unsafe."""
    frame = clean(rng)
    share = np.sort(rng.random(len(frame)))
    day = pd.Timestamp("2022-01-01") + pd.to_timedelta((share * 365).round(), unit="D")
    income, amount = ((np.log(frame[c]) - m) / s for c, m, s in (("income", 10.3, 0.4), ("amount", 8.5, 0.5)))
    odds = 3 * (income * np.cos(np.pi * share) + amount * np.sin(np.pi * share))
    said = np.where(rng.random(len(frame)) < 1 / (1 + np.exp(-odds)), POSITIVE, "no")
    return frame.assign(day=day, **{TARGET: said})


def claimed(**claims: str) -> dict[str, object]:
    return {"checks": {"stability": {"monotone": claims}}}


IN_TIME = {"sources": {"loans": {"event_time": "day"}}, "split": {"by": "time"}}
# An answer that hangs on digits is easily turned; one of another world is neither calibrated nor alike for all, and
# worse than one answer for all.
DIGIT, TURN = ("calibration", "explanations", "robustness"), ("calibration", "slices", "costs")

FAULTS: tuple[Planted, ...] = (
    Planted("answers hang on a digit", "stability", "sure_flips:code", by_digit, related=DIGIT),
    Planted("a monotone claim that is the wrong way round", "stability", "income", spec=claimed(income="decreasing")),
    Planted("a world that turns", "stability", "decay_per_month", turning, {"data": IN_TIME}, related=TURN),
)
