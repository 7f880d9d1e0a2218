"""The candidate: trained from the training part in a process of its own, or as it was given; always as skops."""

from pathlib import Path

from expectations.errors import CannotAsk
from infra import workshop
from infra.candidates import open_skops, scan_pickle
from tasks.check import TRAIN, Subject


def make_candidate(subject: Subject, folder: Path) -> Path:
    """Writes `candidate.skops` into `folder`. Raises CannotAsk where there is none, or one that nobody allowed."""
    origin, out = subject.job.spec.candidate, folder / "candidate.skops"
    if origin.train:
        _train(subject, folder / "frame.parquet", out)
    else:
        _take(subject.job.file.root / (origin.skops or origin.pickle or ""), bool(origin.pickle), out, subject)
    open_skops(out, origin.trusted_types, origin.skops or "")
    return out


def _train(subject: Subject, frame: Path, out: Path) -> None:
    job, origin = subject.job, subject.job.spec.candidate
    rows = subject.part(TRAIN)
    job.features(rows).assign(**{job.spec.data.target: rows[job.spec.data.target]}).to_parquet(frame, index=False)
    function = str(origin.train)
    workshop.train(job.file.root, function, frame, job.spec.data.target, out, job.spec.seed, origin.timeout_minutes)


def _take(given: Path, pickled: bool, out: Path, subject: Subject) -> None:
    if not given.is_file():
        raise CannotAsk(f"candidate: expected a model file at {given}, found none.")
    if pickled:
        scan_pickle(given)
        workshop.unpickle(given, out, subject.job.spec.candidate.timeout_minutes)
    else:
        out.write_bytes(given.read_bytes())
