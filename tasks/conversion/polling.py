"""What each member of an ensemble says: of the trained estimator, and of the graph. Each counts as one, whatever its
weight in the vote."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from infra.runtime import Predictions, label_text
from tasks.conversion.voting import ensemble_of, member_names, vote_of

Floats = npt.NDArray[np.float64]


def poll(estimator: Any, frame: pd.DataFrame) -> dict[str, Predictions]:
    """Each member's answers by its name; nothing of a candidate that is no ensemble."""
    model = ensemble_of(estimator)
    if model is None:
        return {}
    given, classes = before(estimator, frame), tuple(label_text(getattr(model, "classes_", ())))
    said = {}
    for name, member in zip(member_names(model), model.estimators_, strict=True):
        if vote_of(model) == "soft":
            said[name] = of_shares(np.asarray(member.predict_proba(given), dtype=np.float64), classes)
        else:
            said[name] = of_numbers(np.asarray(member.predict(given)).reshape(-1), classes)
    return said


def before(estimator: Any, frame: pd.DataFrame) -> Any:
    """What the voting model is given: the rows behind the steps that stand before it."""
    from sklearn.pipeline import Pipeline

    if hasattr(estimator, "best_estimator_"):
        return before(estimator.best_estimator_, frame)
    if not isinstance(estimator, Pipeline):
        return frame
    given: Any = frame
    for _, step in estimator.steps[:-1]:
        given = given if step is None or step == "passthrough" else step.transform(given)
    return before(estimator.steps[-1][1], given)


def polled_answers(
    told: Mapping[str, Any], members: npt.NDArray[Any], classes: tuple[str, ...]
) -> dict[str, Predictions]:
    """The same of a graph's output `members`, (n, members) or of a soft vote (n, members × classes), by what its
    signature tells of it."""
    names, table = told["names"], members.astype(np.float64)
    if told["vote"] == "soft":
        parts = np.split(table, len(names), axis=1)
        return {name: of_shares(part, classes) for name, part in zip(names, parts, strict=True)}
    return {name: of_numbers(table[:, at], classes) for at, name in enumerate(names)}


def of_shares(shares: Floats, classes: tuple[str, ...]) -> Predictions:
    """A member's probabilities (n, classes), and the first of the most probable as its label."""
    return Predictions(np.array(classes, dtype=object)[shares.argmax(axis=1)], shares, classes)


def of_numbers(said: npt.NDArray[Any], classes: tuple[str, ...]) -> Predictions:
    """A member's numbers, or labels from the places of the classes, (n,)."""
    if not classes:
        return Predictions(said.astype(np.float64))
    return Predictions(np.array(classes, dtype=object)[said.astype(np.int64)], None, classes)


def disagreement_of(said: Mapping[str, Predictions], vote: Predictions) -> Floats:
    """(n,) how far apart the members are. Of numbers the greatest less the least, in the target's unit; of a majority
    the share of members that say something else than the vote; of a soft vote the mean total-variation distance of
    their probabilities from the vote's."""
    each = list(said.values())
    if not vote.classes:
        values = np.column_stack([one.values for one in each]).astype(np.float64)
        return np.asarray(values.max(axis=1) - values.min(axis=1))
    if vote.probabilities is None:
        return np.asarray(np.mean([one.values != vote.values for one in each], axis=0))
    shares = np.stack([one.distance() for one in each])
    return np.asarray(np.abs(shares - vote.probabilities).sum(axis=2).mean(axis=0) / 2)
