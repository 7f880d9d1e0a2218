"""The records that pass between steps: digests, evidence, findings."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# What a verdict's `blobs` call the signatures of package and dossier.
PACKAGE_SIGNATURE, DOSSIER_SIGNATURE = "package signature", "dossier signature"
METRIC_COLUMNS = ("metric", "value", "lower", "upper", "n", "n_required")


def canonical_json(value: Any) -> bytes:
    """The one JSON text of a value: sorted keys, no spaces, no NaN. Equal values give equal bytes."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def plain_json(value: Any) -> Any:
    """Plain, finite JSON values of anything; what is not known, not a number or infinite is None."""
    if isinstance(value, Enum):
        return plain_json(value.value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_json(item) for item in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, np.generic | np.ndarray):
        return plain_json(value.tolist())
    return value.isoformat() if isinstance(value, date) else str(value)


def digest_of(value: Any) -> str:
    """`sha256:<hex>` of bytes, or of the canonical JSON of anything else."""
    data = value if isinstance(value, bytes) else canonical_json(value)
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def named_blobs(value: Any) -> Iterator[tuple[str, str]]:
    """Each (name, digest) under a key `blobs`, however deep. Other digests may be of no blob: of content, of a spec."""
    if isinstance(value, list):
        for item in value:
            yield from named_blobs(item)
    if isinstance(value, Mapping):
        named = value.get("blobs")
        if isinstance(named, Mapping):
            yield from ((k, v) for k, v in named.items() if isinstance(v, str) and DIGEST.fullmatch(v))
        for item in value.values():
            yield from named_blobs(item)


@dataclass(frozen=True)
class Evidence:
    """What one step measured.

    `metrics` is tidy: one row per metric with `METRIC_COLUMNS` (value, 95 % interval or NaN, records behind it,
    records that the tier requires). `records` holds the rows behind them. `facts` are plain JSON values for readers.
    """

    step: str
    metrics: pd.DataFrame
    records: pd.DataFrame
    facts: Mapping[str, Any] = field(default_factory=dict)


def metric_rows(rows: list[tuple[str, float, float, float, int, int]]) -> pd.DataFrame:
    """A tidy metrics frame from (metric, value, lower, upper, n, n_required) tuples."""
    kinds = {"value": float, "lower": float, "upper": float, "n": int, "n_required": int}
    return pd.DataFrame(rows, columns=list(METRIC_COLUMNS)).astype(kinds)
