"""What a caller gets of an answer: an attacker knows no more."""

import numpy as np

from expectations.serving_spec import Serving
from infra.runtime import Predictions
from tasks.qualification.matrix import Floats


def seen_by_callers(said: Predictions, serving: Serving) -> Predictions:
    """All of it, rounded, or the label alone, as the spec serves it. A number that goes alone is rounded too."""
    if serving.outputs == "all":
        return said
    values = said.values if said.classes else np.round(said.values, serving.decimals)
    if serving.outputs == "label" or said.probabilities is None:
        return Predictions(values, None, said.classes)
    return Predictions(values, np.round(said.probabilities, serving.decimals), said.classes)


def log_odds(said: Predictions) -> Floats:
    """(n, classes) centred log probabilities: what a copy is trained on. Of a rounded 0 as much as can be known."""
    assert said.probabilities is not None
    logs = np.log(np.clip(said.probabilities, 1e-3, 1.0))
    return np.asarray(logs - logs.mean(axis=1, keepdims=True))
