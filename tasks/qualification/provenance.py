"""Where does all of it come from, and may it be used?"""

import hashlib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd
from packaging.specifiers import SpecifierSet

from expectations.options.provenance import Provenance, deny_rule
from expectations.records import Evidence, digest_of, metric_rows
from infra.environment import Installed, distributions_of, installed, needed_by
from infra.packages import PROVEN_WITH, SCORED_BY
from infra.spec_file import SpecFile, modules_used
from tasks.bom import bom_problems, build_bom
from tasks.check import Check, Subject, on_package
from tasks.licences import allowed, licence_of, spdx
from tasks.lock import departures, read_lock
from tasks.lookups import lookup_blob

NAN = float("nan")
LOCK, MOST_NAMED = "requirements.lock", 20
# What each package is there for, the first that fits: it answers in production, made the proof, trained the candidate,
# runs the pipeline; the rest is merely installed.
SCORES, PROVES, TRAINS, RUNS, THERE = "scores", "proves", "trains", "runs the pipeline", "is installed"
FINDINGS = (
    "unknown_origin",
    "unknown_licence",
    "licence_not_allowed",
    "asset_missing",
    "package_denied",
    "package_licence_not_allowed",
    "package_licence_unknown",
    "package_departs_from_lock",
)


def measure(subject: Subject) -> Evidence:
    """Sources, assets and packages of the release, and the bill of materials that they make."""
    job, asked = subject.job, subject.job.spec.checks.provenance
    here = installed()
    lock = _lock(job.file.root, asked)
    last = _last(subject.candidate())
    roles = roles_of(here, distributions_of(modules_used(job.file) | {type(last).__module__.split(".")[0]}))
    things = [*_sources(subject), *_assets(job.file, asked)]
    found = measure_provenance(things, here, roles, read_lock(lock) if lock else None, asked)
    bom = build_bom({"name": job.spec.model.name, "version": job.release}, found.records, {}, None)
    problems = bom_problems(bom)
    metrics = pd.concat([found.metrics, metric_rows([("bom_problems", float(len(problems)), NAN, NAN, 1, 0)])])
    facts = {**found.facts, "lock": str(asked.lock or LOCK) if lock else "none: nothing to compare with"}
    return Evidence(
        "provenance",
        metrics.reset_index(drop=True),
        found.records,
        {**facts, "bom_problems": problems[:5], "architecture": type(last).__name__},
    )


def measure_provenance(
    things: list[dict[str, Any]],
    here: Mapping[str, Installed],
    roles: Mapping[str, str],
    pins: Mapping[str, str] | None,
    asked: Provenance,
) -> Evidence:
    """One row for each source, asset and package, with everything that is wrong with it; a metric counts each wrong.

    `things` are sources and assets (kind, name, origin, licence, digest); `roles` say what each package is there for;
    without `pins` nothing is compared.
    """
    rows = [_thing(thing, asked) for thing in things]
    astray = departures([n for n, role in roles.items() if role != THERE], _versions(here), pins) if pins else {}
    rows += [_package(one, roles.get(name, THERE), astray.get(name, ""), asked) for name, one in here.items()]
    names = [name for name in FINDINGS if pins is not None or name != "package_departs_from_lock"]
    counts = [(name, sum(name in row["wrong"] for row in rows)) for name in names]
    found = [(name, float(n), NAN, NAN, len(here) if "package" in name else len(things), 0) for name, n in counts]
    # A few are told one by one, so that each finding says which; of many the table does.
    few = [name for name, n in counts if n <= MOST_NAMED]
    each = [(f"{name}:{row['name']}", 1.0, NAN, NAN, 1, 0) for name in few for row in rows if name in row["wrong"]]
    records = pd.DataFrame([{**row, "wrong": ", ".join(row["wrong"])} for row in rows])
    order = records["wrong"].eq("").sort_values(kind="stable").index
    facts = {"sources_and_assets": len(things), "packages": len(here), "used": sum(r != THERE for r in roles.values())}
    return Evidence("provenance", metric_rows(found + each), records.loc[order].reset_index(drop=True), facts)


def _versions(here: Mapping[str, Installed]) -> dict[str, str]:
    return {name: one.version for name, one in here.items()}


def _thing(thing: Mapping[str, Any], asked: Provenance) -> dict[str, Any]:
    licence = spdx(thing["licence"])
    wrong = [] if thing["origin"].strip() else ["unknown_origin"]
    if not licence:
        wrong.append("unknown_licence")
    elif not allowed(licence, asked.licences):
        wrong.append("licence_not_allowed")
    if not thing["digest"]:
        wrong.append("asset_missing")
    return {**thing, "version": "", "role": "data", "licence": licence or thing["licence"], "wrong": wrong, "note": ""}


def _package(one: Installed, role: str, astray: str, asked: Provenance) -> dict[str, Any]:
    licence = spdx(asked.package_licences.get(one.name, "")) or licence_of(one)
    wrong = ["package_denied"] if denied(one, asked) else []
    # What is merely installed is not given to anybody with the model.
    if role != THERE and not licence:
        wrong.append("package_licence_unknown")
    elif role != THERE and not allowed(licence, asked.licences):
        wrong.append("package_licence_not_allowed")
    if astray:
        wrong.append("package_departs_from_lock")
    about = {"kind": "package", "name": one.name, "version": one.version, "licence": licence, "role": role}
    return {**about, "origin": "", "digest": "", "wrong": wrong, "note": astray}


def denied(one: Installed, asked: Provenance) -> bool:
    """Is the package on no list of allowed ones, or on the list of denied ones?"""
    if not any(fnmatchcase(one.name, glob.casefold()) for glob in asked.packages):
        return True
    rules = (deny_rule(text) for text in asked.denied)
    return any(
        fnmatchcase(one.name, name.casefold()) and SpecifierSet(versions).contains(one.version, prereleases=True)
        for name, versions in rules
    )


def roles_of(here: dict[str, Installed], trains: Iterable[str]) -> dict[str, str]:
    """What each installed package is there for."""
    groups = {
        SCORES: needed_by(SCORED_BY, here),
        PROVES: needed_by(PROVEN_WITH, here),
        TRAINS: needed_by(trains, here),
        RUNS: needed_by(["seatrial"], here),
    }
    return {name: next((role for role, names in groups.items() if name in names), THERE) for name in here}


def _sources(subject: Subject) -> list[dict[str, Any]]:
    """Each with the digest of what was frozen of it: its own table, or the rows that it became a part of."""
    manifest = subject.manifest
    return [
        {
            "kind": "source",
            "name": source["name"],
            "origin": source["origin"],
            "licence": source["licence"],
            "digest": manifest["blobs"].get(lookup_blob(source["name"]), manifest["content_digest"]),
        }
        for source in manifest["sources"]
    ]


def _assets(file: SpecFile, asked: Provenance) -> list[dict[str, Any]]:
    """The files that the spec names, and a model that came as a file."""
    told = {asset.path: asset for asset in asked.assets}
    given = file.spec.candidate.files
    return [
        {
            "kind": "asset",
            "name": path,
            "origin": told[path].origin if path in told else "",
            "licence": told[path].licence if path in told else "",
            "digest": _digest(file.root / path),
        }
        for path in dict.fromkeys([*given, *told])
    ]


def _digest(path: Path) -> str:
    """ "" where no such file is: then nothing is known of it."""
    if not path.is_file():
        return ""
    with path.open("rb") as opened:
        return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"


def _lock(root: Path, asked: Provenance) -> Path | None:
    path = root / (asked.lock or LOCK)
    return path if asked.lock or path.is_file() else None


def _last(estimator: Any) -> Any:
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def _depends_on(subject: Subject) -> dict[str, Any]:
    """A package that was installed meanwhile is another environment."""
    job = subject.job
    lock = _lock(job.file.root, job.spec.checks.provenance)
    return {
        **on_package(subject),
        "installed": digest_of(_versions(installed())),
        "lock": _digest(lock) if lock else "",
    }


QUESTION = "Where does all of it come from, and may it be used?"
CHECK = Check("provenance", measure, _depends_on, "Provenance", QUESTION)
