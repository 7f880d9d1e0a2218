"""Packages: a graph, golden records to replay, and the versions that it was proven with.

Whoever loads a package under other versions replays its golden records first: a run-time that answers otherwise, as
some did, is refused before it serves anybody.
"""

import importlib.metadata
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.errors import CannotAsk
from infra.evidence_store import get_json, put_json
from infra.runtime import Scorer
from infra.store import Blobs, Store

PROVEN_WITH = ("onnxruntime", "onnx", "skl2onnx", "scikit-learn", "numpy", "pandas", "protobuf")
# What scoring depends on; the others only made the graph.
SCORED_BY = ("onnxruntime", "numpy", "pandas")
GOLDEN_TOLERANCE = 1e-6


def versions() -> dict[str, str]:
    """Versions of what conversion and scoring depend on."""
    return {name: importlib.metadata.version(name) for name in PROVEN_WITH}


def keep_package(store: Store, graph: bytes, golden: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The package's digest, and its blobs: graph and golden records."""
    blobs = {"graph": store.put_blob(graph), "golden": put_json(store, golden)}
    return put_json(store, {**blobs, "signature": Scorer(graph).signature, "versions": versions()}), blobs


def open_package(store: Blobs, digest: str) -> Scorer:
    """The package, loaded as production loads it.

    Raises CannotAsk where this machine's versions are not those of the proof and a golden record gets another answer;
    Missing and Corrupt as the store does.
    """
    package = get_json(store, digest)
    scorer, here = Scorer(store.get_blob(package["graph"])), versions()
    other = [name for name in SCORED_BY if package["versions"].get(name) != here[name]]
    wrong = replay(scorer, get_json(store, package["golden"])) if other else []
    if wrong:
        told = ", ".join(f"{name} {here[name]} (proven with {package['versions'].get(name)})" for name in other)
        raise CannotAsk(
            f"package {digest[:19]}: {len(wrong)} golden record(s) get another answer under {told}; the first is "
            f"number {wrong[0]}. Install the versions of the proof, or release the model again under these."
        )
    return scorer


def golden_records(scorer: Scorer, rows: pd.DataFrame) -> dict[str, Any]:
    """Inputs and every output, as JSON values: `{"columns": {name: values}, "outputs": {name: nested values}}`."""
    columns = {name: [_sent(value) for value in rows[name].astype(object)] for name in rows.columns}
    return {"columns": columns, "outputs": {name: _plain(values) for name, values in scorer.answers(rows).items()}}


def replay(scorer: Scorer, golden: dict[str, Any]) -> list[int]:
    """Which golden records get another answer here: another text, label or flag, a number over 1e-6 away."""
    answers = scorer.answers(pd.DataFrame(golden["columns"]))
    n = max((len(values) for values in golden["outputs"].values()), default=0)
    if set(answers) != set(golden["outputs"]):
        return list(range(n))
    wrong = np.zeros(n, dtype=bool)
    for name, expected in golden["outputs"].items():
        wrong |= _differs(answers[name], expected)
    return [int(at) for at in np.flatnonzero(wrong)]


def _differs(found: npt.NDArray[Any], expected: list[Any]) -> npt.NDArray[np.bool_]:
    if np.issubdtype(found.dtype, np.floating):
        other = np.array(expected, dtype=np.float64)
        if other.shape != found.shape:
            return np.ones(len(expected), dtype=bool)
        near = np.isclose(found, other, rtol=GOLDEN_TOLERANCE, atol=1e-12, equal_nan=True)
        return np.asarray(~near.reshape(len(expected), -1).all(axis=1))
    return np.array([a != b for a, b in zip(found.tolist(), expected, strict=True)], dtype=bool)


def _sent(value: Any) -> Any:
    """An input's value as `_plain` writes an output's."""
    if pd.isna(value):
        return None
    return str(value) if isinstance(value, float) and np.isinf(value) else value


def _plain(values: npt.NDArray[Any]) -> Any:
    """JSON has no NaN and no infinity: NaN becomes null, an infinity the text that float() reads."""
    if not np.issubdtype(values.dtype, np.floating):
        return values.tolist()
    plain = values.astype(object)
    plain[np.isnan(values)] = None
    plain[np.isinf(values)] = values[np.isinf(values)].astype(str)
    return plain.tolist()
