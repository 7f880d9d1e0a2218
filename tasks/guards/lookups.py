"""Does the package look up what the frozen tables say?"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.live import LiveLookup
from expectations.records import Evidence, metric_rows
from infra.runtime import Scorer, column_array, estimator_predictions
from infra.store import Store
from tasks.conversion.trials import Trials
from tasks.guards.live_proof import replay_live
from tasks.guards.plan import Flags, Floats, Lookup
from tasks.guards.proof import as_sent
from tasks.lookups import lookup_blob

UNKNOWN_KEYS: Mapping[str, tuple[Any, ...]] = {
    "string": ("", "\x1f no such key"),
    "double": (float("nan"), float("inf"), 0.5),
}


def frozen_lookups(store: Store, manifest: Mapping[str, Any]) -> tuple[Lookup, ...]:
    """The tables that the snapshot froze."""
    return tuple(_opened(store, manifest["blobs"], told) for told in manifest["lookups"])


def _opened(store: Store, blobs: Mapping[str, str], told: Mapping[str, Any]) -> Lookup:
    table = pd.read_parquet(io.BytesIO(store.get_blob(blobs[lookup_blob(told["source"])])))
    columns, default = tuple(told["columns"]), told["default"]
    values = table[list(columns)].to_numpy(dtype=np.float64)
    unknown = tuple(float(default.get(name, np.nan)) for name in columns)
    live = told.get("live") and LiveLookup.model_validate(told["live"])
    return Lookup(told["source"], told["key"], columns, tuple(table[told["key"]].tolist()), values, unknown, live)


def found_values(table: Lookup, keys: "pd.Series[Any]") -> Floats:
    """(n, columns) what the table says of each key, its default where it holds none."""
    place = {key: at for at, key in enumerate(table.keys)}
    at = [place.get(key, len(place)) for key in column_array(keys, table.kind)[:, 0]]
    return np.asarray(np.vstack([table.values, table.default])[at], dtype=np.float64)


def keyed(trials: Trials, lookups: Sequence[Lookup], scorer: Scorer, estimator: Any, features: Sequence[str]) -> Trials:
    """The trials as a caller can send them: of rows that were made, the looked-up columns are those of the key.

    The snapshot's own rows are left as they are, so that a join that differs from the graph's is seen. The estimator
    is asked again, of rows that reach it as they are sent.
    """
    if not lookups:
        return trials
    rows, made = trials.rows.copy(), trials.family != "snapshot"
    for table in lookups:
        values = found_values(table, rows[table.on])
        # One that the spec ignores is none of the estimator's.
        for at, name in [(at, name) for at, name in enumerate(table.columns) if name in features]:
            rows[name] = np.where(made, values[:, at], rows[name].to_numpy(dtype=np.float64))
    sent = as_sent(scorer, replace(trials, rows=rows))
    return replace(sent, trained=estimator_predictions(estimator, sent.rows[list(features)]))


def replay_lookups(scorer: Scorer, lookups: Sequence[Lookup], rows: pd.DataFrame) -> Flags:
    """(keys of all tables,) does the file say another number, or another "unknown", than the table? Or take a live
    value otherwise than it should? Every key is asked, one that is missing and one that no table holds."""
    flags, wrong, start = scorer.signature["reasons"]["flags"], [], 0
    for table in lookups:
        keys = pd.Series(
            [*table.keys, *(key for key in UNKNOWN_KEYS[table.kind] if key not in table.keys)], dtype=object
        )
        asked = pd.concat([rows.head(1)] * len(keys), ignore_index=True).assign(**{table.on: keys})
        answer, end = scorer.answers(asked), start + len(table.columns)
        said, expected = answer["looked_up"][:, start:end], found_values(table, keys)
        same = ((said == expected) | (np.isnan(said) & np.isnan(expected))).all(axis=1)
        unknown = answer["flags"][:, flags.index(f"unknown:{table.on} in {table.source}")]
        known = np.arange(len(keys)) < len(table.keys)
        otherwise = replay_live(scorer, table, asked, expected, known) if table.live else ~same
        wrong.append(~same | (unknown == known) | otherwise)
        start = end
    return np.concatenate(wrong)


def with_lookups(evidence: Evidence, wrong: npt.NDArray[np.bool_]) -> Evidence:
    """The evidence and for how many keys the file does not say what the frozen tables do."""
    row = metric_rows([("lookup_mismatches", float(wrong.sum()), float("nan"), float("nan"), len(wrong), 1)])
    metrics = pd.concat([evidence.metrics, row], ignore_index=True)
    return Evidence(evidence.step, metrics, evidence.records, evidence.facts)
