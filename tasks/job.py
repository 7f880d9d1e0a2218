"""What every step of one release is given, and how it reads the release's frozen data."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.errors import CannotAsk
from expectations.history import Release, State
from expectations.raising import raised_by_graph
from expectations.records import digest_of
from expectations.spec import ReleaseSpec
from expectations.tiers import Tier
from infra.blob_cache import named_copy
from infra.keys import home
from infra.ledger import Ledger
from infra.runtime import label_text
from infra.spec_file import SpecFile, read_spec
from infra.store import Store, open_store

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """One release: its spec, its store, and the moment that its data is as of.

    `retraining`: nobody made it but an alarm or the clock, so it must be better than what serves.
    """

    file: SpecFile
    store_url: str
    as_of: datetime
    retraining: bool = False

    @property
    def spec(self) -> ReleaseSpec:
        """The completed spec."""
        spec = self.file.spec
        stricter = spec.comparison.model_copy(update={"must_be_better": True})
        return spec.model_copy(update={"comparison": stricter}) if self.retraining else spec

    @property
    def tier(self) -> Tier:
        """The spec's risk tier."""
        return self.spec.tier

    @property
    def release(self) -> str:
        """The release's identity: the same spec, code, candidate and as-of are the same release."""
        return release_id(self.file, self.as_of, self.retraining)

    @property
    def approvals(self) -> int:
        """How many people must say yes: never fewer than the tier asks."""
        return max(self.spec.decisions.approvals or 0, self.tier.approvals)

    @property
    def needs(self) -> dict[str, Any]:
        """Who must say yes, as the ledger is told: never less than the tier asks."""
        asked = self.spec.decisions
        return {
            "approvals_needed": self.approvals,
            "roles_needed": [*dict.fromkeys((*self.tier.roles, *asked.roles))],
            "signatures_needed": max(asked.signatures, self.tier.signatures),
            "valid_days": asked.valid_days,
        }

    def store(self) -> Store:
        """The store, opened."""
        return open_store(self.store_url)

    def ledger(self) -> Ledger:
        """The store's ledger, as this account reads and signs it."""
        return Ledger(self.store(), home())

    def features(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The columns that the model is given."""
        data = self.spec.data
        dropped = {data.target, data.rows.event_time, *data.ignore}
        return frame[[name for name in frame.columns if name not in dropped]]

    def target(self, frame: pd.DataFrame) -> npt.NDArray[Any]:
        """The truth: float64 for a regression, label strings otherwise."""
        column = frame[self.spec.data.target]
        return column.to_numpy(dtype=np.float64) if self.spec.model.task == "regression" else label_text(column)

    @property
    def positive(self) -> str | None:
        """A binary model's positive label as text."""
        label = self.spec.model.positive
        return None if label is None else str(label_text([label])[0])


def open_job(spec: Path, store_url: str, as_of: datetime | None, retraining: bool = False) -> Job:
    """The job of a spec file, as of the time that was asked for or that `choose_as_of` chooses.

    Its tier may be raised by what the store's ledger knows of other models; its identity is that of the file.
    """
    job = Job(read_spec(spec), store_url, datetime.min, retraining)
    state = job.ledger().state()
    file = replace(job.file, spec=raised_by_graph(job.spec, state))
    return replace(job, file=file, as_of=choose_as_of(file, state, as_of))


def release_id(file: SpecFile, as_of: datetime, retraining: bool = False) -> str:
    """`NAME-` and ten hex digits. What was trained anew is held to more, so it is another release."""
    about: dict[str, Any] = {"spec": file.digest, "as_of": as_of.isoformat()}
    about |= {"retraining": True} if retraining else {}
    return f"{file.spec.model.name}-{digest_of(about)[7:17]}"


def choose_as_of(file: SpecFile, state: State, asked: datetime | None) -> datetime:
    """What was asked for, else what the spec says, else that of the last release of this very spec, else now.

    So the same command again resumes, or finds, the same release; new data wants a new as-of.
    """
    said = asked or file.spec.data.as_of
    if said is not None:
        return said.astimezone(UTC).replace(tzinfo=None) if said.tzinfo else said
    same = [item for item in state.releases.values() if item.spec_digest == file.digest]
    return datetime.fromisoformat(same[-1].as_of) if same else datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def champion(job: Job, state: State) -> Release | None:
    """The release that serves now, if any."""
    current = state.models.get(job.spec.model.name)
    return state.releases[current] if current else None


def read_data(store: Store, manifest: Manifest) -> pd.DataFrame:
    """The snapshot's rows."""
    return pd.read_parquet(io.BytesIO(store.get_blob(manifest["blobs"]["data"])))


def read_part(store: Store, manifest: Manifest, part: int) -> pd.DataFrame:
    """The snapshot's training rows (0), test rows (1) or calibration rows (2)."""
    split = np.frombuffer(store.get_blob(manifest["blobs"]["split"]), dtype=np.int8)
    rows: pd.DataFrame = read_data(store, manifest)[split == part]
    return rows.reset_index(drop=True)


def dossier_places(job: Job, release: Release) -> dict[str, str]:
    """Where the release's page lies; of a store that is no directory, also where this account has a copy to open."""
    store = job.store()
    places = {"dossier": store.place(f"dossiers/{release.id}.html")}
    if "://" in store.url and release.dossier_digest:
        page = job.ledger().verdict(release)["blobs"]["page"]
        places["dossier_copy"] = str(named_copy(store, page, f"dossiers/{release.id}.html"))
    return places


def new_ledger(store_url: str) -> Ledger:
    """The ledger of a store that is made if nothing is there yet."""
    return Ledger(open_store(store_url), home())


def open_ledger(store_url: str) -> Ledger:
    """The ledger of a store that was opened before. Raises CannotAsk where nothing is there."""
    ledger = Ledger(open_store(store_url), home())
    if ledger.is_new():
        raise CannotAsk(
            f"{store_url}: expected a store, found nothing there. `seatrial release SPEC --store` makes one."
        )
    return ledger
