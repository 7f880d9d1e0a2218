"""Releases of models that feed each other, in a real store, without Prefect: packaged, judged and promoted."""

from pathlib import Path

import people

from expectations.verdicts import Finding, Outcome
from tasks import steps
from tasks.check import Subject
from tasks.job import open_job
from tasks.qualification.interactions import CHECK

FINE = [Finding("quality", "all", Outcome.PASSED, "critical", "", "")]


def packaged(spec: Path, store: str) -> Subject:
    """A release up to its guarded package."""
    job = open_job(spec, store, None)
    steps.start.fn(job)
    subject = Subject(job, steps.take_snapshot.fn(job))
    subject = Subject(job, subject.manifest, steps.make_candidate.fn(subject))
    subject = Subject(job, subject.manifest, subject.trained, steps.convert_and_package.fn(subject))
    return Subject(job, subject.manifest, subject.trained, steps.guard_package.fn(subject))


def judged(subject: Subject, findings=FINE) -> str:
    """With its verdict, a real dossier and its signature in the store; its id."""
    references = {"interactions": steps.measure.fn(CHECK, subject)}
    blobs = {**subject.manifest["blobs"], **subject.trained, **subject.packed.get("blobs", {})}
    written = steps.write_dossier.fn(subject, references, findings, blobs)
    steps.record_verdict.fn(subject, references, written, findings)
    return subject.job.release


def promoted(subject: Subject) -> str:
    """A release that serves: judged, approved by as many as it takes; its id."""
    release, ledger, model = judged(subject), subject.job.ledger(), subject.job.spec.model.name
    for who in ("vera", people.FOUNDER)[: subject.job.approvals]:
        people.say(ledger, model, release, who)
    body = {"release": release, "without_rollout": "a test"}
    ledger.decide_and_append(lambda _: ("promoted", model, body))
    return release


def asked(subject: Subject) -> tuple[list[Finding], dict]:
    """What the check says of it, and its facts."""
    reference = steps.measure.fn(CHECK, subject)
    return steps.judged.fn(subject, reference), reference["facts"]
