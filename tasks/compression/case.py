"""What alternatives are made from, and what one alternative is."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd


@dataclass(frozen=True)
class Case:
    """A fitted candidate, and the rows that alternatives are fitted on.

    `features` and `target` are training rows only, the target as the candidate's own training saw it.
    """

    candidate: Any
    features: pd.DataFrame
    target: "pd.Series[Any]"
    seed: int = 0

    @property
    def classifies(self) -> bool:
        """Labels, not numbers."""
        return hasattr(self.candidate, "classes_")

    @cached_property
    def preprocessing(self) -> list[tuple[str, Any]]:
        """Fitted steps that make numbers of the features: the candidate's own, where it is a pipeline."""
        return _own_steps(self.candidate) or _sensible_steps(self.features)

    @cached_property
    def numbers(self) -> Any:
        """(n, k) dense or sparse: the features after preprocessing."""
        out: Any = self.features
        for _, step in self.preprocessing:
            out = step.transform(out)
        return out

    @cached_property
    def answers(self) -> Any:
        """(n,) numbers, or (n, classes) probabilities, that the candidate says of the features: what students learn."""
        if hasattr(self.candidate, "predict_proba"):
            return self.candidate.predict_proba(self.features)
        return self.candidate.predict(self.features)

    def refitted(self, features: pd.DataFrame, target: "pd.Series[Any]") -> "Case":
        """The case with the candidate fitted anew on other rows. Raises whatever its fit raises."""
        from sklearn.base import clone

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Case(clone(self.candidate).fit(features, target), features, target, self.seed)

    def prepared(self, features: pd.DataFrame, target: "pd.Series[Any]") -> "Case":
        """The case with only the preprocessing fitted anew; its candidate is still that of other rows."""
        from sklearn.base import clone

        other, out, steps = Case(self.candidate, features, target, self.seed), features, []
        for name, step in _own_steps(self.candidate):
            fitted = clone(step)
            out = fitted.fit_transform(out, target)
            steps.append((name, fitted))
        if steps:
            other.__dict__.update(preprocessing=steps, numbers=out)
        return other

    def repeated(self, rows: npt.NDArray[np.intp]) -> "Case":
        """The case with some of its rows, any of them several times; nothing is computed anew."""
        numbers = self.numbers.iloc[rows] if hasattr(self.numbers, "iloc") else self.numbers[rows]
        other = Case(self.candidate, self.features.iloc[rows], self.target.iloc[rows], self.seed)
        other.__dict__.update(preprocessing=self.preprocessing, numbers=numbers)
        return other

    def with_model(self, model: Any) -> Any:
        """A pipeline of the same preprocessing and a fitted model, or steps that end in one."""
        from sklearn.pipeline import Pipeline

        return Pipeline([*self.preprocessing, *(model.steps if isinstance(model, Pipeline) else [("model", model)])])

    def fit(self, model: Any, target: Any = None, weight: Any = None) -> Any:
        """The pipeline with `model` fitted on the numbers, quietly."""
        given = {} if weight is None else {"sample_weight": weight}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = model.fit(self.numbers, self.target if target is None else target, **given)
        return self.with_model(fitted)


@dataclass(frozen=True)
class Recipe:
    """One alternative: how it is called, whose idea it is, and how it is made.

    `make` takes a case and gives a fitted estimator; where it `needs_candidate`, the case's candidate counts and not
    only its preprocessing. `why_not` says why there is nothing to make.
    """

    name: str
    idea: str
    make: Callable[[Case], Any] | None = None
    needs_candidate: bool = True
    why_not: str = ""
    note: str = ""

    @property
    def is_baseline(self) -> bool:
        """Trained on the target itself, knowing nothing of the candidate."""
        return self.idea == "baseline"


def final_model(candidate: Any) -> tuple[Any, Callable[[Any], Any]]:
    """The model behind the preprocessing, and how to put another in its place: `rebuild(model)`, all else shared."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.pipeline import Pipeline

    if isinstance(candidate, Pipeline):
        inner, place = final_model(candidate.steps[-1][1])
        name = candidate.steps[-1][0]
        return inner, lambda model: Pipeline([*candidate.steps[:-1], (name, place(model))])
    if isinstance(candidate, TransformedTargetRegressor):
        inner, place = final_model(candidate.regressor_)
        return inner, lambda model: _with(candidate, regressor_=place(model))
    return candidate, lambda model: model


def _with(estimator: Any, **attributes: Any) -> Any:
    other = copy.copy(estimator)
    for name, value in attributes.items():
        setattr(other, name, value)
    return other


def _own_steps(candidate: Any) -> list[tuple[str, Any]]:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.pipeline import Pipeline

    if isinstance(candidate, TransformedTargetRegressor):
        return _own_steps(candidate.regressor_)
    if not isinstance(candidate, Pipeline):
        return []
    steps = [(name, step) for name, step in candidate.steps[:-1] if step != "passthrough"]
    return steps + _own_steps(candidate.steps[-1][1])


def _sensible_steps(features: pd.DataFrame) -> list[tuple[str, Any]]:
    """Numbers imputed and scaled, texts one-hot, for a candidate that has no steps of its own."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numeric = [name for name in features if pd.api.types.is_numeric_dtype(features[name])]
    texts = [name for name in features if name not in numeric]
    gaps = bool(features[numeric].isna().any().any())
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler()) if gaps else StandardScaler()
    one_hot = OneHotEncoder(handle_unknown="ignore", min_frequency=5)
    parts = [("numbers", scaled, numeric), ("texts", one_hot, texts)]
    columns = ColumnTransformer([part for part in parts if part[2]])
    return [("columns", columns.fit(features))]
