"""Alternatives made, converted and proven, for as long as the budget lasts."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from infra.runtime import Scorer
from tasks.compression import baselines, graphs, networks, students, trees
from tasks.compression.case import Case, Recipe
from tasks.conversion.export import export
from tasks.conversion.trials import on_rows
from tasks.convert import CannotConvert, convert
from tasks.parity import furthest, measure_parity

# The cheap and telling ones first: what the budget leaves out is at the end.
IDEAS = (baselines.recipes, trees.recipes, students.recipes, networks.recipes)
MEASURED, NOT_APPLICABLE, FAILED, LEFT_OUT = "measured", "not applicable", "cannot be made", "left out for time"


class Budget:
    """CPU seconds of this process from now on."""

    def __init__(self, seconds: float) -> None:
        self._end = time.process_time() + seconds

    def left(self) -> float:
        """What is left of it, 0 at least."""
        return max(0.0, self._end - time.process_time())


@dataclass(frozen=True)
class Made:
    """An alternative with its graph, and how far that is from its estimator, or from its teacher where it has none."""

    recipe: Recipe
    status: str
    reason: str = ""
    estimator: Any = None
    graph: bytes = b""
    label_mismatches: float = 0.0
    max_difference: float = 0.0
    cpu_s: float = 0.0

    def proven(self, tolerance: float) -> bool:
        """Is its graph its estimator, record by record?"""
        return bool(self.graph) and self.label_mismatches == 0 and self.max_difference <= tolerance


def make_all(case: Case, graph: bytes, proof: pd.DataFrame, name: str, tolerance: float, budget: Budget) -> list[Made]:
    """All that apply to the candidate whose graph is `graph`; `proof` are the records that each is proven on."""
    found = [recipe for idea in IDEAS for recipe in idea(case)]
    made = [_made(recipe, case, proof, name, tolerance, budget) for recipe in found]
    made += _of_the_graph(case, graph, proof, name, tolerance, budget)
    return [*made, *(_made(recipe, case, proof, name, tolerance, budget) for recipe in trees.refits(case))]


def _made(recipe: Recipe, case: Case, proof: pd.DataFrame, name: str, tolerance: float, budget: Budget) -> Made:
    if recipe.make is None:
        return Made(recipe, NOT_APPLICABLE, recipe.why_not)
    if not budget.left():
        return _late(recipe)
    began = time.process_time()
    try:
        estimator = recipe.make(case)
    except Exception as error:  # noqa: BLE001  A refit may raise anything; the others go on.
        return Made(recipe, FAILED, f"{type(error).__name__}: {_short(error)}")
    spent = time.process_time() - began
    try:
        # Thresholds are tried of the one that is recommended only: placing them costs more than all the rest.
        graph, evidence = convert(estimator, proof, name, tolerance, on_rows(estimator, proof))
    except CannotConvert as error:
        return Made(recipe, FAILED, _short(error), estimator, cpu_s=spent)
    return replace(_proven(recipe, graph, evidence), estimator=estimator, cpu_s=spent)


def _proven(recipe: Recipe, graph: bytes, evidence: Any) -> Made:
    mismatches, far = furthest(evidence)
    return Made(recipe, MEASURED, graph=graph, label_mismatches=mismatches, max_difference=far)


def fully_proven(one: Made, proof: pd.DataFrame, name: str, tolerance: float) -> Made:
    """The same estimator, converted again and held against every trial: thresholds, missing values, texts."""
    try:
        graph, evidence = convert(one.estimator, proof, name, tolerance)
    except CannotConvert as error:
        return replace(one, label_mismatches=float("inf"), reason=_short(error))
    mismatches, far = furthest(evidence)
    return replace(one, graph=graph, label_mismatches=mismatches, max_difference=far)


def _of_the_graph(
    case: Case, graph: bytes, proof: pd.DataFrame, name: str, tolerance: float, budget: Budget
) -> list[Made]:
    """Not estimators but other graphs of the candidate; it is the teacher that they are held against."""
    in_float: Callable[[], bytes] = lambda: export(case.candidate, proof, name, "float")  # noqa: E731
    ideas = [
        (Recipe("int8 weights", "quantised", note="held against the candidate"), lambda: graphs.quantised(in_float())),
        (Recipe("optimised graph", "optimised", note="held against the candidate"), lambda: graphs.optimised(graph)),
    ]
    return [_changed(recipe, change, case, proof, tolerance, budget) for recipe, change in ideas]


def _changed(
    recipe: Recipe, change: Callable[[], bytes], case: Case, proof: pd.DataFrame, tolerance: float, budget: Budget
) -> Made:
    if not budget.left():
        return _late(recipe)
    try:
        graph = change()
        evidence = measure_parity(on_rows(case.candidate, proof), Scorer(graph).score(proof), tolerance)
    except graphs.NothingToDo as error:
        return Made(recipe, NOT_APPLICABLE, str(error))
    except Exception as error:  # noqa: BLE001  onnx and onnxruntime raise anything.
        return Made(recipe, FAILED, f"{type(error).__name__}: {_short(error)}")
    return _proven(recipe, graph, evidence)


def _late(recipe: Recipe) -> Made:
    return Made(recipe, LEFT_OUT, "the budget was spent: raise compression.cpu_seconds")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
