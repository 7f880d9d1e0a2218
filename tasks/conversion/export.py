"""One attempt at a graph: an estimator with its columns, written in one precision, of one opset family."""

import json
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.errors import CannotAsk
from infra.runtime import SIGNATURE_KEY, column_array, label_text, open_session
from tasks.conversion.empty_batches import answer_empty_batches
from tasks.conversion.placement import dense, parts, through
from tasks.conversion.registry import own_converters
from tasks.conversion.voting import Polled, ensemble_of, member_names, polled, vote_of, weights_of

# One family throughout: only ai.onnx.ml 5 has trees in double (`TreeEnsemble`), and a file cannot mix.
OPSETS = {"": 21, "ai.onnx.ml": 5}
IR_VERSION = 10
# What skl2onnx is asked for: it knows no ai.onnx.ml 5. Converters of our own say `op_version=3` for a TreeEnsemble;
# the family is stamped on the finished graph, and the checker refuses a node that it does not have.
ASKED_OPSETS = {"": 21, "ai.onnx.ml": 3}
ATTEMPTS = ("double", "float")


def export(estimator: Any, frame: pd.DataFrame, name: str, attempt: str) -> bytes:
    """The ONNX graph with the names and types of the columns in its metadata. Raises whatever the converter raises."""
    from onnx import checker

    kinds = {column: input_kind(frame[column], attempt) for column in frame.columns}
    graph = _graph(_with_columns(polled(estimator), frame), kinds, name)
    voting = ensemble_of(estimator)
    signature = {
        "inputs": [
            {"column": c, "input": i.name, "type": kinds[c]} for c, i in zip(kinds, graph.graph.input, strict=True)
        ],
        "classes": list(estimator_classes(estimator)),
        **({} if voting is None else {"members": _told_members(voting, graph)}),
    }
    entry = graph.metadata_props.add()
    entry.key, entry.value = SIGNATURE_KEY, json.dumps(signature, sort_keys=True)
    scores_differ = hasattr(estimator, "classes_") and not hasattr(estimator, "predict_proba")
    if voting is None:
        keep_outputs(graph, 1 if scores_differ else 2)
    checker.check_model(graph, full_check=True)
    return bytes(graph.SerializeToString(deterministic=True))


def _told_members(voting: Any, graph: Any) -> dict[str, Any]:
    """How the members vote, what they are called, and in which outputs the graph says what they say."""
    members, disagreement = (output.name for output in list(graph.graph.output)[-2:])
    told = {"names": member_names(voting), "vote": vote_of(voting), "weights": weights_of(voting)}
    return {**told, "answers": members, "disagreement": disagreement}


def _graph(model: Any, kinds: dict[str, str], name: str) -> Any:
    from skl2onnx import convert_sklearn

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = convert_sklearn(
            model,
            initial_types=_initial_types(kinds),
            target_opset=ASKED_OPSETS,
            name=name,
            **_own(),
        )
    answer_empty_batches(graph)
    stamp(graph)
    return graph


def preprocessing_differs(
    estimator: Any, frame: pd.DataFrame, rows: pd.DataFrame, name: str, attempt: str
) -> npt.NDArray[np.bool_]:
    """(n,) bool: for which rows what the graph hands to the model is not, bit for bit, what scikit-learn hands to it.

    Nowhere, if nothing stands before the model, or if that cannot be told.
    """
    differs = np.zeros(len(rows), dtype=bool)
    for before, _ in parts(estimator):
        differs |= _differs(before, frame, rows, name, attempt) if before else False
    return differs


def _differs(
    before: list[Any], frame: pd.DataFrame, rows: pd.DataFrame, name: str, attempt: str
) -> npt.NDArray[np.bool_]:
    from sklearn.pipeline import make_pipeline

    pipeline = _with_columns(make_pipeline(*before), frame)
    kinds = {column: input_kind(frame[column], attempt) for column in frame.columns}
    graph = _graph(pipeline, kinds, name)
    session = open_session(graph.SerializeToString())
    feed = {one.name: column_array(rows[c], kinds[c]) for one, c in zip(session.get_inputs(), kinds, strict=True)}
    ours = session.run(None, feed)[0]
    theirs = dense(through(before, rows))
    return np.asarray((ours != theirs).any(axis=1) if ours.shape == theirs.shape else np.zeros(len(rows), dtype=bool))


def keep_outputs(graph: Any, count: int) -> None:
    """Keeps the first outputs, and only the nodes and constants that they need.

    The second is probabilities, or an outlier detector's decision; of a classifier that has no probabilities it would
    be a decision that the estimator's predictions do not speak of.
    """
    inner = graph.graph
    del inner.output[count:]
    needed = {output.name for output in inner.output}
    for node in reversed(inner.node):
        if needed & set(node.output):
            needed |= {*node.input, *(name for one in _subgraphs(node) for inside in one.node for name in inside.input)}
    nodes = [node for node in inner.node if needed & set(node.output)]
    constants = [constant for constant in inner.initializer if constant.name in needed]
    del inner.node[:], inner.initializer[:]
    inner.node.extend(nodes)
    inner.initializer.extend(constants)


def _subgraphs(node: Any) -> list[Any]:
    return [attribute.g for attribute in node.attribute if attribute.HasField("g")]


def stamp(graph: Any) -> None:
    """Sets the one opset family, in one order: the same model gives the same bytes."""
    from onnx import helper

    del graph.opset_import[:]
    graph.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in sorted(OPSETS.items()))
    graph.ir_version = IR_VERSION


def _own() -> dict[str, Any]:
    own = own_converters()
    return {
        "custom_shape_calculators": {one.estimator: one.shape for one in own},
        "custom_conversion_functions": {one.estimator: one.convert for one in own},
        "custom_parsers": {one.estimator: one.parse for one in own if one.parse},
    }


def estimator_classes(estimator: Any) -> tuple[str, ...]:
    """A classifier's labels as text, none for a regressor."""
    return tuple(label_text(estimator.classes_)) if hasattr(estimator, "classes_") else ()


def input_kind(column: "pd.Series[Any]", attempt: str) -> str:
    """How a column enters the graph: string, float or double. Raises CannotAsk for times."""
    if pd.api.types.is_datetime64_any_dtype(column):
        raise CannotAsk(f"{column.name} is a time: no graph takes one. Put it in data.ignore, or make numbers of it.")
    if not pd.api.types.is_numeric_dtype(column):
        return "string"
    return "float" if attempt == "float" else "double"


def _initial_types(kinds: dict[str, str]) -> list[tuple[str, Any]]:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    types = {"string": StringTensorType, "float": FloatTensorType, "double": DoubleTensorType}
    return [(column, types[kind]([None, 1])) for column, kind in kinds.items()]


def _with_columns(estimator: Any, frame: pd.DataFrame) -> Any:
    """Estimators that take one matrix get a first step that puts the columns together, in their order."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    if takes_columns(estimator):
        return Pipeline([("model", _each_with_columns(estimator, frame))])
    together = ColumnTransformer([("columns", "passthrough", list(frame.columns))]).fit(frame.head(2))
    return Pipeline([("seatrial_columns", together), ("model", estimator)])


def _each_with_columns(estimator: Any, frame: pd.DataFrame) -> Any:
    """An ensemble whose members choose columns by name may have others that take one matrix."""
    if not isinstance(estimator, Polled):
        return estimator
    return Polled(estimator.model, [_with_columns(member, frame) for member in estimator.estimators_])


INNER = ("best_estimator_", "estimator_", "regressor_", "estimators_", "calibrated_classifiers_", "estimator")


def takes_columns(estimator: Any) -> bool:
    """Does it, or the estimators inside it, choose columns by name?"""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import FeatureUnion, Pipeline

    own = {one.estimator for one in own_converters() if one.takes_columns}
    if isinstance(estimator, ColumnTransformer) or type(estimator) in own:
        return True
    if isinstance(estimator, Pipeline):
        return takes_columns(estimator.steps[0][1])
    if isinstance(estimator, FeatureUnion):
        return any(takes_columns(one) for _, one in estimator.transformer_list)
    fitted = next((getattr(estimator, name) for name in INNER if hasattr(estimator, name)), ())
    each = np.asarray(fitted).ravel() if isinstance(fitted, np.ndarray) else fitted
    return any(takes_columns(one) for one in (each if isinstance(each, list | tuple | np.ndarray) else [each]))
