"""An ensemble whose members are separate functions or files: each trained in a process of its own, on the same rows.

What is put together is scikit-learn's own voting model, with the members as they came: one candidate, as any other.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from expectations.candidate_spec import SKOPS, Candidate
from expectations.errors import CannotAsk
from infra import workshop
from infra.candidates import open_skops
from tasks.job import Job

# Side by side, and not all at once: each has the rows in memory.
AT_ONCE = 2


def train_ensemble(job: Job, rows: pd.DataFrame, out: Path, minutes: float) -> None:
    """Writes the voting model of `candidate.members`, trained on these rows, to `out` as skops.

    Raises CannotAsk where a member cannot vote with the others, naming it.
    """
    import skops.io

    origin, target, frame = job.spec.candidate, job.spec.data.target, out.with_name("frame.parquet")
    _expect_files(job)
    labels = None if job.spec.model.task == "regression" else rows[target].to_numpy()
    known = rows[target] if labels is None else places(labels)
    job.features(rows).assign(**{target: known}).to_parquet(frame, index=False)
    with ThreadPoolExecutor(AT_ONCE) as side_by_side:
        trained = side_by_side.map(lambda at: _member(job, at, frame, minutes), range(len(origin.members)))
        members = dict(zip(origin.members, trained, strict=True))
    skops.io.dump(put_together(members, origin, labels), out)


def _member(job: Job, at: int, frame: Path, minutes: float) -> Any:
    origin = job.spec.candidate
    given = list(origin.members.values())[at]
    if given.endswith(SKOPS):
        return open_skops(job.file.root / given, origin.trusted_types, given)
    made = frame.with_name(f"member-{at}.skops")
    # A seed of its own: members that draw from the global one must not draw the same.
    workshop.train(job.file.root, given, frame, job.spec.data.target, made, job.spec.seed + at, minutes)
    return open_skops(made, origin.trusted_types, given)


def places(labels: Any) -> Any:
    """(n,) int64: each label's place among the sorted ones, which is what scikit-learn's voting models train on."""
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _expect_files(job: Job) -> None:
    """Before any training."""
    for name, given in job.spec.candidate.members.items():
        if given.endswith(SKOPS) and not (path := job.file.root / given).is_file():
            raise CannotAsk(f"candidate.members.{name}: expected a model file at {path}, found none.")


def put_together(members: Mapping[str, Any], origin: Candidate, labels: Any | None) -> Any:
    """The voting model of trained members, of classes where there are `labels`: fitted, and nothing trained anew."""
    from sklearn.ensemble import VotingClassifier, VotingRegressor
    from sklearn.preprocessing import LabelEncoder
    from sklearn.utils import Bunch

    for name, member in members.items():
        _expect_vote(name, member, origin.vote, None if labels is None else len(np.unique(labels)))
    weights = [origin.weights.get(name, 1.0) for name in members] if origin.weights else None
    named = list(members.items())
    if labels is None:
        model = VotingRegressor(named, weights=weights)
    else:
        model = VotingClassifier(named, voting="soft" if origin.vote == "soft" else "hard", weights=weights)
        model.le_ = LabelEncoder().fit(labels)
        model.classes_ = model.le_.classes_
    model.estimators_, model.named_estimators_ = list(members.values()), Bunch(**members)
    return model


def _expect_vote(name: str, member: Any, vote: str, classes: int | None) -> None:
    known, kind, place = getattr(member, "classes_", None), type(member).__name__, f"candidate.members.{name}"
    if classes is None:
        if known is not None:
            raise CannotAsk(f"{place}: expected a regressor, found {kind}.")
    elif known is None or not _are_places(known, classes):
        found = kind if known is None else f"one that knows {', '.join(map(str, known))}"
        raise CannotAsk(
            f"{place}: expected a classifier of the classes' places, 0 to {classes - 1} in the order of their labels, "
            f"found {found}. Members are trained on places, as those of scikit-learn's VotingClassifier are."
        )
    elif vote == "soft" and not hasattr(member, "predict_proba"):
        raise CannotAsk(f"{place}: {kind} has no probabilities. Say candidate.vote: majority, or calibrate it.")


def _are_places(known: Any, classes: int) -> bool:
    """Truths are no places, though Python says that they equal 0 and 1."""
    return np.asarray(known).dtype.kind in "iu" and list(known) == list(range(classes))
