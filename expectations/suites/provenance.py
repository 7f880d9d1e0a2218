"""What must hold of the check `provenance`."""

from expectations.expectation import Expectation, Severity, metric
from expectations.spec import ReleaseSpec
from expectations.tiers import NOTHING_OPEN_FROM

# Of all of these not one: what may not be used may not be used a little. By tier: below 3 a person is told and decides.
BY_TIER = (
    "unknown_origin",
    "unknown_licence",
    "licence_not_allowed",
    "package_licence_not_allowed",
    "package_departs_from_lock",
)
# A list of packages was written on purpose, and a bill of materials that no tool reads is none: at every tier.
ALWAYS = ("asset_missing", "package_denied", "bom_problems")


def provenance_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """Origin and licence of everything known and allowed, no forbidden package, the environment as locked."""
    severity: Severity = "critical" if spec.tier.level >= NOTHING_OPEN_FROM else "warning"
    found = [one for name in BY_TIER for one in _none_of(name, metrics, severity)]
    found += [one for name in ALWAYS for one in _none_of(name, metrics, "critical")]
    found += _none_of("package_licence_unknown", metrics, "warning")
    return [*found, *spec.expectations.provenance]


def _none_of(name: str, metrics: list[str], severity: Severity) -> list[Expectation]:
    """One expectation for each that is named, or one for all; none where it was not measured (there is no lock)."""
    each = [one for one in metrics if one.startswith(f"{name}:")] or [one for one in metrics if one == name]
    return [metric(one, high=0, severity=severity) for one in each]
