"""Evidence, frames and JSON in a store, by reference."""

import io
import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from expectations.records import Evidence, canonical_json
from infra.store import Blobs, Store

Reference = dict[str, Any]


def put_json(store: Store, value: Any) -> str:
    """Digest of the canonical JSON, now in the store."""
    return store.put_blob(canonical_json(value))


def get_json(store: Blobs, digest: str) -> Any:
    """The inverse of `put_json`."""
    return json.loads(store.get_blob(digest))


def put_evidence(store: Store, evidence: Evidence) -> Reference:
    """The reference to evidence that is now in the store."""
    frames = {"metrics": evidence.metrics, "records": evidence.records}
    blobs = {name: store.put_blob(_parquet(frame)) for name, frame in frames.items()}
    return {"step": evidence.step, "facts": dict(evidence.facts), "blobs": blobs}


def get_evidence(store: Store, reference: Mapping[str, Any]) -> Evidence:
    """The evidence behind a reference."""
    blobs = reference["blobs"]
    metrics, records = (pd.read_parquet(io.BytesIO(store.get_blob(blobs[key]))) for key in ("metrics", "records"))
    return Evidence(reference["step"], metrics, records, reference["facts"])


def _parquet(frame: pd.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.to_parquet(out, compression="zstd", index=False)
    return out.getvalue()
