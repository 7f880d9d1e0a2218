"""What must hold of the check `poisoning`."""

from expectations.expectation import Expectation, Severity, metric
from expectations.spec import ReleaseSpec

# From this tier on, labels that are surely wrong stop a release; below, they are told.
LABELS_MUST_HOLD = 3
# To train again moves the loss by a percent or so by itself; what goes with a source must be more than that.
BETTER_WITHOUT = 0.02


def poisoning_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """Labels hold where they are surest, no source's labels contradict the others, and no source does surely harm."""
    asked = spec.checks.poisoning
    severity: Severity = "critical" if spec.tier.level >= LABELS_MUST_HOLD else "warning"
    limits = {"surely_more_suspect:": asked.source_excess, "surely_better_without:": BETTER_WITHOUT}
    sources = [
        metric(name, high=limit, severity=severity)
        for name in metrics
        for prefix, limit in limits.items()
        if name.startswith(prefix)
    ]
    surest = metric("surely_contradicted_where_surest", high=asked.contradicted, severity=severity)
    return [surest, *sources, *spec.expectations.poisoning]
