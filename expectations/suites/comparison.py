"""What must hold beside the champion."""

from expectations.expectation import Expectation, metric
from expectations.spec import ReleaseSpec

# How much worse than an earlier version, at least: a share, by the version's name.
DROP = "drop_at_least:"


def comparison_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """Not worse than the champion by more than the margin, and no sudden drop against any earlier version."""
    margin, drop = spec.comparison.margin, spec.tier.sudden_drop
    drops = [name for name in metrics if name.startswith(DROP)]
    against = [metric(name, high=max(drop, margin), severity="warning") for name in drops]
    return [metric("improvement", low=-margin), *against, *spec.expectations.comparison]
