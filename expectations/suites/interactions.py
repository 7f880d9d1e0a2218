"""What must hold of the check `interactions`."""

from expectations.expectation import Expectation, Severity, metric
from expectations.spec import ReleaseSpec

# From this tier on a column must be known to come from where the spec says; below, it is told.
KNOWN_FROM = 3
DOWNSTREAM = "downstream:"
# A column that holds a model's answers on more rows than this is its output.
SAME = 0.95


def interactions_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """No model downstream loses more than its margin; declared columns are confirmed, and none is undeclared."""
    severity: Severity = "critical" if spec.tier.level >= KNOWN_FROM else "warning"
    least = spec.checks.interactions.confirmed
    # Whom it hurts has no part in this release's tier: a regression downstream stops at every one.
    found = [metric(name, low=0) for name in metrics if name.startswith(DOWNSTREAM)]
    found += [metric(name, low=least, severity=severity) for name in metrics if name.startswith("confirmed:")]
    each = [name for name in metrics if name.startswith("undeclared:")]
    found += [metric(name, high=SAME, severity=severity) for name in each]
    if not each and "undeclared_columns" in metrics:
        found.append(metric("undeclared_columns", high=0, severity=severity))
    return [*found, *spec.expectations.interactions]
