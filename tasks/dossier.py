"""Everything about one release, as JSON for machines and for the page that people read.

Judges nothing and measures nothing: it lays out what the steps measured and what the judge said. The same inputs give
the same bytes.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from expectations.dossier import FORMAT
from expectations.hiding import hidden_columns, without_values
from expectations.history import Release
from expectations.records import Evidence, plain_json
from expectations.risk import Risk, tier_words
from expectations.verdicts import Finding, Outcome
from expectations.waivers import used
from expectations.wording import GATHER, SUPPLY
from tasks.job import Job
from tasks.model_card import build_card, limits_of_use
from tasks.qualification.registry import CHECKS

WORST = 20
STEPS = {
    "data": ("Data", "Is this data what the model was made for?"),
    "conversion": ("Conversion", "Is the exported model the model that was trained?"),
    "compression": ("Compression", "Is there a simpler model that is good enough, and what does a prediction cost?"),
    "package": ("Package", "Is the file with its guards inside still the model that was trained?"),
    "quality": ("Quality", "How good is the package, on records that training never saw?"),
    "guards": ("Guards", "What does the package refuse, does it keep what it promises, and what does it cost?"),
    "latency": ("Latency", "How long does one answer take?"),
    "comparison": ("Comparison", "Is the challenger better than the champion, on the same records?"),
    "echo": ("The model's own part in the data", "Was this data made by the model's own answers?"),
    **{check.step: (check.title, check.question) for check in CHECKS},
    "coverage": ("Risk coverage", "Has every known origin of risk a check that lets the release through?"),
    "waivers": ("Waivers", "What did a named person let through, why, and until when?"),
}
SENTENCES = {
    Outcome.PASSED: "Every expectation held.",
    Outcome.WARNED: "Nothing blocks. Read the warnings before you decide.",
    Outcome.FAILED: "At least one expectation that blocks did not hold.",
    Outcome.INCONCLUSIVE: "Too little is known to let this release through.",
    Outcome.ERRORED: "At least one question could not be asked.",
    Outcome.NOT_APPLICABLE: "There was nothing to ask.",
}
# What makes a record a bad one, by the first of these that it has.
BADNESS = ("cost", "difference", "absolute_error", "log_loss", "latency_ms", "nulls_share")


def about(
    job: Job, serving: Release | None, versions: Mapping[str, str], findings: Iterable[Finding], outcome: Outcome
) -> dict[str, Any]:
    """The head of the page: whose release it is, against what, and what comes next."""
    origin = job.spec.candidate
    waits = f"Waits for {job.approvals} decision(s)." if outcome.lets_through else "Stopped; see the reasons."
    return {
        "id": job.release,
        "model": job.spec.model.name,
        "as_of": job.as_of.isoformat(),
        "candidate": origin.origin,
        "champion": serving.id if serving else None,
        "versions": dict(versions),
        "approvals_needed": job.approvals,
        "next_step": waits,
        "tier": {**job.spec.risk.told(), "words": tier_words(job.spec.risk.told())},
        "waived": used(findings),
    }


def build_document(
    release: Mapping[str, Any],
    spec: Mapping[str, Any],
    manifest: Mapping[str, Any] | None,
    evidence: Mapping[str, Evidence],
    findings: list[Finding],
    outcome: Outcome,
) -> dict[str, Any]:
    """Everything as finite JSON values: metrics in full, records as a count and the worst of them.

    `release` has id, model, as_of, candidate, champion, versions, approvals_needed and next_step; `spec` is complete
    with its defaults; `manifest` the package's, if it came so far. Steps may be absent, empty or unknown. NaN and
    infinity become null. The schema is that of `expectations.dossier.Dossier`.
    """
    document: dict[str, Any] = {
        "format": FORMAT,
        "release": dict(release),
        "outcome": outcome,
        "sentence": SENTENCES[outcome],
        "findings": [finding.as_json() for finding in findings],
        "unknown": _unknown(evidence, findings, _asked(spec)),
        "evidence": {step: _evidence_json(one, hidden_in(spec)) for step, one in evidence.items()},
        "package": manifest,
        "spec": spec,
        "card": build_card(spec, manifest, evidence),
        "limits": limits_of_use(spec, evidence),
    }
    return {key: plain_json(value) for key, value in document.items()}


def hidden_in(spec: Mapping[str, Any]) -> frozenset[str]:
    """The columns whose values are not shown."""
    return hidden_columns(spec.get("data") or {})


def _asked(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """The checks that the spec's tier asks for."""
    return Risk.model_validate(spec.get("risk") or {}).held_to.checks


def _evidence_json(evidence: Evidence, hidden: frozenset[str]) -> dict[str, Any]:
    rows, by = worst_records(evidence.records)
    rows = without_values(rows, hidden)
    records = {"count": len(evidence.records), "worst_by": by, "worst": rows.to_dict("records")}
    return {"metrics": evidence.metrics.to_dict("records"), "records": records, "facts": evidence.facts}


def worst_records(records: pd.DataFrame) -> tuple[pd.DataFrame, str | None]:
    """The worst records, worst first, and what they are the worst by; the first ones where nothing says what is bad."""
    if {"champion_loss", "candidate_loss"} <= set(records.columns):
        badness, by = records["candidate_loss"] - records["champion_loss"], "candidate_loss - champion_loss"
    elif by := next((name for name in BADNESS if name in records.columns), ""):
        badness = records[by]
    elif "error" in records.columns:
        badness, by = pd.to_numeric(records["error"], errors="coerce").abs(), "absolute error"
    else:
        return records.head(WORST), None
    # An answer that is NaN is worse than any error.
    order = (
        pd.to_numeric(badness, errors="coerce")
        .reset_index(drop=True)
        .sort_values(ascending=False, kind="stable", na_position="first")
    )
    return records.iloc[order.index[:WORST]], by


def _unknown(evidence: Mapping[str, Evidence], findings: Iterable[Finding], asked: Iterable[str]) -> list[str]:
    """What nobody knows, as sentences: questions without an answer, and steps that did not happen."""
    findings = list(findings)
    open_ones = [
        f"{f.step}: {f.expected or f.expectation}. Found: {f.found}."
        for f in findings
        # What could not be told is not known to be well, also where the tier only warns of it.
        if f.outcome is Outcome.INCONCLUSIVE or f.remedy in (GATHER, SUPPLY)
    ]
    excused = {f.step for f in findings if f.outcome is Outcome.NOT_APPLICABLE}
    excused |= {check.step for check in CHECKS if check.step not in asked}
    # Without a waiver there is nothing to tell of waivers; what people release themselves is no echo.
    excused |= {"waivers", "echo"}
    absent = [title for step, (title, _) in STEPS.items() if step not in evidence and step not in excused]
    empty = [step for step, one in evidence.items() if one.metrics.empty and step not in excused]
    return [
        *open_ones,
        *(f"{title}: not measured. The release did not come so far." for title in absent),
        *(f"{step}: the step ran and measured nothing." for step in empty),
    ]
