"""What must hold of the check `stability`."""

from expectations.expectation import Expectation, Severity, metric
from expectations.spec import ReleaseSpec

# From this tier on an unstable or decaying model stops a release; below, the team may know why.
MUST_BE_STABLE = 3
SLIGHT, CLAIMED = ("sure_flips:", "sure_jumps:"), "sure_violations:"
DECAY = ("sure_decay_per_month", "sure_refit_decay_per_month")
# Told, since a complex model that decays faster than a simple one may still be the better one.
FASTER = "sure_faster_than_simple"


def stability_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """No slight change of one column surely flips or moves more answers than allowed, every claimed monotone column is
    one, and the loss surely grows no faster than allowed."""
    severity: Severity = "critical" if spec.tier.level >= MUST_BE_STABLE else "warning"
    asked = spec.checks.stability
    return [
        metric("columns_changed", low=1, severity=severity),
        *(metric(name, high=asked.flips, severity=severity) for name in metrics if name.startswith(SLIGHT)),
        *(metric(name, high=asked.violations) for name in metrics if name.startswith(CLAIMED)),
        *(metric(name, high=asked.decay, severity=severity) for name in DECAY if name in metrics),
        *(metric(name, high=asked.decay, severity="warning") for name in (FASTER,) if name in metrics),
        *spec.expectations.stability,
    ]
