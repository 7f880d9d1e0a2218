"""A world that changes: who asks for a loan, what is measured of them, and who pays back."""

from pathlib import Path

import numpy as np
import pandas as pd

TARGET = "Status"
# What the feature store holds: the last loans whose end is known.
KEPT = 1_000
Frame = pd.DataFrame


def population(records: float, rows: int = 1_100) -> Frame:
    """Real loans, each once, so that this share of the people have a record of not paying."""
    loans = pd.read_parquet(Path(__file__).parent / "credit" / "loans.parquet").drop(columns=["Age", "Marital"])
    had = loans["Records"] == "yes"
    some = [loans[had].sample(round(records * rows), random_state=7)]
    some.append(loans[~had].sample(rows - len(some[0]), random_state=int(100 * records)))
    return pd.concat(some).sample(frac=1, random_state=7).reset_index(drop=True)


def in_cents(loans: Frame) -> Frame:
    """The incomes come in another unit from now on: an upstream team changed it and told nobody."""
    return loans.assign(Income=loans["Income"] * 100)


def turned(loans: Frame) -> Frame:
    """Whoever paid back does not any more, and the other way round."""
    return loans.assign(Status=loans[TARGET].map({"good": "bad", "bad": "good"}))


class FeatureStore:
    """The table that a release takes its rows from: a Parquet file, replaced whole as loans come to their end."""

    def __init__(self, path: Path, first: Frame) -> None:
        self._path = path
        # As if each had come to its end a second after the one before, until now.
        times = pd.date_range(end=_now(), periods=KEPT, freq="s")
        self._rows, self._at = first.head(KEPT).assign(Known_On=times), 0
        self._write()

    def add(self, loans: Frame, count: int) -> None:
        """The next of these loans came to their end just now."""
        some = loans.iloc[(self._at + np.arange(count)) % len(loans)]
        self._at += count
        self._rows = pd.concat([self._rows, some.assign(Known_On=_now())]).tail(KEPT)
        self._write()

    def _write(self) -> None:
        beside = self._path.with_suffix(".new")
        self._rows.to_parquet(beside, index=False)
        beside.replace(self._path)


def _now() -> pd.Timestamp:
    return pd.Timestamp.now("UTC").tz_localize(None).floor("s")
