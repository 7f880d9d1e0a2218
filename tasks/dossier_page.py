"""The dossier's page: one self-contained file for people, of the same that machines read."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from expectations.hiding import without_values
from expectations.records import Evidence, plain_json
from expectations.verdicts import Finding, Outcome, worst
from tasks.dossier import STEPS, hidden_in, worst_records
from tasks.dossier_plots import build_plots
from tasks.drawing import metric, number

MOST_SHOWN = 16
# What the head of the page says where nobody said more.
HEAD: dict[str, Any] = {
    "champion": None,
    "candidate": None,
    "approvals_needed": None,
    "next_step": "",
    "versions": {},
    "tier": None,
    "waived": [],
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


def render(
    document: Mapping[str, Any],
    spec: Mapping[str, Any],
    evidence: Mapping[str, Evidence],
    findings: list[Finding],
    outcome: Outcome,
) -> str:
    """The page of a document that `build_document` made of the same spec, evidence and findings."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    environment.globals.update(signs=SIGNS, cell=_cell, flat=_flat, share=_share)
    order = list(reversed(Outcome))
    return environment.get_template("dossier.html.j2").render(
        document=document,
        release=HEAD | document["release"],
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
        columns=_table(without_values(evidence["data"].records, hidden_in(spec))) if "data" in evidence else None,
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
        "facts": plain_json(evidence.facts) if evidence and step != "data" else {},
        "frontier": frontier,
        # The frontier shows the same records, and all of them.
        "worst": None if frontier else _table(without_values(rows, hidden_in(spec))),
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
    facts = {key: plain_json(value) for key, value in evidence.facts.items()}
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
        else _flat(plain_json(value))
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
