"""Is a feature too good to be true: does it tell the answer alone, and better than all others together?

Leakage of the target into a feature (Kaufman, Rosset, Perlich 2012). Learned on training rows, told on test rows.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.tiers import SURELY
from tasks.qualification.areas import area, sure_area
from tasks.qualification.case import Case, sampled
from tasks.qualification.matrix import Encoding, Flags, Floats
from tasks.qualification.stand_in import Goal, stand_in

MOST_TRAIN, MOST_TEST = 5_000, 5_000
ALONE_ROUNDS, ALONE_RATE, RESAMPLES = 15, 0.3, 400
# Only a feature that tells so much is compared with all others together.
REMARKABLE = 0.9
Row = tuple[str, float, float, float, int, int]


def alone_rows(case: Case, encoding: Encoding, known_strong: tuple[str, ...]) -> list[Row]:
    """`alone:<feature>`: the area under the ROC curve (the mean over classes), or R², of a model of this feature only,
    with its interval. `surely_too_good:<feature>`: what that surely is at least, where it is surely more than that of
    a model without any such feature; else 0. `alone_of_gaps`: of a model that sees only which cells are missing."""
    asked = _Question(case)
    features = [name for name in encoding.names if name not in known_strong]
    chance = SURELY / max(len(features), 1)
    told = {name: asked.told(encoding.only(name), ALONE_ROUNDS, ALONE_RATE) for name in features}
    found = {name: asked.worth(one, chance) for name, one in told.items()}
    strong = [name for name, (value, *_, surely) in found.items() if value > REMARKABLE and np.isfinite(surely)]
    rest = asked.worth(asked.told(encoding.without(*strong), 60, 0.1), chance)[2] if strong else np.nan
    rows: list[Row] = []
    for name, (value, low, high, surely) in found.items():
        beyond = surely if name in strong and surely > rest else 0.0
        rows += [
            (f"alone:{name}", value, low, high, asked.n, 0),
            (f"surely_too_good:{name}", beyond, np.nan, np.nan, asked.n, 0),
        ]
    return [*rows, *asked.gaps(chance)]


class _Question:
    """The truth of some training and test rows, and models of parts of their features."""

    def __init__(self, case: Case) -> None:
        train = sampled(case.train.assign(**{_TARGET: case.truth(case.known)}), MOST_TRAIN, case.seed)
        self._train, self._test = train.drop(columns=_TARGET), case.test.head(MOST_TEST)
        self._classes = sorted(set(train[_TARGET].astype(str))) if case.classifies else []
        self._goal = Goal(self._places(train[_TARGET].to_numpy()), len(self._classes))
        self._truth = self._places(case.actual[:MOST_TEST])
        self.n = len(self._test)

    def _places(self, truth: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if not self._classes:
            return truth.astype(np.float64)
        place = {label: at for at, label in enumerate(self._classes)}
        return np.array([place.get(str(label), -1) for label in truth], dtype=np.int64)

    def told(self, encoding: Encoding, rounds: int, rate: float) -> Floats:
        """What a model of these columns says of the test rows."""
        matrices = encoding.trees(self._train), encoding.trees(self._test)
        return self._said(*matrices, encoding.categorical, rounds, rate)

    def _said(self, train: Floats, test: Floats, categorical: Flags, rounds: int, rate: float) -> Floats:
        return stand_in(train, self._goal, categorical, rounds, rate).says(test)

    def worth(self, told: Floats, chance: float) -> tuple[float, float, float, float]:
        """(worth, its 95 % interval, what it surely is at least)."""
        return self._areas(told, chance) if self._classes else self._r2(told[:, 0], chance)

    def _areas(self, told: Floats, chance: float) -> tuple[float, float, float, float]:
        classes = range(1, 2) if len(self._classes) == 2 else range(len(self._classes))
        groups = [(told[self._truth == at, at], told[(self._truth != at), at]) for at in classes]
        groups = [(yes, no) for yes, no in groups if len(yes) and len(no)]
        if not groups:
            return (np.nan,) * 4
        found = [(*area(yes, no), sure_area(area(yes, no)[0], len(yes), len(no), chance)) for yes, no in groups]
        value, low, high, surely = np.mean(found, axis=0)
        return float(value), float(low), float(high), float(surely)

    def _r2(self, told: Floats, chance: float) -> tuple[float, float, float, float]:
        if len(told) < 2:
            return (np.nan,) * 4
        residual = (self._truth - told) ** 2
        draws = np.random.default_rng(0).multinomial(len(told), np.full(len(told), 1 / len(told)), size=RESAMPLES)
        w = np.vstack([np.ones(len(told)), draws])
        mean = w @ self._truth / len(told)
        spread = w @ self._truth**2 / len(told) - mean**2
        with np.errstate(divide="ignore", invalid="ignore"):
            values = 1 - (w @ residual) / len(told) / spread
        if not np.isfinite(values).all():
            return (np.nan,) * 4
        low, high = np.quantile(values[1:], [0.025, 0.975])
        return float(values[0]), float(low), float(high), float(np.quantile(values[1:], max(chance, 1 / RESAMPLES)))

    def gaps(self, chance: float) -> list[Row]:
        """What a model is worth that sees only which cells are missing; nothing where none is."""
        holed = [name for name in self._train.columns if self._train[name].isna().any()]
        if not holed:
            return []
        train, test = (frame[holed].isna().to_numpy(dtype=np.float64) for frame in (self._train, self._test))
        said = self._said(train, test, np.zeros(len(holed), dtype=bool), ALONE_ROUNDS, ALONE_RATE)
        value, low, high, surely = self.worth(said, chance)
        rows: list[Row] = [("alone_of_gaps", value, low, high, self.n, 0)]
        return [*rows, ("surely_alone_of_gaps", max(surely, 0.0), np.nan, np.nan, self.n, 0)]


_TARGET = "the target, under a name that no column has"


def too_good(rows: list[Row], limit: float) -> pd.DataFrame:
    """The features, the most telling first: what each is worth alone."""
    found = [(name.removeprefix("alone:"), value) for name, value, *_ in rows if name.startswith("alone:")]
    table = pd.DataFrame(found, columns=["feature", "worth_alone"])
    return table[table["worth_alone"] >= limit].sort_values("worth_alone", ascending=False, kind="stable")
