"""The steps of a release as Prefect tasks: each opens the store, calls one function, and returns references.

A finished step is known in the store by the digest of its inputs (`once`), so a crash, a retry and another machine
resume alike. Access is never remembered.
"""

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import task

from expectations import waivers
from expectations.attached import attached
from expectations.coverage import coverage, judge_coverage
from expectations.expectation import METRIC
from expectations.hiding import hidden_columns
from expectations.judge import judge
from expectations.records import Evidence, digest_of
from expectations.suites.every import suite_of
from expectations.verdicts import Finding, Outcome, worst
from infra import workshop
from infra.answers import once
from infra.evidence_store import Reference, get_evidence, put_evidence, put_json
from infra.keys import home
from infra.packages import versions
from tasks import access as access_step
from tasks import convert, convertible, dossier, package, record, sign, snapshot, train
from tasks.again import AGAIN
from tasks.bom import bill_of
from tasks.check import Check, Subject
from tasks.conversion.trials import try_out
from tasks.coverage import build_coverage
from tasks.dossier_page import render
from tasks.guards import step
from tasks.job import Job, Manifest
from tasks.junit import junit_xml
from tasks.lookups import lookup_blob

VERSION = 13  # Raised when a step's answer changes; finished steps of older versions are not taken.


def _inputs(job: Job, **more: Any) -> dict[str, Any]:
    return {"release": job.release, "version": VERSION, **more}


@task(name="start", **AGAIN)
def start(job: Job) -> None:
    """Appends that this release was begun, once."""
    job.ledger().decide_and_append(lambda state: record.started(job, state))


@task(name="access", **AGAIN)
def access(job: Job) -> list[Finding]:
    """Every source reached as production would: a finding per check. Raises CannotAsk where one is away."""
    evidence = access_step.measure_access(job.spec.data, job.file.root, job.as_of, workshop.table_reader())
    return access_step.findings(evidence)


@task(name="snapshot", **AGAIN)
def take_snapshot(job: Job) -> dict[str, Any]:
    """The frozen data's manifest."""
    store = job.store()

    def build() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            manifest = snapshot.build_snapshot(job.spec.data, job.file.root, job.as_of, out, workshop.table_reader())
            blobs = {"data": store.put_blob(out / "data.parquet"), "split": store.put_blob(out / "split.bin")}
            for at, lookup in enumerate(manifest["lookups"]):
                blobs[lookup_blob(lookup["source"])] = store.put_blob(out / f"lookup-{at}.parquet")
            return {**manifest, "blobs": blobs}

    return once(store, home(), "snapshot", _inputs(job), build)


@task(name="measure", task_run_name="{check.step}", **AGAIN)
def measure(check: Check, subject: Subject) -> Reference:
    """What one check found, kept for as long as what it depends on is the same."""
    store = subject.job.store()
    inputs = _inputs(subject.job, **check.depends_on(subject))
    return once(store, home(), check.step, inputs, lambda: put_evidence(store, check.measure(subject)))


@task(name="judge", **AGAIN)
def judged(subject: Subject, reference: Reference) -> list[Finding]:
    """What the suites say of one step's evidence."""
    job, evidence = subject.job, get_evidence(subject.job.store(), reference)
    if reason := evidence.facts.get("not_applicable"):
        return [Finding(evidence.step, evidence.step, Outcome.NOT_APPLICABLE, "critical", "an answer", str(reason))]
    theirs = attached(job.ledger().state(), job.spec.model.name, evidence.step)
    if evidence.step == "data" and (job.spec.expectations.data or any(item.type != METRIC for item in theirs)):
        evidence = Evidence("data", evidence.metrics, subject.data())
    names = [str(name) for name in evidence.metrics["metric"]]
    hidden = hidden_columns(job.spec.data.model_dump())
    suite = [*suite_of(evidence.step, job.spec, names), *theirs]
    return _waivers(job).let_through(judge(evidence, suite, strict=job.tier.strict, hidden=hidden))


def _waivers(job: Job) -> waivers.Waivers:
    # The day on which it is judged, not that of the data: a waiver must not outlive its last day by an old as-of.
    return waivers.waivers_of(job.spec.risk, job.ledger().state(), datetime.now(UTC).date())


@task(name="coverage", **AGAIN)
def cover(subject: Subject, findings: list[Finding]) -> tuple[Reference, list[Finding]]:
    """Which origins of risk the findings cover: the table, and a finding for each origin."""
    job, store = subject.job, subject.job.store()
    rows = coverage(findings, job.tier.checks)
    told = digest_of([finding.as_json() for finding in findings])
    reference = once(
        store, home(), "coverage", _inputs(job, told=told), lambda: put_evidence(store, build_coverage(rows))
    )
    return reference, _waivers(job).let_through(judge_coverage(rows, job.tier))


@task(name="waivers", **AGAIN)
def tell_waivers(subject: Subject, findings: list[Finding]) -> list[Finding]:
    """What became of each waiver of the spec."""
    return _waivers(subject.job).told(findings)


@task(name="convertible", **AGAIN)
def ask_convertible(subject: Subject) -> dict[str, Any]:
    """`{"refused": sentence}` where training would be in vain, else `{"told": ...}`."""
    inputs = _inputs(subject.job, data=subject.manifest["content_digest"])
    return once(subject.job.store(), home(), "convertible", inputs, lambda: convertible.refused_early(subject))


@task(name="train", **AGAIN)
def make_candidate(subject: Subject) -> dict[str, Any]:
    """The candidate's digest."""
    store = subject.job.store()

    def build() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            return {"blobs": {"candidate": store.put_blob(train.make_candidate(subject, Path(folder)))}}

    data = subject.manifest["content_digest"]
    candidate: dict[str, Any] = once(store, home(), "train", _inputs(subject.job, data=data), build)["blobs"]
    return candidate


@task(name="convert", **AGAIN)
def convert_and_package(subject: Subject) -> dict[str, Any]:
    """The package and the proof that it is the candidate: `{"evidence": ..., "blobs": ..., "package": digest}`.

    A candidate that nothing converts gives `{"refused": sentence}`.
    """
    job, store = subject.job, subject.job.store()

    def build() -> dict[str, Any]:
        features = job.features(subject.data())
        estimator, name = subject.candidate(), job.spec.model.name
        trials = try_out(estimator, features)
        try:
            graph, evidence = convert.convert(estimator, features, name, job.tier.parity_tolerance, trials)
        except convert.CannotConvert as error:
            return {"refused": str(error)}
        packed = package.pack(store, graph, evidence, trials)
        return {**packed, "blobs": {**packed["blobs"], "package": packed["package"]}}

    return once(store, home(), "convert", _inputs(job, candidate=subject.trained["candidate"]), build)


@task(name="guard", **AGAIN)
def guard_package(subject: Subject) -> dict[str, Any]:
    """The package, and the proof that it is still the candidate: the proven graph inside its guards."""
    job = subject.job
    inputs = _inputs(job, package=subject.packed["package"], data=subject.manifest["content_digest"])
    return once(job.store(), home(), "guard", inputs, lambda: step.guard(subject))


@task(name="dossier", **AGAIN)
def write_dossier(
    subject: Subject, references: Mapping[str, Reference], findings: list[Finding], blobs: Mapping[str, str]
) -> dict[str, Any]:
    """One page and its machine-readable twin, signed; the digest that people decide on."""
    job, store, outcome = subject.job, subject.job.store(), worst(finding.outcome for finding in findings)

    def build() -> dict[str, Any]:
        evidence = {step: get_evidence(store, reference) for step, reference in references.items()}
        about = dossier.about(job, subject.champion(), versions(), findings, outcome)
        spec = job.spec.model_dump(mode="json")
        document = dossier.build_document(about, spec, dict(subject.manifest), evidence, findings, outcome)
        page, junit = render(document, spec, evidence, findings, outcome), junit_xml(job.release, findings)
        store.put_if_absent(f"dossiers/{job.release}.html", page.encode())
        kept = {
            "page": store.put_blob(page.encode()),
            "document": put_json(store, document),
            "junit": store.put_blob(junit),
        }
        kept |= blobs
        if bill := bill_of(subject, evidence):
            store.put_if_absent(f"dossiers/{job.release}.bom.json", bill)
            kept["bom"] = store.put_blob(bill)
        # What was measured stays for as long as the record that names it, whatever becomes of the steps' answers.
        for measured, reference in references.items():
            kept |= {f"{measured} {name}": digest for name, digest in reference["blobs"].items()}
        digest = put_json(store, {"release": job.release, "blobs": kept})
        return {"dossier": digest, "blobs": {**kept, "dossier": digest}}

    told = digest_of({"findings": [finding.as_json() for finding in findings], "evidence": dict(references)})
    written = once(store, home(), "dossier", _inputs(job, told=told), build)
    may_serve = subject.packed.get("package") if outcome.lets_through else None
    signed = once(
        store,
        home(),
        "sign",
        _inputs(job, dossier=written["dossier"], package=may_serve),
        lambda: sign.sign_release(store, home(), written["blobs"], may_serve),
    )
    return {**written, "blobs": {**written["blobs"], **signed["blobs"]}}


@task(name="record", **AGAIN)
def record_verdict(
    subject: Subject, references: Mapping[str, Reference], written: Mapping[str, Any], findings: list[Finding]
) -> None:
    """Appends the verdict: "waits for N decisions on digest D", or "stopped"."""
    job, store = subject.job, subject.job.store()
    manifest: Manifest = dict(subject.manifest)
    told = {
        "dossier_digest": written["dossier"],
        "package_digest": subject.packed.get("package"),
        "metrics": record.figures(store, references),
        "downstream_asked": record.asked_downstream(references),
        "waived": waivers.used(findings),
        "blobs": {**written["blobs"], "manifest": put_json(store, manifest)},
    }
    outcome = worst(finding.outcome for finding in findings)
    job.ledger().decide_and_append(lambda state: record.judged(job, state, outcome, told))
