"""Everything about one release: one page for people, and the same as JSON for machines.

Judges nothing and measures nothing: it lays out what the steps measured and what the judge said. The same inputs give
the same bytes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from expectations.hiding import hidden_columns, without_values
from expectations.history import Release
from expectations.records import Evidence
from expectations.tiers import TIERS
from expectations.verdicts import Finding, Outcome, worst
from tasks.dossier_plots import build_plots
from tasks.drawing import metric, number
from tasks.job import Job
from tasks.qualification.registry import CHECKS

FORMAT = "seatrial.dossier/1"
WORST = 20
MOST_SHOWN = 16
STEPS = {
    "data": ("Data", "Is this data what the model was made for?"),
    "conversion": ("Conversion", "Is the exported model the model that was trained?"),
    "compression": ("Compression", "Is there a simpler model that is good enough, and what does a prediction cost?"),
    "package": ("Package", "Is the file with its guards inside still the model that was trained?"),
    "quality": ("Quality", "How good is the package, on records that training never saw?"),
    "guards": ("Guards", "What does the package refuse, does it keep what it promises, and what does it cost?"),
    "latency": ("Latency", "How long does one answer take?"),
    "comparison": ("Comparison", "Is the challenger better than the champion, on the same records?"),
    **{check.step: (check.title, check.question) for check in CHECKS},
}
SENTENCES = {
    Outcome.PASSED: "Every expectation held.",
    Outcome.WARNED: "Nothing blocks. Read the warnings before you decide.",
    Outcome.FAILED: "At least one expectation that blocks did not hold.",
    Outcome.INCONCLUSIVE: "Too little is known to let this release through.",
    Outcome.ERRORED: "At least one question could not be asked.",
    Outcome.NOT_APPLICABLE: "There was nothing to ask.",
}
# Beside the word, never instead of it: colour and sign alone say nothing to some readers.
SIGNS = {
    Outcome.PASSED: "✓",
    Outcome.WARNED: "!",
    Outcome.FAILED: "✕",
    Outcome.INCONCLUSIVE: "?",
    Outcome.ERRORED: "↯",
    Outcome.NOT_APPLICABLE: "–",
}
# What makes a record a bad one, by the first of these that it has.
BADNESS = ("cost", "difference", "absolute_error", "log_loss", "latency_ms", "nulls_share")
LIMITS = (
    "The figures speak of the records that were tested and of data like them; of other data they say nothing.",
    "An interval is the range that 95 % of such samples would give; a dash means that none was computed.",
    "Latency belongs to the machine that measured it.",
    "An expectation that nobody wrote was not judged.",
)


def about(job: Job, serving: Release | None, versions: Mapping[str, str], outcome: Outcome) -> dict[str, Any]:
    """The head of the page: whose release it is, against what, and what comes next."""
    origin = job.spec.candidate
    waits = f"Waits for {job.approvals} decision(s)." if outcome.lets_through else "Stopped; see the reasons."
    return {
        "id": job.release,
        "model": job.spec.model.name,
        "as_of": job.as_of.isoformat(),
        "candidate": origin.train or origin.skops or origin.pickle,
        "champion": serving.id if serving else None,
        "versions": dict(versions),
        "approvals_needed": job.approvals,
        "next_step": waits,
    }


def build_dossier(
    release: Mapping[str, Any],
    spec: Mapping[str, Any],
    manifest: Mapping[str, Any] | None,
    evidence: Mapping[str, Evidence],
    findings: list[Finding],
    outcome: Outcome,
) -> tuple[str, dict[str, Any]]:
    """(html, document): one self-contained page, and the same as finite JSON values.

    `release` has id, model, as_of, candidate, champion, versions, approvals_needed and next_step; `spec` is complete
    with its defaults; `manifest` the package's, if it came so far. Steps may be absent, empty or unknown.
    """
    document = build_document(release, spec, manifest, evidence, findings, outcome)
    return _render(document, spec, evidence, findings, outcome), document


def build_document(
    release: Mapping[str, Any],
    spec: Mapping[str, Any],
    manifest: Mapping[str, Any] | None,
    evidence: Mapping[str, Evidence],
    findings: list[Finding],
    outcome: Outcome,
) -> dict[str, Any]:
    """The JSON twin: metrics in full, records as a count and the worst of them. NaN and infinity become null."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "release": dict(release),
        "outcome": outcome,
        "sentence": SENTENCES[outcome],
        "findings": [finding.as_json() for finding in findings],
        "unknown": _unknown(evidence, findings, _asked(spec)),
        "evidence": {step: _evidence_json(one, _hidden(spec)) for step, one in evidence.items()},
        "package": manifest,
        "spec": spec,
        "limits": list(LIMITS),
    }
    return {key: to_json(value) for key, value in document.items()}


def to_json(value: Any) -> Any:
    """Plain, finite JSON values of anything; what is not known, not a number or infinite is None."""
    if isinstance(value, Enum):
        return to_json(value.value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item) for item in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, np.generic | np.ndarray):
        return to_json(value.tolist())
    return value.isoformat() if isinstance(value, date) else str(value)


def _hidden(spec: Mapping[str, Any]) -> frozenset[str]:
    return hidden_columns(spec.get("data") or {})


def _asked(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """The checks that the spec's tier asks for."""
    return TIERS[int((spec.get("risk") or {}).get("tier", 2))].checks


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
    open_ones = [f"{f.step}: {f.expectation}. {f.found}" for f in findings if f.outcome is Outcome.INCONCLUSIVE]
    excused = {f.step for f in findings if f.outcome is Outcome.NOT_APPLICABLE}
    excused |= {check.step for check in CHECKS if check.step not in asked}
    absent = [title for step, (title, _) in STEPS.items() if step not in evidence and step not in excused]
    empty = [step for step, one in evidence.items() if one.metrics.empty and step not in excused]
    return [
        *open_ones,
        *(f"{title}: not measured. The release did not come so far." for title in absent),
        *(f"{step}: the step ran and measured nothing." for step in empty),
    ]


def _render(
    document: Mapping[str, Any],
    spec: Mapping[str, Any],
    evidence: Mapping[str, Evidence],
    findings: list[Finding],
    outcome: Outcome,
) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.globals.update(signs=SIGNS, cell=_cell, flat=_flat, share=_share)
    order = list(reversed(Outcome))
    return environment.get_template("dossier.html.j2").render(
        document=document,
        release={"champion": None, "candidate": None, "approvals_needed": None, "next_step": "", "versions": {}}
        | document["release"],
        outcome=outcome,
        tally=[(one, count) for one in order if (count := Counter(f.outcome for f in findings)[one])],
        reasons=sorted(
            (f for f in findings if f.outcome not in (Outcome.PASSED, Outcome.NOT_APPLICABLE)),
            key=lambda f: order.index(f.outcome),
        ),
        comparison=_comparison(evidence.get("comparison")),
        steps=[_step(step, spec, evidence.get(step), findings) for step in _order(evidence, findings)],
        sources=(document["spec"].get("data") or {}).get("sources") or {},
        profile=document["evidence"].get("data", {}).get("facts", {}),
        columns=_table(without_values(evidence["data"].records, _hidden(spec))) if "data" in evidence else None,
        spec_yaml=yaml.safe_dump(document["spec"], sort_keys=False, allow_unicode=True, width=100),
    )


def _order(evidence: Mapping[str, Evidence], findings: Iterable[Finding]) -> list[str]:
    """Known steps first, in the order of a release, then whatever else there is."""
    present = dict.fromkeys([*evidence, *(finding.step for finding in findings)])
    return [step for step in STEPS if step in present] + [step for step in present if step not in STEPS]


def _step(step: str, spec: Mapping[str, Any], evidence: Evidence | None, findings: Iterable[Finding]) -> dict[str, Any]:
    title, question = STEPS.get(step, (step.replace("_", " ").capitalize(), ""))
    mine = [finding for finding in findings if finding.step == step]
    # Hundreds of expectations that held would hide the one that did not.
    folded = [one for one in mine if one.outcome is Outcome.PASSED] if len(mine) > MOST_SHOWN else []
    rows, by = worst_records(evidence.records) if evidence and step != "data" else (pd.DataFrame(), None)
    frontier = _frontier(evidence) if step == "compression" else None
    return {
        "title": title,
        "question": question,
        "outcome": worst(finding.outcome for finding in mine) if mine else None,
        "findings": [one for one in mine if one not in folded],
        "folded": folded,
        "plots": build_plots(evidence, spec) if evidence else [],
        "metrics": evidence.metrics.to_dict("records") if evidence else [],
        "facts": to_json(evidence.facts) if evidence and step != "data" else {},
        "frontier": frontier,
        # The frontier shows the same records, and all of them.
        "worst": None if frontier else _table(without_values(rows, _hidden(spec))),
        "worst_by": by,
        "records": len(evidence.records) if evidence else 0,
    }


# The frontier's columns and what a reader sees of them: heading and factor.
FRONTIER = {
    "name": ("Model", 1),
    "status": ("Status", 1),
    "skill": ("Skill", 1),
    "skill_difference": ("Difference", 1),
    "lower": ("from", 1),
    "upper": ("to", 1),
    "answer": ("Within tolerance?", 1),
    "onnx_bytes": ("File, kB", 1e-3),
    "p50_ms": ("p50, ms", 1),
    "p95_ms": ("p95, ms", 1),
    "batch_rows_per_s": ("Batch, rows/s", 1),
    "load_ms": ("Load, ms", 1),
    "memory_mb": ("Memory, MB", 1),
    "cpu_s_per_million": ("CPU s per million", 1),
    "kwh_per_million": ("kWh per million (estimate)", 1),
    "money_per_million": ("Money per million (estimate)", 1),
    "over_time": ("Skill over time", 1),
    "worst_window": ("Worst window", 1),
    "spread": ("Spread over time", 1),
    "note": ("Note", 1),
}


def _frontier(evidence: Evidence | None) -> dict[str, Any] | None:
    """The candidate and its alternatives as a table, with the sentences that they come to."""
    if evidence is None or "name" not in evidence.records:
        return None
    shown = [name for name in FRONTIER if name in evidence.records]
    table = pd.DataFrame(
        {
            FRONTIER[name][0]: evidence.records[name] * FRONTIER[name][1]
            if FRONTIER[name][1] != 1
            else evidence.records[name]
            for name in shown
        }
    )
    sentences = [evidence.facts.get(name) for name in ("recommendation", "over_time")]
    if estimates := evidence.facts.get("estimates"):
        sentences.append(f"kWh and money are estimates from {estimates}; CPU seconds were measured.")
    return {"table": _table(table), "sentences": [one for one in sentences if one]}


def _comparison(evidence: Evidence | None) -> dict[str, Any] | None:
    """What the first screen says of champion and challenger."""
    if evidence is None:
        return None
    facts = {key: to_json(value) for key, value in evidence.facts.items()}
    keys = ("label", "metric", "champion_value", "candidate_value", "explanation")
    return {key: facts.get(key) for key in keys} | {"improvement": metric(evidence.metrics, "improvement")}


def _table(frame: pd.DataFrame) -> dict[str, Any] | None:
    if frame.empty:
        return None
    return {"columns": [str(name) for name in frame.columns], "rows": frame.to_numpy(dtype=object).tolist()}


def _cell(value: Any) -> str:
    return (
        number(value)
        if isinstance(value, int | float | np.number) and not isinstance(value, bool)
        else _flat(to_json(value))
    )


def _flat(value: Any) -> str:
    """A JSON value on one line; whole numbers as they are, since an id or a size is no measurement."""
    if value is None or value == "":
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_flat(item)}" for key, item in value.items()) or "–"
    if isinstance(value, list):
        return ", ".join(_flat(item) for item in value) or "–"
    return number(value) if isinstance(value, float) else str(value)


def _share(value: float) -> str:
    return f"{value:+.1%}".replace("-", "−") if np.isfinite(value) else "–"
