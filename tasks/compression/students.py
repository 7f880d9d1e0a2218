"""Distillation: a small student that learns what the candidate answers, not what happened.

Hinton, Vinyals and Dean (2015); soft labels as weights: a record stands once for each class, weighted by the
candidate's probability of it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tasks.compression.baselines import Learner, linear, small_boosting, small_tree
from tasks.compression.case import Case, Recipe, final_model

LEAST_WEIGHT = 0.01


def recipes(case: Case) -> list[Recipe]:
    """A tree, small boosting, and a linear one unless the candidate is linear."""
    learners: dict[str, Learner] = {"one tree": small_tree, "small boosting": small_boosting}
    if not hasattr(final_model(case.candidate)[0], "coef_"):
        learners["linear"] = linear
    return [Recipe(f"distilled: {name}", "distilled", _taught(learner)) for name, learner in learners.items()]


def _taught(learner: Learner) -> Callable[[Case], Any]:
    def make(case: Case) -> Any:
        if not case.classifies or case.answers.ndim == 1:
            return learner(case, case.answers)
        rows, classes = np.nonzero(case.answers > LEAST_WEIGHT)
        weight = case.answers[rows, classes]
        return learner(case.repeated(rows), case.candidate.classes_[classes], weight)

    return make
