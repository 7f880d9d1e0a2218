"""What must hold of the check `explanations`."""

from expectations.expectation import Expectation, metric
from expectations.spec import ReleaseSpec

# Four fifths of all movement of the answers by one column alone: real tables seldom know so simple a truth, and a
# column that holds the answer looks like this. Suspicious, not wrong: a person should look.
CONCENTRATED = 0.8
# A tenth of all movement: at most ten columns can have so much. Protected and sensitive ones should not be among them.
RELIES = 0.1
# A quarter of all movement has changed hands: another draw of the same table moved 5 %, another kind of model 5 to
# 12 %, beyond a noise of 1 %.
MOVED = 0.25
# The law of efficiency, in standard deviations of the target: what floating point leaves of it.
GAP = 1e-6


def explanations_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """The explanations are sound; what they say that a person should look at is a warning at every tier."""
    limits = {"surely_concentrated": CONCENTRATED, "surely_moved": MOVED}
    told = [metric(name, high=high, severity="warning") for name, high in limits.items() if name in metrics]
    relied = [metric(name, high=RELIES, severity="warning") for name in metrics if name.startswith("surely_relies_on:")]
    return [metric("contributions_gap", high=GAP), *told, *relied, *spec.expectations.explanations]
