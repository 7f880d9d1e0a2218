"""How much hangs on one source of training rows, and is the model better without it?"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from expectations.tiers import SURELY
from infra.runtime import Predictions
from tasks.qualification.areas import deviation_of_mean, mean_interval
from tasks.qualification.case import Ask, Case, Floats
from tasks.qualification.matrix import Encoding
from tasks.qualification.stand_in import goal_of, stand_in

Names = npt.NDArray[Any]
Fit = Callable[[pd.DataFrame, "pd.Series[Any]"], Ask]
Row = tuple[str, float, float, float, int, int]
TRIAL, MOST_ROWS, LEAST_SHARE = 500, 10_000, 0.5


@dataclass(frozen=True)
class Teacher:
    """What is trained again and again: `fit`, on at most `rows` rows; `words` say what it is."""

    fit: Fit
    rows: int
    words: str


def teacher_of(case: Case, encoding: Encoding, fits: int, cpu_seconds: float) -> Teacher:
    """The candidate's kind where the budget is enough for half of the rows, otherwise a stand-in.

    The budget is CPU time, told from one training on 500 rows and taken to grow with the rows.
    """
    most = min(len(case.train), MOST_ROWS)
    began = time.process_time()
    try:
        case.refitted(case.train.head(TRIAL), case.known.head(TRIAL))
    except Exception:  # noqa: BLE001  A stranger's estimator may raise anything at all; a stand-in takes its place.
        return _stand_in(case, encoding, most, "the candidate's kind could not be trained again")
    spent = max(time.process_time() - began, 1e-4)
    affordable = min(TRIAL, len(case.train)) * (cpu_seconds / fits) / spent
    if affordable < LEAST_SHARE * most:
        return _stand_in(case, encoding, most, f"{fits} trainings of the candidate's kind take over {cpu_seconds:g} s")
    rows = most if affordable >= most else most // 2
    return Teacher(case.refitted, rows, f"the candidate's kind, on {rows:,} of {len(case.train):,} training rows")


def _stand_in(case: Case, encoding: Encoding, rows: int, why: str) -> Teacher:
    def fit(features: pd.DataFrame, target: "pd.Series[Any]") -> Ask:
        goal, labels = goal_of(case.truth(target), case.classifies)
        model = stand_in(encoding.trees(features), goal, encoding.categorical)

        def ask(frame: pd.DataFrame) -> Predictions:
            told = model.says(encoding.trees(frame))
            if not labels:
                return Predictions(told[:, 0])
            return Predictions(np.array(labels, dtype=object)[told.argmax(axis=1)], told, labels)

        return ask

    return Teacher(fit, rows, f"a stand-in (gradient boosting) on {rows:,} of {len(case.train):,} rows, since {why}")


def influence_rows(
    case: Case, teacher: Teacher, sources: Iterable[str], of_train: Names, of_test: Names
) -> tuple[list[Row], list[str]]:
    """For each source what its loss and its lie would do, on the test rows of the *other* sources, and what failed.

    A source's own test rows may be as wrong as its training rows. `better_without`: the share of the loss that goes
    when its training rows go, with a paired interval; `surely_better_without`: what surely goes at least;
    `worse_if_flipped`: how much is added when its labels are turned round.
    """
    names = list(sources)
    chosen = np.random.default_rng(case.seed).permutation(len(case.train))[: teacher.rows]
    features, target = case.train.iloc[chosen], case.known.iloc[chosen]
    mine_of = of_train[chosen]
    base = case.loss(case.actual, teacher.fit(features, target)(case.test))
    rows: list[Row] = []
    failed: list[str] = []
    for name in names:
        mine, others = mine_of == name, of_test != name
        try:
            without = teacher.fit(features[~mine], target[~mine])(case.test)
            lied = teacher.fit(features, flipped(target, mine, case.classifies))(case.test)
        except Exception as error:  # noqa: BLE001  A stranger's estimator may raise anything at all.
            failed.append(f"{name}: {type(error).__name__}: {str(error)[:120]}")
            rows.append((f"surely_better_without:{name}", np.nan, np.nan, np.nan, int(others.sum()), 0))
            continue
        left, turned = case.loss(case.actual, without)[others], case.loss(case.actual, lied)[others]
        rows += _of_source(name, base[others], left, turned, SURELY / len(names))
    return rows, failed


def _of_source(name: str, base: Floats, without: Floats, lied: Floats, chance: float) -> list[Row]:
    n, whole = len(base), float(base.mean()) if len(base) else np.nan
    if n < 2 or not whole > 0:
        return [(f"surely_better_without:{name}", np.nan, np.nan, np.nan, n, 0)]
    gain, harm = (base - without) / whole, (lied - base) / whole
    surely = float(gain.mean() - norm.ppf(1 - chance) * deviation_of_mean(gain))
    return [
        (f"better_without:{name}", *mean_interval(gain), n, 0),
        (f"surely_better_without:{name}", max(0.0, surely), np.nan, np.nan, n, 0),
        (f"worse_if_flipped:{name}", *mean_interval(harm), n, 0),
    ]


def flipped(target: "pd.Series[Any]", mine: npt.NDArray[np.bool_], classifies: bool) -> "pd.Series[Any]":
    """The target with some rows' values turned round: labels to the next one, numbers about their median."""
    turned = target.copy()
    if not classifies:
        turned = turned.astype(np.float64)
        turned[mine] = 2 * float(target.median()) - target[mine]
        return turned
    labels = sorted(target.unique().tolist(), key=str)
    following = dict(zip(labels, [*labels[1:], labels[0]], strict=True))
    turned[mine] = target[mine].map(following)
    return turned
