"""The pre-production flow: from a spec to "waits for decisions", or a stop with its reasons."""

import logging
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run
from prefect.task_runners import ThreadPoolTaskRunner

from expectations.risk import tier_words
from expectations.verdicts import Finding, Outcome, worst
from flows import events
from tasks import compare, compress, data_checks, latency, quality, steps
from tasks.check import Check, Subject
from tasks.guards import evidence as guards
from tasks.job import open_job
from tasks.qualification.registry import CHECKS
from tasks.retraining import echo

# The as-of of a run by the clock.
SCHEDULED = "scheduled"
# One after the other, so that latency is undisturbed; what the tier asks besides comes after them, side by side. All
# are asked, so that all reasons are told at once.
ALONE = (quality.CHECK, guards.CHECK, latency.CHECK, compare.CHECK)

PROGRESS = logging.getLogger("seatrial.progress")


def tell(step: str, words: str) -> None:
    """One line for whoever watches: the terminal, and the run's log in Prefect."""
    PROGRESS.info("%-12s %s", step, words)


# Two at once, whatever the machine: every check keeps its own rows in memory.
SIDE_BY_SIDE: Any = ThreadPoolTaskRunner(max_workers=2)


@flow(name="release", validate_parameters=False, task_runner=SIDE_BY_SIDE)
def release(spec: str, store: str, as_of: str | None = None, retraining: bool = False) -> dict[str, Any]:
    """Runs, or resumes, one release. Returns its id, outcome, findings and dossier.

    As of `scheduled` it takes the data as they are when the run is due: each run by the clock is a new release, and a
    retry of it goes on with the same one.
    """
    job = open_job(Path(spec), store, _moment(as_of), retraining)
    steps.start(job)
    tell("tier", tier_words(job.spec.risk.told()))
    opened = steps.access(job)
    tell("access", f"{len({finding.expectation.split(':')[0] for finding in opened})} source(s) reached")
    if not worst(finding.outcome for finding in opened).lets_through:
        return _answer(job.release, opened, None)
    manifest = steps.take_snapshot(job)
    tell(
        "snapshot", f"{manifest['rows']:,} rows × {len(manifest['columns'])} columns, {manifest['content_digest'][:19]}"
    )
    subject = Subject(job, manifest)
    references: dict[str, Any] = {}
    findings = opened + _ask(data_checks.CHECK, subject, references)
    if _goes_on(findings):
        findings += _refused_early(subject)
    if _goes_on(findings):
        subject = replace(subject, trained=steps.make_candidate(subject))
        tell("train", f"candidate {subject.trained['candidate'][:19]}")
        subject = replace(subject, packed=steps.convert_and_package(subject))
        findings += _conversion(subject, references)
    if _goes_on(findings):
        findings += _ask(compress.CHECK, subject, references)
        subject, findings = _simplest(subject, references, findings)
    if _goes_on(findings):
        subject = replace(subject, packed=steps.guard_package(subject))
        references["package"] = subject.packed["proof"]
        findings += _judge(subject, references["package"])
    if _goes_on(findings):
        findings += [finding for check in ALONE for finding in _ask(check, subject, references)]
        findings += _ask(echo.CHECK, subject, references) if job.retraining else []
        findings += _side_by_side(subject, references)
        findings += _covered(subject, references, findings)
    findings += steps.tell_waivers(subject, findings) if job.spec.risk.waivers else []
    blobs = {**manifest["blobs"], **subject.trained, **subject.packed.get("blobs", {})}
    dossier = steps.write_dossier(subject, references, findings, blobs)
    steps.record_verdict(subject, references, dossier, findings)
    create_markdown_artifact(_table(findings), key="verdict", description=f"Verdict on {job.release}")
    tell("dossier", f"dossiers/{job.release}.html")
    events.tell_waiting(store, job.ledger().state().releases[job.release])
    answer = _answer(job.release, findings, dossier["dossier"])
    return answer | {"recommendation": references.get("compression", {}).get("facts", {}).get("recommendation")}


def _moment(as_of: str | None) -> datetime | None:
    if as_of != SCHEDULED:
        return datetime.fromisoformat(as_of) if as_of else None
    due = cast(datetime, flow_run.scheduled_start_time)
    return due.astimezone(UTC).replace(tzinfo=None, microsecond=0)


def _simplest(subject: Subject, references: dict[str, Any], findings: list[Finding]) -> tuple[Subject, list[Finding]]:
    """With `model.compress: auto` the recommended model is released in the candidate's place, on a proof of its own."""
    instead = references["compression"]["facts"].get("release_instead")
    if instead is None:
        return subject, findings
    tell("compression", f"{instead['name']!r} takes the candidate's place")
    trained = {"candidate": instead["candidate"], "replaced": subject.trained["candidate"]}
    subject = replace(subject, trained=trained)
    subject = replace(subject, packed=steps.convert_and_package(subject))
    return subject, [f for f in findings if f.step != "conversion"] + _conversion(subject, references)


def _refused_early(subject: Subject) -> list[Finding]:
    """What needs no training on all rows to be refused; nothing where there is no such reason."""
    answer = steps.ask_convertible(subject)
    tell("convertible", answer.get("told", "refused before training"))
    return [_refused(answer["refused"])] if "refused" in answer else []


def _refused(why: str) -> Finding:
    remedy = "Use an estimator that converts; `seatrial check` tells in seconds."
    return Finding("conversion", "converts", Outcome.FAILED, "critical", "an ONNX graph", why, remedy)


def _conversion(subject: Subject, references: dict[str, Any]) -> list[Finding]:
    if refused := subject.packed.get("refused"):
        tell("convert", "refused")
        return [_refused(refused)]
    references["conversion"] = subject.packed["evidence"]
    return _judge(subject, references["conversion"])


def _ask(check: Check, subject: Subject, references: dict[str, Any]) -> list[Finding]:
    references[check.step] = steps.measure(check, subject)
    return _judge(subject, references[check.step])


def _side_by_side(subject: Subject, references: dict[str, Any]) -> list[Finding]:
    """What the tier asks: measured by the flow's task runner, judged in the order of the dossier."""
    asked = [check for check in CHECKS if check.step in subject.job.tier.checks]
    for check, running in [(check, steps.measure.submit(check, subject)) for check in asked]:
        references[check.step] = running.result()
    return [finding for check in asked for finding in _judge(subject, references[check.step])]


def _covered(subject: Subject, references: dict[str, Any], findings: list[Finding]) -> list[Finding]:
    """After all others: which origins of risk they leave open."""
    references["coverage"], found = steps.cover(subject, findings)
    tell("coverage", f"{worst(one.outcome for one in found)} ({len(found)} origins of risk)")
    return found


def _judge(subject: Subject, reference: dict[str, Any]) -> list[Finding]:
    findings = steps.judged(subject, reference)
    outcome = worst(finding.outcome for finding in findings)
    tell(reference["step"], f"{outcome} ({len(findings)} expectations)")
    return findings


def _goes_on(findings: list[Finding]) -> bool:
    return worst(finding.outcome for finding in findings).lets_through


def _answer(release_id: str, findings: list[Finding], dossier: str | None) -> dict[str, Any]:
    outcome = worst(finding.outcome for finding in findings)
    told = [finding.as_json() for finding in findings]
    return {"release": release_id, "outcome": outcome.value, "findings": told, "dossier_digest": dossier}


def _table(findings: list[Finding]) -> str:
    rows = [f"| {f.outcome} | {f.step} | {f.expectation} | {f.expected} | {f.found} |" for f in findings]
    return "\n".join(["| outcome | step | expectation | expected | found |", "|---|---|---|---|---|", *rows])
