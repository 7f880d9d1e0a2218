"""The bill of materials of a release: CycloneDX 1.6, with the model card of a machine-learning model.

The library has no class for a model card, so the document is laid out here, and its own strict validator judges it.
"""

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from expectations.records import Evidence, canonical_json
from expectations.risk import QUESTIONS
from infra.evidence_store import get_json
from tasks.check import Subject
from tasks.licences import spdx

MODEL = "model"
LIMITS = (
    "It was measured on records like those of its snapshot; of other data the figures say nothing.",
    "Records outside the training intervals, odd combinations and implausible answers are marked by the package.",
)
# By RFC 3987: what stands only encoded in a reference, and what does not encode anything.
NOT_IN_AN_IRI = re.compile(r"[\x00-\x20\x7f<>\"{}|\\^`]|%(?![0-9A-Fa-f]{2})")
FROZEN = re.compile(r"sha256:([0-9a-f]{64})")


def build_bom(
    about: Mapping[str, Any],
    records: pd.DataFrame,
    spec: Mapping[str, Any],
    quality: pd.DataFrame | None,
) -> dict[str, Any]:
    """The document as JSON values; the same inputs give the same.

    `about` has name and version, and may have graph (a digest), as_of (ISO) and architecture; `records` are those of
    the evidence of provenance (kind, name, version, licence, origin, digest, role); `quality` are its metrics.
    """
    rows = [{str(key): value for key, value in row.items()} for row in records.to_dict("records")]
    things = [row for row in rows if row["kind"] != "package"]
    packages = [row for row in rows if row["kind"] == "package"]
    parts = [*(_data(thing) for thing in things), *(_library(package) for package in packages)]
    scores = [_library(one)["bom-ref"] for one in packages if one["role"] == "scores"]
    name = f"{about['version']} {about.get('graph', '')}"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}",
        "version": 1,
        "metadata": {
            **({"timestamp": f"{about['as_of']}Z"} if about.get("as_of") else {}),
            "component": _model(about, things, spec, quality),
        },
        "components": parts,
        "dependencies": [{"ref": MODEL, "dependsOn": [*(_ref(thing) for thing in things), *scores]}],
    }


def bill_of(subject: Subject, evidence: Mapping[str, Evidence]) -> bytes | None:
    """The document of a release with the figures of its quality; None where its provenance was not measured."""
    if "provenance" not in evidence or evidence["provenance"].records.empty:
        return None
    job, found = subject.job, evidence["provenance"]
    about = {
        "name": job.spec.model.name,
        "version": job.release,
        "graph": get_json(job.store(), subject.packed["package"])["graph"],
        "as_of": job.as_of.isoformat(),
        "architecture": found.facts.get("architecture", ""),
    }
    quality = evidence["quality"].metrics if "quality" in evidence else None
    return canonical_json(build_bom(about, found.records, job.spec.model_dump(mode="json"), quality))


def bom_problems(bom: Mapping[str, Any]) -> list[str]:
    """What the schema of CycloneDX 1.6 has against it, as sentences; empty where nothing."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator
    from jsonschema.validators import Draft7Validator

    Draft7Validator.FORMAT_CHECKER.checks("iri-reference")(_is_iri_reference)
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bom), all_errors=True)
    return [" ".join(str(one).split())[:300] for one in found or ()]


def _is_iri_reference(value: object) -> bool:
    return not isinstance(value, str) or not NOT_IN_AN_IRI.search(value)


def _ref(thing: Mapping[str, Any]) -> str:
    return f"{thing['kind']}:{thing['name']}"


def _model(
    about: Mapping[str, Any], things: Iterable[Mapping[str, Any]], spec: Mapping[str, Any], quality: pd.DataFrame | None
) -> dict[str, Any]:
    described = (spec.get("model") or {}).get("description")
    return {
        "type": "machine-learning-model",
        "bom-ref": MODEL,
        "name": about["name"],
        "version": about["version"],
        **({"description": described} if described else {}),
        **_hashes(about.get("graph", "")),
        "modelCard": _card(about, things, spec, quality),
    }


def _card(
    about: Mapping[str, Any], things: Iterable[Mapping[str, Any]], spec: Mapping[str, Any], quality: pd.DataFrame | None
) -> dict[str, Any]:
    model, answers = spec.get("model") or {}, (spec.get("risk") or {}).get("answers") or {}
    parameters = {
        "approach": {"type": "supervised"},
        "task": model.get("task", "supervised"),
        "modelArchitecture": about.get("architecture", "unknown"),
        "datasets": [{"ref": _ref(thing)} for thing in things if thing["kind"] == "source"],
    }
    considerations = {
        "technicalLimitations": list(LIMITS),
        "ethicalConsiderations": [
            {"name": QUESTIONS[key], "mitigationStrategy": told} for key, told in answers.items() if told
        ],
        **({"useCases": [model["description"]]} if model.get("description") else {}),
    }
    figures = (
        [] if quality is None else [_figure(row) for row in quality.to_dict("records") if np.isfinite(row["value"])]
    )
    return {
        "modelParameters": parameters,
        "quantitativeAnalysis": {"performanceMetrics": figures},
        "considerations": considerations,
    }


def _figure(row: Mapping[Any, Any]) -> dict[str, Any]:
    bounds = {"lowerBound": row["lower"], "upperBound": row["upper"]}
    told = {key: f"{value:.6g}" for key, value in bounds.items() if np.isfinite(value)}
    figure = {"type": str(row["metric"]), "value": f"{row['value']:.6g}", "slice": f"{row['n']:.0f} test records"}
    return {**figure, **({"confidenceInterval": told} if told else {})}


def _data(thing: Mapping[str, Any]) -> dict[str, Any]:
    """A source or an asset. The digest of a source is that of what was frozen, not of a file."""
    of_file = _hashes(thing["digest"]) if thing["kind"] == "asset" else {}
    frozen = [{"name": "seatrial:frozen", "value": thing["digest"]}] if thing["digest"] else []
    return {
        "type": "data" if thing["kind"] == "source" else "file",
        "bom-ref": _ref(thing),
        "name": thing["name"],
        **({"description": thing["origin"]} if thing["origin"] else {}),
        **of_file,
        **_licences(thing["licence"]),
        **({"properties": frozen} if frozen and not of_file else {}),
    }


def _library(package: Mapping[str, Any]) -> dict[str, Any]:
    address = f"pkg:pypi/{package['name']}@{package['version']}"
    return {
        "type": "library",
        "bom-ref": address,
        "name": package["name"],
        "version": package["version"],
        "scope": "required" if package["role"] == "scores" else "optional",
        **_licences(package["licence"]),
        "purl": address,
        "properties": [{"name": "seatrial:role", "value": package["role"]}],
    }


def _licences(text: str) -> dict[str, Any]:
    """An SPDX id, an expression, or the name that it was given."""
    from cyclonedx.spdx import is_supported_id

    if not text:
        return {}
    expression = spdx(text)
    if is_supported_id(expression):
        return {"licenses": [{"license": {"id": expression}}]}
    return {"licenses": [{"expression": expression} if expression else {"license": {"name": text}}]}


def _hashes(digest: str) -> dict[str, Any]:
    found = FROZEN.fullmatch(digest or "")
    return {"hashes": [{"alg": "SHA-256", "content": found[1]}]} if found else {}
