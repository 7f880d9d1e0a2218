"""What must hold of the guards."""

from expectations.expectation import Expectation, Severity, metric
from expectations.spec import ReleaseSpec

# What guards may cost, in times of the bare graph. The smallest model comes to 2.5, and most are slower than that.
GUARD_COST = {"1": 3.0, "1000": 3.0}
APART = "disagreement"
# From this tier on, guards that make the answers worse stop a release; below, the team may choose.
GUARDS_MUST_HELP = 3


def guards_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """Enough rows set the limits, no guard surely exceeds its budget, coverage surely falls short nowhere, what is left
    after all rejections is not surely worse than the whole, and the guards do not cost several times the model."""
    severity: Severity = "critical" if spec.tier.level >= GUARDS_MUST_HELP else "warning"
    fixed = [metric("calibration_rows", low=1), metric("worse_with_rejections", high=0, severity=severity)]
    fixed += [metric(f"guarded_over_bare_{n}", high=high, severity="warning") for n, high in GUARD_COST.items()]
    fixed += [metric(f"over_budget:{name}", high=0) for name in type(spec.guards.budgets).model_fields if name != APART]
    short = [metric("coverage_shortfall", high=0)] if "coverage_shortfall" in metrics else []
    groups = [metric(m, high=0, severity="warning") for m in metrics if m.startswith("coverage_shortfall:")]
    members = _members(metrics) if f"over_budget:{APART}" in metrics else []
    return [*fixed, *short, *groups, *members, *spec.expectations.guards]


def _members(metrics: list[str]) -> list[Expectation]:
    """Of an ensemble: its guard keeps its budget and can say no, no member is a copy of another, and none is as good as
    one; their vote is not surely worse than the best of them, and where they disagree are not surely fewer errors."""
    copies = [metric(one, high=0) for one in metrics if one.startswith("copies:")]
    alike = [metric(one, high=0, severity="warning") for one in metrics if one.startswith("alike:")]
    told = ("members_alike", "members_cannot_object", "worse_than_best_member", "disagreement_misleads")
    warned = [metric(one, high=0, severity="warning") for one in told if one in metrics]
    return [metric(f"over_budget:{APART}", high=0), metric("copied_members", high=0), *copies, *warned, *alike]
