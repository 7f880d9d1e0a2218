"""The steps of a release as Prefect tasks: each opens the store, calls one function, and returns references.

A finished step is known in the store by the digest of its inputs (`once`), so a crash, a retry and another machine
resume alike. Access is never remembered.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from prefect import task

from expectations import suites
from expectations.errors import CannotAsk
from expectations.history import State
from expectations.judge import judge
from expectations.records import Evidence, digest_of, metric_rows
from expectations.verdicts import Finding, Outcome, worst
from infra import workshop
from infra.candidates import open_skops, scan_pickle
from infra.evidence_store import Reference, get_evidence, get_json, put_evidence, put_json
from infra.runtime import Predictions, Scorer
from infra.store import Store, once
from tasks import compare, convert, latency, package, quality
from tasks.access import measure_access
from tasks.data_checks import measure_data
from tasks.dossier import build_dossier
from tasks.job import Job, Manifest, champion, read_data, read_part
from tasks.snapshot import build_snapshot

VERSION = 1  # Raised when a step's answer changes; finished steps of older versions are not taken.


def _inputs(job: Job, **more: Any) -> dict[str, Any]:
    return {"release": job.release, "version": VERSION, **more}


def could_pass_later(_task: Any, _run: Any, state: Any) -> bool:
    """Only what the world answered is asked again: a sentence about bad input stays true."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, OSError | CannotAsk)


@task(name="start")
def start(job: Job) -> None:
    """Appends that this release was begun, once."""

    def decide(state: State) -> tuple[str, str, dict[str, Any]] | None:
        if job.release in state.releases:
            return None
        body = {
            "release": job.release,
            "spec_digest": job.file.digest,
            "as_of": job.as_of.isoformat(),
            "developers": list(job.spec.model.developers),
            "approvals_needed": job.approvals,
        }
        return "release started", job.spec.model.name, body

    job.ledger().decide_and_append(decide)


@task(name="access", retries=1, retry_delay_seconds=2, retry_condition_fn=could_pass_later)
def access(job: Job) -> list[Finding]:
    """Every source reached as production would: a finding per check. Raises CannotAsk where one is away."""
    evidence = measure_access(job.spec.data, job.file.root, job.as_of, workshop.table_reader())
    rows = evidence.records.to_dict("records")
    away = [row for row in rows if row["outcome"] == Outcome.ERRORED]
    if away:
        raise CannotAsk.all_of(
            f"{r['source']}: expected {r['expected']}, found {r['found']}. {r['remedy']}" for r in away
        )
    return [_access_finding(row) for row in rows]


def _access_finding(row: Mapping[Any, Any]) -> Finding:
    name = f"{row['source']}: {row['check']}"
    outcome = Outcome(row["outcome"])
    return Finding("access", name, outcome, "critical", str(row["expected"]), str(row["found"]), str(row["remedy"]))


@task(name="snapshot", retries=1, retry_delay_seconds=2, retry_condition_fn=could_pass_later)
def snapshot(job: Job) -> dict[str, Any]:
    """The frozen data's manifest."""
    store = job.store()

    def build() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            manifest = build_snapshot(job.spec.data, job.file.root, job.as_of, out, workshop.table_reader())
            blobs = {"data": store.put_blob(out / "data.parquet"), "split": store.put_blob(out / "split.bin")}
            return {**manifest, "blobs": blobs}

    return once(store, "snapshot", _inputs(job), build)


@task(name="check data")
def check_data(job: Job, manifest: Manifest) -> Reference:
    """Against the champion's data, or the training part against the test part where nothing serves yet."""
    store = job.store()
    serving = champion(job, job.ledger().state())
    reference = get_json(store, serving.blobs["manifest"]) if serving else None

    def measure() -> Reference:
        if reference:
            old, new = read_data(store, reference), read_data(store, manifest)
        else:
            old, new = read_part(store, manifest, 0), read_part(store, manifest, 1)
        classify = job.spec.model.task != "regression"
        ignored = [job.spec.data.rows.event_time] if job.spec.data.rows.event_time else []
        frames = [pl.from_pandas(frame.drop(columns=ignored, errors="ignore")) for frame in (old, new)]
        return put_evidence(store, measure_data(frames[0], frames[1], job.spec.data.target, job.positive, classify))

    against = reference["content_digest"] if reference else None
    return once(store, "data", _inputs(job, data=manifest["content_digest"], against=against), measure)


@task(name="judge")
def judged(job: Job, reference: Reference, manifest: Manifest) -> list[Finding]:
    """What the suites say of one step's evidence."""
    store = job.store()
    evidence = get_evidence(store, reference)
    names = [str(name) for name in evidence.metrics["metric"]]
    if evidence.step == "data":
        records = read_data(store, manifest) if job.spec.expectations.data else evidence.records
        about = Evidence("data", evidence.metrics, records)
        return judge(about, [*suites.data_suite(job.spec, names), *job.spec.expectations.data], strict=job.tier.strict)
    suite = {
        "conversion": suites.conversion_suite(job.spec),
        "quality": suites.quality_suite(job.spec),
        "latency": suites.latency_suite(job.spec),
        "comparison": suites.comparison_suite(job.spec, [name for name in names if name.startswith("drop:")]),
    }[evidence.step]
    if evidence.facts.get("not_applicable"):
        reason = str(evidence.facts["not_applicable"])
        return [Finding("comparison", "improvement", Outcome.NOT_APPLICABLE, "critical", "not worse", reason)]
    return judge(evidence, suite, strict=job.tier.strict)


@task(name="train")
def train(job: Job, manifest: Manifest) -> dict[str, Any]:
    """The candidate as a skops file: trained from the training part in a process of its own, or as it was given."""
    store, origin = job.store(), job.spec.candidate

    def build() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "candidate.skops")
            _make_candidate(job, manifest, Path(folder), out)
            open_skops(out, origin.trusted_types)
            return {"candidate": store.put_blob(out)}

    return once(store, "train", _inputs(job, data=manifest["content_digest"]), build)


def _make_candidate(job: Job, manifest: Manifest, folder: Path, out: Path) -> None:
    origin = job.spec.candidate
    if origin.train:
        rows = read_part(job.store(), manifest, 0)
        frame = job.features(rows).assign(**{job.spec.data.target: rows[job.spec.data.target]})
        frame.to_parquet(folder / "frame.parquet", index=False)
        place = folder / "frame.parquet"
        workshop.train(
            job.file.root, origin.train, place, job.spec.data.target, out, job.spec.seed, origin.timeout_minutes
        )
        return
    given = job.file.root / (origin.skops or origin.pickle or "")
    if not given.is_file():
        raise CannotAsk(f"candidate: expected a model file at {given}, found none.")
    if origin.skops:
        out.write_bytes(given.read_bytes())
    else:
        scan_pickle(given)
        workshop.unpickle(given, out, origin.timeout_minutes)


def candidate_of(job: Job, store: Store, trained: Mapping[str, Any]) -> Any:
    """The trained estimator, its types allowed."""
    return open_skops(store.blob_path(trained["candidate"]), job.spec.candidate.trusted_types)


@task(name="convert")
def convert_and_package(job: Job, manifest: Manifest, trained: Mapping[str, Any]) -> dict[str, Any]:
    """The package and the proof that it is the candidate: `{"evidence": ..., "blobs": ..., "package": digest}`.

    A candidate that nothing converts gives `{"refused": sentence}`.
    """
    store = job.store()

    def build() -> dict[str, Any]:
        features = job.features(read_data(store, manifest))
        try:
            graph, evidence = convert.convert(
                candidate_of(job, store, trained), features, job.spec.model.name, job.tier.parity_tolerance
            )
        except convert.CannotConvert as error:
            return {"refused": str(error)}
        return _pack(store, graph, evidence, features)

    return once(store, "convert", _inputs(job, candidate=trained["candidate"]), build)


def _pack(store: Store, graph: bytes, evidence: Evidence, features: pd.DataFrame) -> dict[str, Any]:
    scorer = Scorer(graph)
    golden = package.golden_records(scorer, features, list(convert.worst_rows(evidence)))
    proven = package.with_golden(evidence, package.replay(scorer, golden), len(golden["values"]))
    blobs = {"graph": store.put_blob(graph), "golden": put_json(store, golden)}
    content = {**blobs, "signature": scorer.signature, "versions": package.versions()}
    return {"evidence": put_evidence(store, proven), "blobs": blobs, "package": put_json(store, content)}


@task(name="quality")
def measure_quality(job: Job, manifest: Manifest, packed: Mapping[str, Any]) -> Reference:
    """The package on records that training never saw."""
    store = job.store()

    def measure() -> Reference:
        test, learned = read_part(store, manifest, 1), job.target(read_part(store, manifest, 0))
        said = _said(job, store, packed["blobs"]["graph"], test)
        guess = quality.guess_from(learned, said.classes, len(test))
        actual = job.target(test)
        return put_evidence(
            store, quality.measure_quality(actual, said, guess, job.spec.cost, job.positive, job.tier.min_records)
        )

    return once(store, "quality", _inputs(job, package=packed["package"]), measure)


def _said(job: Job, store: Store, graph: str, rows: pd.DataFrame) -> Predictions:
    return Scorer(store.get_blob(graph)).score(job.features(rows))


@task(name="latency")
def measure_latency(job: Job, manifest: Manifest, trained: Mapping[str, Any], packed: Mapping[str, Any]) -> Reference:
    """Measured once per release and kept: times are no function of their inputs."""
    store = job.store()

    def measure() -> Reference:
        test = job.features(read_part(store, manifest, 1))
        scorer = Scorer(store.get_blob(packed["blobs"]["graph"]))
        return put_evidence(store, latency.measure_latency(candidate_of(job, store, trained), scorer, test))

    return once(store, "latency", _inputs(job, package=packed["package"]), measure)


@task(name="compare")
def measure_comparison(job: Job, manifest: Manifest, packed: Mapping[str, Any]) -> Reference:
    """Against the champion on the same records, and every earlier champion's recorded figures."""
    store, state = job.store(), job.ledger().state()
    serving = champion(job, state)

    def measure() -> Reference:
        if serving is None:
            reason = "no version serves yet; the gate `improvement_over_baseline` is asked instead"
            empty = Evidence(
                "comparison", metric_rows([]), pd.DataFrame(), {"not_applicable": reason, "label": "not applicable"}
            )
            return put_evidence(store, empty)
        test = read_part(store, manifest, 1)
        scored = [
            quality.score_records(job.target(test), _said(job, store, graph, test), job.spec.cost, job.positive)
            for graph in (serving.blobs["graph"], packed["blobs"]["graph"])
        ]
        metric = job.spec.comparison.metric or _default_metric(scored)
        found = compare.measure_comparison(
            scored[0], scored[1], metric, job.spec.comparison.margin, job.tier.min_records, _earlier(job, state, metric)
        )
        return put_evidence(
            store, Evidence(found.step, found.metrics, found.records, {**found.facts, "champion": serving.id})
        )

    against = serving.id if serving else None
    return once(store, "compare", _inputs(job, package=packed["package"], champion=against), measure)


def _default_metric(scored: list[pd.DataFrame]) -> str:
    if "squared_error" in scored[0]:
        return "rmse"
    return "log_loss" if all("log_loss" in frame for frame in scored) else "error_rate"


def _earlier(job: Job, state: State, metric: str) -> dict[str, tuple[float, float, float]]:
    served = [
        r for r in state.releases.values() if r.model == job.spec.model.name and r.status in ("champion", "retired")
    ]
    found = {item.id: (item.body or {}).get("metrics", {}).get(metric) for item in served}
    return {name: (values[0], values[1], values[2]) for name, values in found.items() if values and None not in values}


@task(name="dossier")
def write_dossier(
    job: Job, manifest: Manifest, references: Mapping[str, Reference], findings: list[Finding], blobs: Mapping[str, str]
) -> dict[str, Any]:
    """One page and its machine-readable twin; the digest that people decide on."""
    store, outcome = job.store(), worst(finding.outcome for finding in findings)
    serving = champion(job, job.ledger().state())

    def build() -> dict[str, Any]:
        about = {
            "id": job.release,
            "model": job.spec.model.name,
            "as_of": job.as_of.isoformat(),
            "candidate": job.spec.candidate.train or job.spec.candidate.skops or job.spec.candidate.pickle,
            "champion": serving.id if serving else None,
            "versions": package.versions(),
            "approvals_needed": job.approvals,
            "next_step": f"Waits for {job.approvals} decision(s)."
            if outcome.lets_through
            else "Stopped; see the reasons.",
        }
        evidence = {step: get_evidence(store, reference) for step, reference in references.items()}
        spec = job.spec.model_dump(mode="json")
        page, document = build_dossier(about, spec, dict(manifest), evidence, findings, outcome)
        store.put_if_absent(f"dossiers/{job.release}.html", page.encode())
        kept = {"page": store.put_blob(page.encode()), "document": put_json(store, document), **blobs}
        return {"dossier": put_json(store, {"release": job.release, "blobs": kept}), "blobs": kept}

    told = digest_of({"findings": [finding.as_json() for finding in findings], "evidence": dict(references)})
    return once(store, "dossier", _inputs(job, told=told), build)


@task(name="record")
def record(
    job: Job,
    manifest: Manifest,
    packed: Mapping[str, Any],
    references: Mapping[str, Reference],
    dossier: Mapping[str, Any],
    outcome: Outcome,
) -> None:
    """Appends the verdict: "waits for N decisions on digest D", or "stopped"."""
    store = job.store()
    blobs = {**dossier["blobs"], "dossier": dossier["dossier"], "manifest": put_json(store, dict(manifest))}
    metrics = _figures(store, references)

    def decide(state: State) -> tuple[str, str, dict[str, Any]] | None:
        if state.releases[job.release].status != "started":
            return None
        serving = champion(job, state)
        body = {
            "release": job.release,
            "outcome": outcome.value,
            "champion_compared": serving.id if serving else None,
            "approvals_needed": job.approvals,
            "dossier_digest": dossier["dossier"],
            "package_digest": packed.get("package"),
            "metrics": metrics,
            "blobs": blobs,
        }
        return "release judged", job.spec.model.name, body

    job.ledger().decide_and_append(decide)


def _figures(store: Store, references: Mapping[str, Reference]) -> dict[str, list[float | None]]:
    if "quality" not in references:
        return {}
    rows = get_evidence(store, references["quality"]).metrics.to_dict("records")
    return {
        r["metric"]: [float(r[k]) if np.isfinite(r[k]) else None for k in ("value", "lower", "upper")] for r in rows
    }
