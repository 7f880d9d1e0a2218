"""The package: the graph with golden records of its own, chosen where an answer would change first."""

import json
from typing import Any

import numpy as np
import pandas as pd

from expectations.records import Evidence, canonical_json, metric_rows
from infra.evidence_store import put_evidence
from infra.packages import golden_records, keep_package, replay
from infra.runtime import Scorer
from infra.store import Store
from tasks.conversion.trials import Trials
from tasks.parity import worst_rows

# How many golden records of a kind: those that differed most, then some of each family.
WORST, EACH_FAMILY = 20, 20


def pack(store: Store, graph: bytes, evidence: Evidence, trials: Trials) -> dict[str, Any]:
    """Keeps the graph with its golden records: `{"evidence": reference, "blobs": ..., "package": digest}`.

    The records are replayed as whoever loads the package will: from their JSON, in a session of their own.
    """
    golden = golden_records(Scorer(graph), trials.rows.iloc[golden_positions(trials, evidence)].reset_index(drop=True))
    again = replay(Scorer(graph), json.loads(canonical_json(golden)))
    count = len(next(iter(golden["outputs"].values())))
    package, blobs = keep_package(store, graph, golden)
    return {
        "evidence": put_evidence(store, with_golden(evidence, len(again), count)),
        "blobs": blobs,
        "package": package,
    }


def golden_positions(trials: Trials, evidence: Evidence) -> list[int]:
    """Positions in `trials.rows`: the worst, and of each family an even choice."""
    chosen = list(worst_rows(evidence, WORST))
    for family in dict.fromkeys(trials.family):
        at = np.flatnonzero(trials.family == family)
        chosen += [int(one) for one in at[np.unique(np.linspace(0, len(at) - 1, EACH_FAMILY).astype(int))]]
    return list(dict.fromkeys(chosen))


def with_golden(evidence: Evidence, mismatches: int, count: int) -> Evidence:
    """The conversion's evidence and what replaying the golden records said."""
    row = metric_rows([("golden_mismatches", float(mismatches), float("nan"), float("nan"), count, 1)])
    metrics = pd.concat([evidence.metrics, row], ignore_index=True)
    return Evidence(evidence.step, metrics, evidence.records, evidence.facts)
