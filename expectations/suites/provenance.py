"""What must hold of the check `provenance`."""

from expectations.expectation import Expectation, Severity, metric
from expectations.spec import ReleaseSpec
from expectations.tiers import NOTHING_OPEN_FROM

# Of all of these not one: what may not be used may not be used a little. By tier: below 3 a person is told and decides.
BY_TIER = {
    "unknown_origin": "Say in data.sources or checks.provenance.assets where it comes from (origin).",
    "unknown_licence": "Say its licence as an SPDX id; LicenseRef-own for what is the company's own.",
    "licence_not_allowed": "Use other data, or add the licence to checks.provenance.licences if it may be used.",
    "package_licence_not_allowed": "Use another package, or add its licence to checks.provenance.licences.",
    "package_departs_from_lock": "Install what the lock file pins, or lock again what was tested.",
}
# A list of packages was written on purpose, and a bill of materials that no tool reads is none: at every tier.
ALWAYS = {
    "asset_missing": "Put the file where checks.provenance.assets says, or take it out there.",
    "package_denied": "Remove the package, or take another version; see checks.provenance.packages and denied.",
    "bom_problems": "The records name what the schema of CycloneDX 1.6 does not take; tell the maintainers.",
}
UNKNOWN = "Say it in checks.provenance.package_licences, after reading the package's own files."


def provenance_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """Origin and licence of everything known and allowed, no forbidden package, the environment as locked."""
    severity: Severity = "critical" if spec.tier.level >= NOTHING_OPEN_FROM else "warning"
    found = [one for name, say in BY_TIER.items() for one in _none_of(name, metrics, severity, say)]
    found += [one for name, say in ALWAYS.items() for one in _none_of(name, metrics, "critical", say)]
    found += _none_of("package_licence_unknown", metrics, "warning", UNKNOWN)
    return [*found, *spec.expectations.provenance]


def _none_of(name: str, metrics: list[str], severity: Severity, remedy: str) -> list[Expectation]:
    """One expectation for each that is named, or one for all; none where it was not measured (there is no lock)."""
    each = [one for one in metrics if one.startswith(f"{name}:")] or [one for one in metrics if one == name]
    return [metric(one, high=0, severity=severity, remedy=remedy) for one in each]
