"""The records that pass between steps: digests, evidence, findings."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

METRIC_COLUMNS = ("metric", "value", "lower", "upper", "n", "n_required")


def canonical_json(value: Any) -> bytes:
    """The one JSON text of a value: sorted keys, no spaces, no NaN. Equal values give equal bytes."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest_of(value: Any) -> str:
    """`sha256:<hex>` of bytes, or of the canonical JSON of anything else."""
    data = value if isinstance(value, bytes) else canonical_json(value)
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


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
