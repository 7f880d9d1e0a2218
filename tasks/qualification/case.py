"""What most checks of the qualification ask about: one package, and rows that training saw and did not see."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.tiers import TIERS, Tier
from infra.runtime import Predictions, Scorer, estimator_predictions, joined_predictions, label_text
from tasks.check import TEST, TRAIN, Subject
from tasks.job import Job
from tasks.qualification.columns import Column, columns_of

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ask = Callable[[pd.DataFrame], Predictions]
# Beyond this many rows a check asks of a sample, and its facts say so.
MOST_TEST, MOST_TRAIN = 20_000, 50_000
BATCH = 10_000
TINY = 1e-15


@dataclass(frozen=True)
class Case:
    """One package and its rows.

    `train` (m, k) and `test` (n, k) are features as a caller sends them, frozen look-ups beside them; `known` (m,) and
    `target` (n,) their truth as the table holds it. `train_beside` and `test_beside` are the same rows' columns that
    the model is not given. `candidate` gives the trained estimator, for checks that train it again. `sampled` says what
    was left out, in words; empty where all rows are here.
    """

    scorer: Scorer
    train: pd.DataFrame
    known: "pd.Series[Any]"
    test: pd.DataFrame
    target: "pd.Series[Any]"
    candidate: Callable[[], Any]
    positive: str | None = None
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tier: Tier = TIERS[2]
    seed: int = 0
    sampled: str = ""
    train_beside: pd.DataFrame = field(default_factory=pd.DataFrame)
    test_beside: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def classifies(self) -> bool:
        """Labels, not numbers."""
        return bool(self.scorer.signature["classes"])

    @cached_property
    def columns(self) -> list[Column]:
        """What a caller sends, as training knew it."""
        return columns_of(self.train, self.scorer.sent, self.roles)

    @cached_property
    def actual(self) -> npt.NDArray[Any]:
        """(n,) the truth of `test`: label texts, or float64."""
        return self.truth(self.target)

    @cached_property
    def said(self) -> Predictions:
        """What the package says of `test`."""
        return self.ask(self.test)

    @cached_property
    def scale(self) -> float:
        """Of a regression: the standard deviation of the target in training, in its unit. Of classes: 1."""
        return 1.0 if self.classifies else float(self.known.std()) or 1.0

    def truth(self, target: "pd.Series[Any]") -> npt.NDArray[Any]:
        """(n,) label texts, or float64."""
        return label_text(target) if self.classifies else target.to_numpy(dtype=np.float64)

    def ask(self, frame: pd.DataFrame) -> Predictions:
        """What the package says of each row, in batches, so that memory stays small."""
        parts = [frame.iloc[at : at + BATCH] for at in range(0, max(len(frame), 1), BATCH)]
        return joined_predictions([self.scorer.score(part) for part in parts])

    def trusted(self, frame: pd.DataFrame) -> Flags:
        """(n,) would a caller be told to trust the answer? All of a package without guards."""
        answer = self.scorer.answers(frame)
        return np.asarray(answer["trusted"][:, 0]) if "trusted" in answer else np.ones(len(frame), dtype=bool)

    def loss(self, actual: npt.NDArray[Any], said: Predictions) -> Floats:
        """(n,) squared error, or log loss, or 1 for a wrong label where there are no probabilities."""
        if not said.classes:
            return np.asarray((said.values - actual) ** 2, dtype=np.float64)
        if said.probabilities is None:
            return np.asarray(said.values != actual, dtype=np.float64)
        return np.asarray(-np.log(np.clip(chance_of(said, actual), TINY, 1.0)))

    def error(self, actual: npt.NDArray[Any], said: Predictions) -> Floats:
        """(n,) absolute error, or 1 for a wrong label."""
        if not said.classes:
            return np.asarray(np.abs(said.values - actual), dtype=np.float64)
        return np.asarray(said.values != actual, dtype=np.float64)

    def score(self, said: Predictions) -> Floats:
        """(n,) the one number that decides: the prediction, P(positive), or the greatest probability of many."""
        if not said.classes:
            return np.asarray(said.values, dtype=np.float64)
        if said.probabilities is None:
            return np.asarray(said.values == (self.positive or said.classes[-1]), dtype=np.float64)
        if self.positive is not None:
            return np.asarray(said.probabilities[:, said.classes.index(self.positive)])
        return np.asarray(said.probabilities.max(axis=1))

    def distance(self, one: Predictions, other: Predictions) -> Floats:
        """(n,) how far two answers are apart: in standard deviations of the target, or as total variation (0 to 1)."""
        if not one.classes:
            return np.asarray(np.abs(one.values - other.values) / self.scale, dtype=np.float64)
        if one.probabilities is None or other.probabilities is None:
            return np.asarray(one.values != other.values, dtype=np.float64)
        return np.asarray(np.abs(one.probabilities - other.probabilities).sum(axis=1) / 2)

    def refitted(self, features: pd.DataFrame, target: "pd.Series[Any]") -> Ask:
        """The candidate's kind trained anew on other rows; what it says. Raises whatever its fit raises."""
        from sklearn.base import clone

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = clone(self.candidate()).fit(features, target)
        return lambda frame: estimator_predictions(model, frame)

    def smaller(self, test: int) -> "Case":
        """The case with at most so many test rows, drawn by the seed; `sampled` says so."""
        if len(self.test) <= test:
            return self
        rows = np.sort(np.random.default_rng(self.seed).choice(len(self.test), test, replace=False))
        told = f"{test:,} of {len(self.test):,} test rows, drawn by chance"
        beside = _rows(self.test_beside, rows) if len(self.test_beside.columns) else self.test_beside
        return replace(
            self, test=_rows(self.test, rows), target=_rows(self.target, rows), test_beside=beside, sampled=told
        )


def chance_of(said: Predictions, labels: npt.NDArray[Any]) -> Floats:
    """(n,) the probability that each answer gave to a label; 0 for one that training never saw."""
    assert said.probabilities is not None
    place = {label: at for at, label in enumerate(said.classes)}
    at = np.array([place.get(label, -1) for label in labels], dtype=np.int64)
    return np.where(at >= 0, said.probabilities[np.arange(len(at)), np.maximum(at, 0)], 0.0)


def case_of(subject: Subject) -> Case:
    """The case of a release; samples of very large parts."""
    job = subject.job
    train, test = subject.part(TRAIN), subject.part(TEST)
    told = [
        f"{most:,} of {len(rows):,} {name} rows, drawn by chance"
        for rows, most, name in ((train, MOST_TRAIN, "training"), (test, MOST_TEST, "test"))
        if len(rows) > most
    ]
    train, test = sampled(train, MOST_TRAIN, job.spec.seed), sampled(test, MOST_TEST, job.spec.seed)
    target = job.spec.data.target
    return Case(
        scorer=subject.scorer(),
        train=job.features(train),
        known=train[target],
        test=job.features(test),
        target=test[target],
        candidate=subject.candidate,
        positive=job.positive,
        roles=job.spec.data.roles,
        tier=job.tier,
        seed=job.spec.seed,
        sampled="; ".join(told),
        train_beside=_beside(train, job),
        test_beside=_beside(test, job),
    )


def _beside(rows: pd.DataFrame, job: Job) -> pd.DataFrame:
    """What the table holds besides features and target."""
    return rows.drop(columns=[*job.features(rows).columns, job.spec.data.target])


def sampled(rows: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """All rows, or so many drawn by the seed: the same ones of any table that has as many rows."""
    if len(rows) <= most:
        return rows
    drawn: pd.DataFrame = _rows(rows, np.sort(np.random.default_rng(seed).choice(len(rows), most, replace=False)))
    return drawn


def _rows(table: Any, rows: npt.NDArray[np.int64]) -> Any:
    return table.iloc[rows].reset_index(drop=True)
