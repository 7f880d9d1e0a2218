"""The records that pass between steps: digests, evidence, findings."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# What a verdict's `blobs` call the signatures of package and dossier.
PACKAGE_SIGNATURE, DOSSIER_SIGNATURE = "package signature", "dossier signature"
METRIC_COLUMNS = ("metric", "value", "lower", "upper", "n", "n_required")


def canonical_json(value: Any) -> bytes:
    """The one JSON text of a value: sorted keys, no spaces, no NaN. Equal values give equal bytes."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


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
