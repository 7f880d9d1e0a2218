"""The package: the graph, what goes in and comes out, golden records, and the versions it was proven with."""

import importlib.metadata
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from expectations.records import Evidence, canonical_json, metric_rows
from infra.evidence_store import put_evidence, put_json
from infra.runtime import Scorer
from infra.store import Store
from tasks.convert import worst_rows

PROVEN_WITH = ("onnxruntime", "onnx", "skl2onnx", "scikit-learn", "numpy", "pandas", "protobuf")
GOLDEN = 50


def versions() -> dict[str, str]:
    """Versions of what conversion and scoring depend on."""
    return {name: importlib.metadata.version(name) for name in PROVEN_WITH}


def pack(store: Store, graph: bytes, evidence: Evidence, features: pd.DataFrame) -> dict[str, Any]:
    """Keeps the graph with golden records of its own: `{"evidence": reference, "blobs": ..., "package": digest}`.

    The records are replayed as whoever loads the package will: from their JSON, in a session of their own.
    """
    scorer = Scorer(graph)
    golden = golden_records(scorer, features, list(worst_rows(evidence)))
    again = replay(Scorer(graph), json.loads(canonical_json(golden)))
    proven = with_golden(evidence, again, len(golden["values"]))
    blobs = {"graph": store.put_blob(graph), "golden": put_json(store, golden)}
    content = {**blobs, "signature": scorer.signature, "versions": versions()}
    return {"evidence": put_evidence(store, proven), "blobs": blobs, "package": put_json(store, content)}


def golden_records(scorer: Scorer, frame: pd.DataFrame, worst: Sequence[int]) -> dict[str, Any]:
    """Inputs and answers to replay wherever the package is loaded: those that differed most, and the first."""
    rows = list(dict.fromkeys([*worst, *range(len(frame))]))[:GOLDEN]
    inputs = frame.iloc[rows].reset_index(drop=True)
    columns = {name: [None if pd.isna(v) else v for v in inputs[name].astype(object)] for name in inputs.columns}
    answer = scorer.score(inputs)
    chances = None if answer.probabilities is None else answer.probabilities.tolist()
    return {"columns": columns, "values": answer.values.tolist(), "probabilities": chances}


def replay(scorer: Scorer, golden: dict[str, Any]) -> int:
    """How many golden records get another answer here (relative difference over 1e-6, or another label)."""
    answer = scorer.score(pd.DataFrame(golden["columns"]))
    expected = np.array(golden["values"], dtype=answer.values.dtype)
    if answer.classes:
        return int((answer.values != expected).sum())
    return int((~np.isclose(answer.values, expected, rtol=1e-6, equal_nan=True)).sum())


def with_golden(evidence: Evidence, mismatches: int, count: int) -> Evidence:
    """The conversion's evidence and what replaying the golden records said."""
    row = metric_rows([("golden_mismatches", float(mismatches), float("nan"), float("nan"), count, 1)])
    metrics = pd.concat([evidence.metrics, row], ignore_index=True)
    return Evidence(evidence.step, metrics, evidence.records, evidence.facts)
