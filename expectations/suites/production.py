"""What must hold of the check `production`."""

from expectations.expectation import Expectation, Severity, metric
from expectations.spec import ReleaseSpec
from expectations.suites.data import MOVED, NULL_GROWTH

# From this tier on, a production that is another world stops a release; below, it is told.
WORLDS_MUST_AGREE = 3
# How well production may be told from training. A feature that moved by its limit alone comes to about 0.67.
TOLD_APART = 0.75
FAMILIES = {
    "surely_drifted:": MOVED["drift"],
    "surely_never_seen:": MOVED["out_of_range"],
    "surely_more_missing:": NULL_GROWTH,
}


def production_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """No feature surely drifted, brought values that training never saw or lost its values; and production cannot be
    told from training too well."""
    severity: Severity = "critical" if spec.tier.level >= WORLDS_MUST_AGREE else "warning"
    moved = [
        metric(name, high=high, severity=severity)
        for name in metrics
        for family, high in FAMILIES.items()
        if name.startswith(family)
    ]
    told = metric("surely_told_apart", high=TOLD_APART, severity=severity)
    return [told, *moved, *spec.expectations.production]
