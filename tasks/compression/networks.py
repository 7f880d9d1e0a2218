"""Pruning of a multilayer perceptron: small weights to zero, or whole units away."""

import copy
import warnings
from typing import Any

import numpy as np

from tasks.compression.case import Case, Recipe, final_model

KEPT_UNITS, KEPT_WEIGHTS = 0.5, 0.5
EPOCHS = 30


def recipes(case: Case) -> list[Recipe]:
    """Half of the units, half of the weights; nothing where the candidate is no perceptron."""
    model, _ = final_model(case.candidate)
    if not hasattr(model, "coefs_"):
        return [Recipe("pruned network", "pruned network", why_not=f"{type(model).__name__} is no perceptron")]
    zeros = "zeros are stored as they are: no smaller file, no faster"
    return [
        Recipe("half of the units", "pruned network", fewer_units, note=f"trained on for at most {EPOCHS} epochs"),
        Recipe("half of the weights", "pruned network", fewer_weights, note=zeros),
    ]


def fewer_weights(case: Case) -> Any:
    """The smaller half of each layer's weights becomes zero (Han and others 2015), without training on."""
    model, rebuild = final_model(case.candidate)
    pruned = copy.deepcopy(model)
    for layer in pruned.coefs_:
        layer[np.abs(layer) < np.quantile(np.abs(layer), 1 - KEPT_WEIGHTS)] = 0
    return rebuild(pruned)


def fewer_units(case: Case) -> Any:
    """Units whose weights in and out weigh least go; then it is trained on, from what it is."""
    model, rebuild = final_model(case.candidate)
    pruned = copy.deepcopy(model)
    sizes = []
    for at in range(len(pruned.coefs_) - 1):
        weight = np.linalg.norm(pruned.coefs_[at], axis=0) * np.linalg.norm(pruned.coefs_[at + 1], axis=1)
        kept = np.sort(np.argsort(-weight, kind="stable")[: max(1, round(KEPT_UNITS * len(weight)))])
        pruned.coefs_[at], pruned.intercepts_[at] = pruned.coefs_[at][:, kept], pruned.intercepts_[at][kept]
        pruned.coefs_[at + 1] = pruned.coefs_[at + 1][kept]
        sizes.append(len(kept))
    pruned.set_params(hidden_layer_sizes=tuple(sizes), warm_start=True, max_iter=EPOCHS, early_stopping=False)
    target: Any = case.target
    if hasattr(case.candidate, "transformer_"):
        target = np.ravel(case.candidate.transformer_.transform(np.asarray(target).reshape(-1, 1)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rebuild(pruned.fit(case.numbers, target))
