"""The pre-production flow: from a spec to "waits for decisions", or a stop with its reasons."""

import logging
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from expectations.verdicts import Finding, Outcome, worst
from tasks import steps
from tasks.job import open_job

PROGRESS = logging.getLogger("seatrial.progress")


def tell(step: str, words: str) -> None:
    """One line for whoever watches: the terminal, and the run's log in Prefect."""
    PROGRESS.info("%-11s %s", step, words)


@flow(name="release", validate_parameters=False)
def release(spec: str, store: str, as_of: str) -> dict[str, Any]:
    """Runs, or resumes, one release. Returns its id, outcome, findings and dossier."""
    job = open_job(Path(spec), store, datetime.fromisoformat(as_of))
    steps.start(job)
    opened = steps.access(job)
    tell("access", f"{len({finding.expectation.split(':')[0] for finding in opened})} source(s) reached")
    if not worst(finding.outcome for finding in opened).lets_through:
        return _answer(job.release, opened, None)
    manifest = steps.snapshot(job)
    tell(
        "snapshot", f"{manifest['rows']:,} rows × {len(manifest['columns'])} columns, {manifest['content_digest'][:19]}"
    )
    references = {"data": steps.check_data(job, manifest)}
    findings = opened + _judge(job, references["data"], manifest)
    packed: dict[str, Any] = {}
    trained: dict[str, Any] = {}
    if _goes_on(findings):
        trained = steps.train(job, manifest)
        tell("train", f"candidate {trained['candidate'][:19]}")
        packed = steps.convert_and_package(job, manifest, trained)
        findings += _conversion(job, packed, manifest, references)
    if _goes_on(findings):
        findings += _qualify(job, manifest, trained, packed, references)
    blobs = {**manifest["blobs"], **trained, **packed.get("blobs", {})}
    dossier = steps.write_dossier(job, manifest, references, findings, blobs)
    steps.record(job, manifest, packed, references, dossier, worst(finding.outcome for finding in findings))
    create_markdown_artifact(_table(findings), key="verdict", description=f"Verdict on {job.release}")
    tell("dossier", f"dossiers/{job.release}.html")
    return _answer(job.release, findings, dossier["dossier"])


def _conversion(job: Any, packed: dict[str, Any], manifest: Any, references: dict[str, Any]) -> list[Finding]:
    if "refused" in packed:
        remedy = "Use an estimator that converts; `seatrial check` tells in seconds."
        tell("convert", "refused")
        return [
            Finding("conversion", "converts", Outcome.FAILED, "critical", "an ONNX graph", packed["refused"], remedy)
        ]
    references["conversion"] = packed["evidence"]
    return _judge(job, packed["evidence"], manifest)


def _qualify(
    job: Any, manifest: Any, trained: dict[str, Any], packed: dict[str, Any], references: dict[str, Any]
) -> list[Finding]:
    """All are asked, so that all reasons are told at once; one after the other, so that latency is undisturbed."""
    references["quality"] = steps.measure_quality(job, manifest, packed)
    findings = _judge(job, references["quality"], manifest)
    references["latency"] = steps.measure_latency(job, manifest, trained, packed)
    findings += _judge(job, references["latency"], manifest)
    references["comparison"] = steps.measure_comparison(job, manifest, packed)
    return findings + _judge(job, references["comparison"], manifest)


def _judge(job: Any, reference: dict[str, Any], manifest: Any) -> list[Finding]:
    findings = steps.judged(job, reference, manifest)
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
