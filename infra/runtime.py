"""The production run-time: an ONNX graph scored by onnxruntime, one thread, in order."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.errors import CannotAsk

# Binary forests and trees get wrong labels from these versions.
WRONG_VERSIONS = ("1.26", "1.27")
SIGNATURE_KEY = "seatrial.signature"
# So many rows are scored at once: what a graph holds meanwhile, such as each row's distance to all that nearest
# neighbours know or the leaf of each tree, must not grow with a batch.
AT_ONCE = 1024
# How missing text enters a graph: ONNX has no missing strings.
MISSING_TEXT = ""


@dataclass(frozen=True)
class Predictions:
    """`values` (n,) float64 or label strings; `probabilities` (n, classes) float64 or None; `classes` as strings."""

    values: npt.NDArray[Any]
    probabilities: npt.NDArray[np.float64] | None = None
    classes: tuple[str, ...] = ()

    def distance(self) -> npt.NDArray[np.float64]:
        """What two predictions are compared by: (n, 1) values, or (n, classes) probabilities."""
        if self.probabilities is not None:
            return self.probabilities
        return self.values.astype(np.float64).reshape(-1, 1) if not self.classes else np.zeros((len(self.values), 0))


def open_session(graph: bytes) -> Any:
    """An onnxruntime session as production runs it. Raises CannotAsk under a version that is known to be wrong."""
    import onnxruntime

    if onnxruntime.__version__.rsplit(".", 1)[0] in WRONG_VERSIONS:
        raise CannotAsk(f"onnxruntime {onnxruntime.__version__} gives wrong labels for trees; install 1.28 or later.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # What goes wrong is raised; it need not be printed too.
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


class Scorer:
    """A loaded ONNX graph. Its inputs are the columns that a caller sends, each `[n, 1]`."""

    def __init__(self, graph: bytes) -> None:
        self._session = open_session(graph)
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.signature: dict[str, Any] = json.loads(metadata[SIGNATURE_KEY])
        self.outputs = [output.name for output in self._session.get_outputs()]

    @property
    def sent(self) -> dict[str, str]:
        """The kind of each column that a caller sends; live values are the gateway's."""
        return {item["column"]: item["type"] for item in self.signature["inputs"] if "live" not in item}

    def feed(self, frame: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
        """The graph's inputs from a frame. Raises CannotAsk naming every missing column."""
        missing = [name for name in self.sent if name not in frame.columns]
        if missing:
            raise CannotAsk(f"the model needs the columns {', '.join(missing)}, which these records lack.")
        return {
            item["input"]: column_array(frame[item["column"]], item["type"])
            if item["column"] in frame.columns
            else not_looked_up(item["type"], len(frame))
            for item in self.signature["inputs"]
        }

    def run(self, feed: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """The raw call that latency is measured on."""
        rows = len(next(iter(feed.values()), ()))
        if rows <= AT_ONCE:
            # Named, or onnxruntime asks each output for its name again.
            result: list[npt.NDArray[Any]] = self._session.run(self.outputs, feed)
            return result
        parts = [
            self._session.run(self.outputs, {name: values[at : at + AT_ONCE] for name, values in feed.items()})
            for at in range(0, rows, AT_ONCE)
        ]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    def answers(self, frame: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
        """Every output by its name."""
        return dict(zip(self.outputs, self.run(self.feed(frame)), strict=True))

    def score(self, frame: pd.DataFrame) -> Predictions:
        """Predictions for every row."""
        return self.predictions(self.answers(frame))

    def predictions(self, answer: dict[str, npt.NDArray[Any]]) -> Predictions:
        """The prediction in an answer: of a package by name, of a bare graph by position."""
        classes, told = tuple(self.signature["classes"]), self.signature.get("members", {})
        # What the members of an ensemble say stands behind what it says itself.
        bare = [said for name, said in answer.items() if name not in (told.get("answers"), told.get("disagreement"))]
        said = answer.get("prediction", bare[0]).reshape(-1)
        if not classes:
            return Predictions(said.astype(np.float64))
        second = bare[1] if "prediction" not in answer and len(bare) > 1 else answer.get("probabilities")
        probabilities = second.astype(np.float64) if second is not None and second.ndim == 2 else None
        return Predictions(label_text(said), probabilities, classes)


def not_looked_up(kind: str, n: int) -> npt.NDArray[Any]:
    """`[n, 1]` of an input for live values where nobody asked a live source: NaN, or the state of 0."""
    return np.zeros((n, 1), dtype=np.int64) if kind == "int64" else np.full((n, 1), np.nan)


def joined_predictions(parts: Sequence[Predictions]) -> Predictions:
    """Predictions of one model for several batches, as one."""
    values = np.concatenate([part.values for part in parts])
    chances = [part.probabilities for part in parts if part.probabilities is not None]
    return Predictions(values, np.concatenate(chances) if chances else None, parts[0].classes)


def column_array(column: "pd.Series[Any]", kind: str) -> npt.NDArray[Any]:
    """A column as the `[n, 1]` array that an input of this kind (string, int64, float, double) takes."""
    if kind == "string":
        return column.astype(object).where(column.notna(), MISSING_TEXT).to_numpy(dtype=object).reshape(-1, 1)
    numbers = {"int64": np.int64, "float": np.float32, "double": np.float64}
    # numpy's own numbers already hold what is missing as NaN; to ask each column takes longer than a small model.
    if kind != "int64" and not _is_numpy_number(column) and column.isna().any():
        column = column.astype(np.float64)
    # What a float32 cannot hold becomes infinite, as in any other client.
    with np.errstate(over="ignore"):
        return np.asarray(column.to_numpy(dtype=numbers[kind])).reshape(-1, 1)


def _is_numpy_number(column: "pd.Series[Any]") -> bool:
    return isinstance(column.dtype, np.dtype) and column.dtype.kind in "fiub"


def label_text(labels: Any) -> npt.NDArray[Any]:
    """Labels as text, so that 1, 1.0 and numpy's own compare as what a person reads."""
    return np.array([_one_label(label) for label in np.asarray(labels, dtype=object)], dtype=object)


def _one_label(label: Any) -> str:
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    if isinstance(label, bool | np.bool_):
        return str(int(label))
    return str(label)


def estimator_predictions(estimator: Any, frame: pd.DataFrame) -> Predictions:
    """What the trained scikit-learn object says, in the same form."""
    values = np.asarray(estimator.predict(frame)).reshape(-1)
    if not hasattr(estimator, "classes_"):
        return Predictions(values.astype(np.float64))
    probabilities = np.asarray(estimator.predict_proba(frame)) if hasattr(estimator, "predict_proba") else None
    return Predictions(label_text(values), probabilities, tuple(label_text(estimator.classes_)))
