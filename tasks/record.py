"""What the ledger is told of a release: that it began, and its verdict."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from expectations.history import State
from expectations.upstream_spec import consumed
from expectations.verdicts import Outcome
from infra.evidence_store import Reference, get_evidence
from infra.store import Store
from tasks.job import Job, champion

Append = tuple[str, str, dict[str, Any]]


def started(job: Job, state: State) -> Append | None:
    """The record that a release began; None where it is there already."""
    if job.release in state.releases:
        return None
    body = {
        "release": job.release,
        "spec_digest": job.file.digest,
        "as_of": job.as_of.isoformat(),
        "owner": job.spec.model.owner,
        "developers": list(job.spec.model.developers),
        "consumes": [asdict(one) for one in consumed(job.spec.data.upstream)],
        "tier": job.spec.risk.told(),
        "retraining": job.retraining,
        "waivers": [waiver.model_dump(mode="json") for waiver in job.spec.risk.waivers],
        **job.needs,
    }
    return "release started", job.spec.model.name, body


def judged(job: Job, state: State, outcome: Outcome, told: Mapping[str, Any]) -> Append | None:
    """The verdict, and what it was given on; None where the release was judged before."""
    if state.releases[job.release].status != "started":
        return None
    serving = champion(job, state)
    body = {
        "release": job.release,
        "outcome": outcome.value,
        "champion_compared": serving.id if serving else None,
        **job.needs,
        **told,
    }
    return "release judged", job.spec.model.name, body


def asked_downstream(references: Mapping[str, Reference]) -> dict[str, str]:
    """The models downstream that were asked of the release, each with the release of its own that answered."""
    facts = references["interactions"]["facts"] if "interactions" in references else {}
    return dict(facts.get("downstream_asked", {}))


def figures(store: Store, references: Mapping[str, Reference]) -> dict[str, list[float | None]]:
    """(value, lower, upper) of each quality metric: what later versions are held against."""
    if "quality" not in references:
        return {}
    rows = get_evidence(store, references["quality"]).metrics.to_dict("records")
    return {
        r["metric"]: [float(r[k]) if np.isfinite(r[k]) else None for k in ("value", "lower", "upper")] for r in rows
    }
