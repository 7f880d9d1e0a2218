"""What serves a model, and since when: what monitoring looks at."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import pandas as pd

from expectations.errors import CannotAsk
from expectations.history import Release, State
from expectations.monitoring_spec import Alarms, Monitoring
from expectations.spec import ReleaseSpec
from infra.evidence_store import get_json
from infra.ledger import Ledger
from infra.store import Store
from tasks.rollout.plan import approved_spec


@dataclass(frozen=True)
class Served:
    """The release that serves a model, as it was approved.

    `term`: how often it had to come back because another was rolled back. What was seen of it in another term is not
    held against it.
    """

    store: Store
    ledger: Ledger
    release: Release
    spec: ReleaseSpec
    verdict: Mapping[str, Any]
    term: int

    @property
    def model(self) -> str:
        """The model's name."""
        return self.release.model

    @property
    def monitoring(self) -> Monitoring:
        """What is watched of it."""
        return self.spec.monitoring

    @property
    def alarms(self) -> Alarms:
        """What is watched of it, alarm by alarm."""
        return self.monitoring.alarms

    @property
    def folder(self) -> str:
        """Where what was seen of it is kept."""
        return f"monitoring/{self.model}/{self.release.id}/{self.term}"

    @cached_property
    def document(self) -> dict[str, Any]:
        """Its dossier, as JSON."""
        found: dict[str, Any] = get_json(self.store, self.verdict["blobs"]["document"])
        return found

    def figure(self, step: str, metric: str) -> float | None:
        """A figure of its dossier; None where it was not measured."""
        metrics = self.document.get("evidence", {}).get(step, {}).get("metrics", ())
        found = next((row["value"] for row in metrics if row["metric"] == metric), None)
        return None if found is None else float(found)

    def facts(self, step: str) -> dict[str, Any]:
        """What a step of its release said beside figures."""
        found: dict[str, Any] = self.document.get("evidence", {}).get(step, {}).get("facts", {})
        return found

    def records(self, step: str) -> pd.DataFrame:
        """The records behind a step's figures; empty where there are none."""
        digest = self.verdict["blobs"].get(f"{step} records")
        return pd.read_parquet(io.BytesIO(self.store.get_blob(digest))) if digest else pd.DataFrame()

    def began(self) -> datetime:
        """When its term began. Reads the whole ledger."""
        said = [one for one in self.ledger.read() if one.model == self.model]
        mine = [one.time for one in said if one.kind == "promoted" and one.body["release"] == self.release.id]
        back = [one.time for one in said if one.kind == "rolled back"] if self.term else []
        return datetime.fromisoformat(max([*mine, *back]))


def serving_models(state: State, model: str | None) -> list[str]:
    """The models that serve, or the one that was asked for. Raises CannotAsk where that one does not."""
    if model is None:
        return sorted(state.models)
    if model not in state.models:
        known = ", ".join(sorted(state.models)) or "none"
        raise CannotAsk(f"{model}: expected a model that serves, found none. Models that serve: {known}.")
    return [model]


def served(store: Store, ledger: Ledger, model: str) -> Served:
    """What serves a model now. Raises CannotAsk where nothing does."""
    state = ledger.state()
    release = state.releases[state.models[serving_models(state, model)[0]]]
    undone = [one for one in state.releases.values() if one.status == "rolled back" and one.replaced == release.id]
    return Served(store, ledger, release, approved_spec(store, ledger, release), ledger.verdict(release), len(undone))
