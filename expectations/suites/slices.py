"""What must hold of the check `slices`."""

from expectations.expectation import Expectation, Severity, metric
from expectations.spec import ReleaseSpec

# In standard deviations of the loss, below what Cohen (1988) calls a small effect (0.2). Where a quarter of the labels
# are wrong it is 6.5 points. What is surely worse by less is found in any large table, since no model fits everywhere
# alike, and nobody would act on it.
TOLERATED = 0.15
# From this tier on a slice that is surely worse stops a release.
STOPS = 3
SURE = ("worst_slice_excess_at_least", "found_slice_excess_at_least", "slice_excess_at_least")
HARD_OR_WORSE = ("worst_slice_difference_at_least", "found_slice_difference_at_least")


def slices_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """No found slice and no declared one is surely worse than records with like answers, and there are enough records
    to tell."""
    severity: Severity = "critical" if spec.tier.level >= STOPS else "warning"
    judged = [name for name in metrics if name.split(":", 1)[0] in SURE]
    found = [metric(name, high=TOLERATED, severity=severity) for name in judged]
    # Of a classifier without probabilities nobody can say whether a slice is hard or badly served.
    hard = [name for name in metrics if name.split(":", 1)[0] in HARD_OR_WORSE]
    found += [metric(name, high=TOLERATED, severity="warning") for name in hard]
    return [*found, *spec.expectations.slices]
