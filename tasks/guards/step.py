"""The step that makes a package of a proven core: guards around it, the proof of the whole, its golden records."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from expectations.errors import CannotAsk
from expectations.records import Evidence, canonical_json
from infra.evidence_store import get_evidence, put_evidence
from infra.packages import golden_records, keep_package, replay
from infra.runtime import Scorer
from tasks.check import CALIBRATION, TRAIN, Subject
from tasks.conversion.trials import Trials, try_out
from tasks.guards.build import NEVER_SEEN, Rows, build_guards
from tasks.guards.core import Core
from tasks.guards.live_proof import planted_live
from tasks.guards.lookups import frozen_lookups, keyed, replay_lookups, with_lookups
from tasks.guards.plan import Lookup
from tasks.guards.proof import as_sent, complete, measure_package
from tasks.package import golden_positions, with_golden


def guard(subject: Subject) -> dict[str, Any]:
    """`packed` with the guarded graph as its `graph`, the bare one as its `core`, what was chosen as `guards`, and the
    evidence that the whole is still the estimator as `proof`.

    Raises CannotAsk where `guards.group` is no column.
    """
    job, store, packed = subject.job, subject.job.store(), subject.packed
    bare = store.get_blob(packed["blobs"]["graph"])
    core = Core(bare, Scorer(bare).signature, hasattr(subject.candidate(), "predict_proba"))
    train, calibration = (_rows(subject, part) for part in (TRAIN, CALIBRATION))
    _check_group(job.spec.guards.group, train.frame)
    lookups = frozen_lookups(store, subject.manifest)
    graph, chosen = build_guards(core, train, calibration, job.spec.guards, lookups, job.release)
    trials = complete(_trials(subject), subject.data(), Scorer(graph).signature)
    trials = keyed(trials, lookups, Scorer(graph), subject.candidate(), list(job.features(train.frame).columns))
    evidence, golden = prove(graph, trials, job.tier.parity_tolerance, lookups)
    package, blobs = keep_package(store, graph, golden)
    kept = {**blobs, "core": packed["blobs"]["graph"]}
    return {**packed, "blobs": kept, "package": package, "guards": chosen, "proof": put_evidence(store, evidence)}


def prove(
    graph: bytes, trials: Trials, tolerance: float, lookups: Sequence[Lookup] = ()
) -> tuple[Evidence, dict[str, Any]]:
    """(evidence, golden records): the file beside the estimator and beside the frozen tables, and whether it answers
    twice alike."""
    scorer = Scorer(graph)
    trials = as_sent(scorer, trials)
    evidence = measure_package(scorer, trials, tolerance)
    if lookups:
        evidence = with_lookups(evidence, replay_lookups(scorer, lookups, trials.rows))
    golden = guarded_golden(scorer, trials, evidence, lookups)
    # As whoever loads the package will: from the records' JSON, in a session of their own.
    again = replay(Scorer(graph), json.loads(canonical_json(golden)))
    return with_golden(evidence, len(again), len(golden["outputs"]["prediction"])), golden


def _trials(subject: Subject) -> Trials:
    """What the conversion was tried on, each row in the family where the conversion put it."""
    conversion = get_evidence(subject.job.store(), subject.packed["evidence"])
    trials = try_out(subject.candidate(), subject.job.features(subject.data()))
    return replace(trials, family=conversion.records["family"].to_numpy(dtype=object))


def _rows(subject: Subject, part: int) -> Rows:
    rows = subject.part(part)
    return Rows(rows, subject.job.target(rows))


def _check_group(group: str | None, rows: pd.DataFrame) -> None:
    if group is not None and group not in rows.columns:
        raise CannotAsk(f"guards.group: no column {group}; there are {', '.join(rows.columns)}.")


def guarded_golden(
    scorer: Scorer, trials: Trials, evidence: Evidence, lookups: Sequence[Lookup] = ()
) -> dict[str, Any]:
    """Golden records of every output: rows that the guards refuse first, then the conversion's choice; and of live
    lookups the first of these with each state."""
    sent = scorer.sent
    frame = trials.rows[list(sent)]
    chosen = frame.iloc[golden_positions(trials, evidence)]
    rows = pd.concat([planted(frame.head(1), sent), chosen], ignore_index=True)
    return golden_records(scorer, planted_live(rows, lookups))


def planted(row: pd.DataFrame, sent: Mapping[str, str]) -> pd.DataFrame:
    """A row with every number missing, one with every number far away, one with every text unknown."""
    if not len(row):
        return row
    numbers = [name for name, kind in sent.items() if kind != "string"]
    texts = [name for name, kind in sent.items() if kind == "string"]
    plain = row.astype(dict.fromkeys(numbers, np.float64))
    missing, far = (plain.assign(**dict.fromkeys(numbers, value)) for value in (np.nan, 1e12))
    return pd.concat([missing, far, plain.assign(**dict.fromkeys(texts, NEVER_SEEN))], ignore_index=True)
