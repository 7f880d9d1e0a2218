"""What a check is: it measures one thing about one release; a suite of expectations judges what it found."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from expectations.history import Release
from expectations.records import Evidence, metric_rows
from infra.candidates import open_skops
from infra.evidence_store import get_json
from infra.gateway.client import Client
from infra.gateway.trial import trial_gateway
from infra.packages import open_package
from infra.runtime import Scorer
from tasks.drawing import Plot
from tasks.job import Job, Manifest, champion, read_data, read_part
from tasks.split import CALIBRATION, TEST, TRAIN

__all__ = [
    "CALIBRATION",
    "TEST",
    "TRAIN",
    "Check",
    "Subject",
    "not_applicable",
    "on_package",
    "on_package_and_champion",
]


@dataclass(frozen=True)
class Subject:
    """What is asked about: the frozen data, the trained candidate and its package, all by reference."""

    job: Job
    manifest: Manifest
    trained: Mapping[str, Any] = field(default_factory=dict)
    packed: Mapping[str, Any] = field(default_factory=dict)

    def data(self) -> pd.DataFrame:
        """Every row of the snapshot."""
        return read_data(self.job.store(), self.manifest)

    def part(self, part: int) -> pd.DataFrame:
        """The rows of TRAIN, of TEST or of CALIBRATION."""
        return read_part(self.job.store(), self.manifest, part)

    def candidate(self) -> Any:
        """The trained estimator, its types allowed."""
        return open_skops(self.job.store().blob_path(self.trained["candidate"]), self.job.spec.candidate.trusted_types)

    def scorer(self) -> Scorer:
        """The package, loaded as production loads it."""
        return open_package(self.job.store(), self.packed["package"])

    def gateway(self, live: bool = True) -> AbstractContextManager[Client]:
        """A client of a gateway that serves the package as production will, for as long as the context lasts; without
        `live`, from its frozen tables alone."""
        return trial_gateway(self.job.store(), self.packed["package"], self.job.spec, live)

    def champion(self) -> Release | None:
        """The release that serves now, if any."""
        return champion(self.job, self.job.ledger().state())

    def champion_manifest(self) -> Manifest | None:
        """What the champion was trained and tested on."""
        serving = self.champion()
        if serving is None:
            return None
        manifest: Manifest = get_json(self.job.store(), self.blobs_of(serving)["manifest"])
        return manifest

    def blobs_of(self, release: Release) -> dict[str, str]:
        """What a judged release's verdict was given on, by name."""
        return dict(self.job.ledger().verdict(release)["blobs"])


@dataclass(frozen=True)
class Check:
    """`step` names it; the answer is kept for as long as what it `depends_on` is the same.

    `title` and `question` head its part of the dossier, `plots` are its pictures: of evidence and the spec as JSON.
    """

    step: str
    measure: Callable[[Subject], Evidence]
    depends_on: Callable[[Subject], dict[str, Any]]
    title: str = ""
    question: str = ""
    plots: Callable[[Evidence, Mapping[str, Any]], list[Plot | None]] | None = None


def not_applicable(step: str, reason: str) -> Evidence:
    """The evidence of a check that has nothing to ask of; the reason is a sentence."""
    return Evidence(step, metric_rows([]), pd.DataFrame(), {"not_applicable": reason})


def on_package(subject: Subject) -> dict[str, Any]:
    """For checks that ask of the package alone."""
    return {"package": subject.packed["package"]}


def on_package_and_champion(subject: Subject) -> dict[str, Any]:
    """For checks that ask of the package beside what serves."""
    serving = subject.champion()
    return {**on_package(subject), "champion": serving.id if serving else None}
