"""What must hold of the check `gaming`."""

from expectations.expectation import Expectation, Severity, metric
from expectations.spec import ReleaseSpec

# Of those whom the decision goes against, so many may get another one by changing only what is in their control. Some
# always can: whoever lies near the line, and where asking for less is a reason to say yes. Of smooth models that make
# nothing of the column it is 1 to 3 %, of forests that learned noise by heart 15 %.
CROSSES = {1: 0.5, 2: 0.4, 3: 0.3, 4: 0.2}
# More than half of all cross where nobody listens to the guards: whoever uses the answers should know.
UNGUARDED = 0.5
STOPS = 3


def gaming_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """No more than stated surely cross. Without a column that anybody controls: a warning until the spec says why."""
    level = spec.tier.level
    severity: Severity = "critical" if level >= STOPS else "warning"
    most = min(CROSSES[level], spec.checks.gaming.at_most if spec.checks.gaming.at_most is not None else 1.0)
    crosses = [metric(n, high=most, severity=severity) for n in metrics if n.startswith("surely_crosses_by_gaming:")]
    # What the guards refuse does harm only where callers do not listen to them.
    guarded = [name for name in metrics if name.startswith("surely_crosses_unless_guarded:")]
    told = [metric(name, high=UNGUARDED, severity="warning") for name in guarded]
    unnamed = [metric("actor_controlled_columns", low=1, severity="warning")] if not crosses else []
    return [*crosses, *told, *unnamed, *spec.expectations.gaming]
