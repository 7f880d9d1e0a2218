"""What must hold of the check `scenarios`."""

from expectations.expectation import Expectation, Severity, metric
from expectations.spec import ReleaseSpec

# No record may do this, whatever the risk: a caller could not know better.
NEVER = ("crashes", "nan_trusted", "implausible_trusted", "batch_differences")
# What training never saw must be refused. From this tier on it stops a release; below, the team may know why.
REFUSED = ("beyond_trusted", "unseen_missing_trusted", "unknown_trusted")
MUST_REFUSE = 3


def scenarios_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """Nothing crashes, nothing impossible is trusted, a batch changes no answer, what training never saw is refused,
    no wrong unit is surely trusted too often, and every declared scenario comes out as declared."""
    severity: Severity = "critical" if spec.tier.level >= MUST_REFUSE else "warning"
    asked = spec.checks.scenarios
    return [
        *(metric(name, high=0) for name in NEVER),
        metric("empty_batch_crashes", high=0, severity="warning"),
        *(metric(name, high=0, severity=severity) for name in REFUSED if name in metrics),
        *(metric(m, high=asked.swapped, severity=severity) for m in metrics if m.startswith("sure_swapped:")),
        *(metric(f"scenario:{one.name}", low=one.expect.share) for one in asked.sets),
        *spec.expectations.scenarios,
    ]
