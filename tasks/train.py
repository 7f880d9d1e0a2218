"""The candidate: trained from the training part in a process of its own, or as it was given; always as skops."""

from pathlib import Path

import pandas as pd

from expectations.errors import CannotAsk
from infra import workshop
from infra.candidates import open_skops, scan_pickle
from tasks.check import TRAIN, Subject
from tasks.ensemble import train_ensemble
from tasks.job import Job


def make_candidate(subject: Subject, folder: Path) -> Path:
    """Writes `candidate.skops` into `folder`. Raises CannotAsk where there is none, or one that nobody allowed."""
    origin, out = subject.job.spec.candidate, folder / "candidate.skops"
    if origin.functions or origin.members:
        train_candidate(subject.job, subject.part(TRAIN), out, origin.timeout_minutes)
    else:
        _take(subject.job.file.root / (origin.skops or origin.pickle or ""), bool(origin.pickle), out, subject)
    open_skops(out, origin.trusted_types, origin.skops or "")
    return out


def train_candidate(job: Job, rows: pd.DataFrame, out: Path, minutes: float) -> None:
    """Writes what the spec's function, or the functions of its members, make of these rows to `out` as skops. Each may
    take so many minutes. Beside `out` lies what they were given."""
    if job.spec.candidate.members:
        train_ensemble(job, rows, out, minutes)
        return
    function, target, frame = str(job.spec.candidate.train), job.spec.data.target, out.with_name("frame.parquet")
    job.features(rows).assign(**{target: rows[target]}).to_parquet(frame, index=False)
    workshop.train(job.file.root, function, frame, target, out, job.spec.seed, minutes)


def _take(given: Path, pickled: bool, out: Path, subject: Subject) -> None:
    if not given.is_file():
        raise CannotAsk(f"candidate: expected a model file at {given}, found none.")
    if pickled:
        scan_pickle(given)
        workshop.unpickle(given, out, subject.job.spec.candidate.timeout_minutes)
    else:
        out.write_bytes(given.read_bytes())
