"""What must hold of the guards."""

from expectations.expectation import Expectation, Severity, metric
from expectations.spec import ReleaseSpec

# What guards may cost, in times of the bare graph. The smallest model comes to 2.5, and most are slower than that.
GUARD_COST = {"1": 3.0, "1000": 3.0}
# From this tier on, guards that make the answers worse stop a release; below, the team may choose.
GUARDS_MUST_HELP = 3


def guards_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """Enough rows set the limits, no guard surely exceeds its budget, coverage surely falls short nowhere, what is left
    after all rejections is not surely worse than the whole, and the guards do not cost several times the model."""
    severity: Severity = "critical" if spec.tier.level >= GUARDS_MUST_HELP else "warning"
    fixed = [metric("calibration_rows", low=1), metric("worse_with_rejections", high=0, severity=severity)]
    fixed += [metric(f"guarded_over_bare_{n}", high=high, severity="warning") for n, high in GUARD_COST.items()]
    fixed += [metric(f"over_budget:{name}", high=0) for name in type(spec.guards.budgets).model_fields]
    short = [metric("coverage_shortfall", high=0)] if "coverage_shortfall" in metrics else []
    groups = [metric(m, high=0, severity="warning") for m in metrics if m.startswith("coverage_shortfall:")]
    return [*fixed, *short, *groups, *spec.expectations.guards]
