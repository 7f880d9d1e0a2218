"""Encoders of categories as tables: the fitted encoder itself is asked what each category becomes.

Missing text enters a graph as MISSING_TEXT, so a category that stands for missing (NaN, None) has that key. What the
encoder would refuse (handle_unknown="error") becomes NaN, or no category at all: one bad record must not fail its
batch, and the guards tell an unknown value.
"""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from infra.runtime import MISSING_TEXT
from tasks.conversion.converter import Converter
from tasks.conversion.ops import Ops, columns_converter
from tasks.conversion.writer import ML

UNSEEN = "\u0001 never seen"


def converters() -> list[Converter]:
    """One-hot, ordinal and target encoding."""
    from sklearn import preprocessing

    kinds = (preprocessing.OneHotEncoder, preprocessing.OrdinalEncoder, preprocessing.TargetEncoder)
    return [columns_converter(kind, _encode, lambda model: len(model.get_feature_names_out())) for kind in kinds]


def _encode(ops: Ops, model: Any, columns: list[tuple[str, bool]]) -> str:
    parts = []
    for (name, text), known, table in zip(columns, model.categories_, category_tables(model), strict=True):
        if table.shape[1]:
            parts.append(ops("Gather", table, ops("Reshape", _codes(ops, name, text, known), [-1]), axis=0))
    return ops("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


def category_tables(model: Any) -> list[npt.NDArray[np.float64]]:
    """What each category of each feature becomes, the last row for an unknown one: (categories + 1, outputs) each."""
    known, most = model.categories_, max(len(categories) for categories in model.categories_)
    refuses = getattr(model, "handle_unknown", "") == "error"
    asked = [
        [*categories, *[categories[0]] * (most - len(categories)), *([] if refuses else [_unseen(categories)])]
        for categories in known
    ]
    told = _transformed(model, asked)
    unknown = told[-1:]
    if refuses:
        unknown = np.full((1, told.shape[1]), 0.0 if hasattr(model, "_n_features_outs") else np.nan)
    return [
        np.vstack([told[: len(categories)], unknown])[:, _outputs(model, place)]
        for place, categories in enumerate(known)
    ]


def _outputs(model: Any, place: int) -> slice:
    """Which outputs come from one feature: encoders keep features in their order."""
    if hasattr(model, "_n_features_outs"):
        ends = np.cumsum(model._n_features_outs)
        return slice(int(ends[place] - model._n_features_outs[place]), int(ends[place]))
    width = len(model.get_feature_names_out()) // len(model.categories_)
    return slice(place * width, (place + 1) * width)


def _transformed(model: Any, asked: list[list[Any]]) -> npt.NDArray[np.float64]:
    """What the encoder makes of columns of values."""
    columns = [
        pd.Series(values, dtype=known.dtype if known.dtype.kind in "OU" else None)
        for values, known in zip(asked, model.categories_, strict=True)
    ]
    names = getattr(model, "feature_names_in_", range(len(columns)))
    frame = pd.DataFrame(dict(zip(names, columns, strict=True)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = model.transform(frame if hasattr(model, "feature_names_in_") else frame.to_numpy())
    return np.asarray(told.toarray() if hasattr(told, "toarray") else told, dtype=np.float64)


def _unseen(known: npt.NDArray[Any]) -> Any:
    if known.dtype.kind in "OU":
        return UNSEEN
    numbers = known.astype(np.float64)
    numbers = numbers[np.isfinite(numbers)]
    value = float(np.floor(numbers.max()) + 1) if len(numbers) else 0.0
    return value if known.dtype.kind == "f" else int(value)


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def _codes(ops: Ops, name: str, text: bool, known: npt.NDArray[Any]) -> str:
    """The place of each value among the categories, their count where it is none of them: int64 (n, 1)."""
    if text:
        keys = [MISSING_TEXT if _is_missing(value) else value for value in known.tolist()]
        if not all(isinstance(key, str) for key in keys):
            raise NotImplementedError("a text column's categories are no texts; make texts of them before training.")
        if len(set(keys)) < len(keys):
            raise NotImplementedError("empty text and missing are two categories, and one in ONNX; make them one.")
        places = list(range(len(keys)))
        return ops("LabelEncoder", name, domain=ML, keys_strings=keys, values_int64s=places, default_int64=len(keys))
    if any(isinstance(value, str) for value in known.tolist()):
        raise NotImplementedError("a column enters as numbers, but its encoder was trained on texts.")
    numbers = np.array([np.nan if _is_missing(value) else float(value) for value in known.tolist()])
    hits = ops("Equal", name, numbers[None])
    if np.isnan(numbers).any():
        hits = ops("Or", hits, ops("And", ops("IsNaN", name), np.isnan(numbers)[None]))
    found = ops("Cast", hits, to=7)
    last = ops("Sub", 1, ops("ReduceMax", found, [1], keepdims=1))
    return ops("ArgMax", ops("Concat", found, last, axis=1), axis=1, keepdims=1)
