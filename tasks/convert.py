"""Is the exported model the model that was trained?"""

import json
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.errors import CannotAsk
from expectations.records import Evidence, metric_rows
from infra.runtime import SIGNATURE_KEY, Predictions, Scorer, estimator_predictions, label_text
from tasks.converters import own_converters

OPSETS = {"": 21, "ai.onnx.ml": 3}
# These cast what they are given to float32 by themselves, so the cast can stand before them without any change.
TREES = ("DecisionTree", "ExtraTree", "ExtraTrees", "RandomForest", "GradientBoosting")
ATTEMPTS = ("double, cast before trees", "double", "native types", "float")


class CannotConvert(CannotAsk):
    """No attempt gave a graph: a no, with its reasons."""


def convert(estimator: Any, frame: pd.DataFrame, name: str, tolerance: float) -> tuple[bytes, Evidence]:
    """The graph nearest to the estimator, and how near: every row of `frame` scored by both.

    Tries several precisions; the first within `tolerance` is taken, else the nearest. Raises CannotConvert where
    none converts, with the reason.
    """
    trained = estimator_predictions(estimator, frame)
    best: tuple[bytes, Evidence] | None = None
    reasons: list[str] = []
    for attempt in ATTEMPTS:
        try:
            graph = export(estimator, frame, name, attempt)
            evidence = measure_parity(trained, Scorer(graph).score(frame), attempt, len(graph))
        except Exception as error:  # noqa: BLE001  The converter raises anything, megabytes of it.
            reasons.append(f"{attempt}: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
            continue
        if best is None or _distance(evidence) < _distance(best[1]):
            best = graph, evidence
        if _distance(best[1]) <= (0, tolerance):
            break
    if best is None:
        raise CannotConvert(f"{type(estimator).__name__} cannot be converted to ONNX. Tried: " + "; ".join(reasons))
    return best[0], Evidence("conversion", best[1].metrics, best[1].records, {**best[1].facts, "refused": reasons})


def _distance(evidence: Evidence) -> tuple[float, float]:
    values = evidence.metrics.set_index("metric")["value"]
    return float(values["label_mismatches"]), float(values["max_difference"])


def export(estimator: Any, frame: pd.DataFrame, name: str, attempt: str) -> bytes:
    """One attempt: the ONNX graph with the names and types of the columns in its metadata."""
    from skl2onnx import convert_sklearn

    kinds = {column: input_kind(frame[column], attempt) for column in frame.columns}
    model = _with_columns(estimator, frame)
    model = _cast_before_trees(model) if attempt.startswith("double, cast") else model
    options = {"zipmap": False} if hasattr(estimator, "classes_") else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = convert_sklearn(
            model,
            initial_types=_initial_types(kinds),
            target_opset=OPSETS,
            options=options,
            name=name,
            **own_converters(),
        )
    signature = {
        "inputs": [
            {"column": c, "input": i.name, "type": kinds[c]} for c, i in zip(kinds, graph.graph.input, strict=True)
        ],
        "classes": list(estimator_classes(estimator)),
    }
    # The converter gathers the opsets in a set; in one order the same model gives the same bytes.
    opsets = sorted(graph.opset_import, key=lambda opset: opset.domain)
    del graph.opset_import[:]
    graph.opset_import.extend(opsets)
    entry = graph.metadata_props.add()
    entry.key, entry.value = SIGNATURE_KEY, json.dumps(signature, sort_keys=True)
    return bytes(graph.SerializeToString(deterministic=True))


def estimator_classes(estimator: Any) -> tuple[str, ...]:
    """A classifier's labels as text, none for a regressor."""
    return tuple(label_text(estimator.classes_)) if hasattr(estimator, "classes_") else ()


def input_kind(column: "pd.Series[Any]", attempt: str) -> str:
    """How a column enters the graph: string, int64, float or double. Raises CannotAsk for times."""
    if pd.api.types.is_datetime64_any_dtype(column):
        raise CannotAsk(f"{column.name} is a time: no graph takes one. Put it in data.ignore, or make numbers of it.")
    if not pd.api.types.is_numeric_dtype(column):
        return "string"
    if attempt == "native types" and not pd.api.types.is_float_dtype(column):
        return "int64"
    return "float" if attempt == "float" else "double"


def _initial_types(kinds: dict[str, str]) -> list[tuple[str, Any]]:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType

    types = {"string": StringTensorType, "int64": Int64TensorType, "float": FloatTensorType, "double": DoubleTensorType}
    return [(column, types[kind]([None, 1])) for column, kind in kinds.items()]


def _with_columns(estimator: Any, frame: pd.DataFrame) -> Any:
    """Estimators that take one matrix get a first step that puts the columns together, in their order."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    first = estimator.steps[0][1] if isinstance(estimator, Pipeline) else estimator
    if isinstance(first, ColumnTransformer):
        return estimator
    together = ColumnTransformer([("columns", "passthrough", list(frame.columns))]).fit(frame.head(2))
    return Pipeline([("seatrial_columns", together), ("model", estimator)])


def _cast_before_trees(model: Any) -> Any:
    from skl2onnx.sklapi import CastTransformer
    from sklearn.pipeline import Pipeline

    last = model.steps[-1][1]
    if isinstance(last, Pipeline):
        return Pipeline([*model.steps[:-1], (model.steps[-1][0], _cast_before_trees(last))])
    if not type(last).__name__.startswith(TREES):
        return model
    return Pipeline([*model.steps[:-1], ("seatrial_cast", CastTransformer(dtype=np.float32)), model.steps[-1]])


def measure_parity(trained: Predictions, exported: Predictions, attempt: str = "", size: int = 0) -> Evidence:
    """One row per record: both answers and their distance.

    The distance of numbers is relative to the larger of the answer and the spread of all answers; of probabilities
    it is absolute. A NaN on one side only is infinitely far.
    """
    far = _row_distance(trained, exported)
    mismatch = (trained.values != exported.values) if trained.classes else np.zeros(len(far), dtype=bool)
    n = len(far)
    # `higher` takes one of the values: between two infinite ones nothing can be interpolated.
    p999 = float(np.quantile(far, 0.999, method="higher")) if n else np.nan
    records = pd.DataFrame(
        {"trained": trained.values, "exported": exported.values, "difference": far, "mismatch": mismatch}
    )
    metrics = metric_rows(
        [
            ("label_mismatches", float(mismatch.sum()), np.nan, np.nan, n, 1),
            ("max_difference", float(far.max(initial=0)), np.nan, np.nan, n, 1),
            ("p999_difference", p999, np.nan, np.nan, n, 1),
        ]
    )
    return Evidence("conversion", metrics, records, {"attempt": attempt, "onnx_bytes": size, "opsets": OPSETS})


def _row_distance(trained: Predictions, exported: Predictions) -> npt.NDArray[np.float64]:
    left, right = trained.distance(), exported.distance()
    if left.shape != right.shape:
        return np.full(len(left), np.inf)
    with np.errstate(invalid="ignore"):
        far = np.abs(left - right)
        if not trained.classes:
            spread = float(np.nanstd(left)) if len(left) else 0.0
            far = far / np.maximum(np.abs(left), max(spread, np.finfo(float).tiny))
    far = np.where(np.isnan(left) & np.isnan(right), 0.0, np.where(np.isnan(far), np.inf, far))
    return np.asarray(far.max(axis=1, initial=0.0), dtype=np.float64)


def worst_rows(evidence: Evidence, count: int = 20) -> Iterator[int]:
    """Positions of the records that differ most."""
    yield from evidence.records.sort_values(["mismatch", "difference"], ascending=False, kind="stable").index[:count]
