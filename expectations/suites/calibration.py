"""What must hold of the check `calibration`."""

from expectations.expectation import Expectation, Severity, metric
from expectations.spec import ReleaseSpec

# How far probabilities are surely off on average (or predictions, in standard deviations of the target). Logistic
# models and boosting come to 0.02, forests on many noisy columns to 0.05 (they are too modest), naive Bayes to 0.1 and
# more.
TOLERATED = 0.075
# How far they are surely off on average in a group: a stated nine of ten means eight there.
IN_GROUP = 0.1
# A conformal interval promises its coverage on the whole and not in each group: nine of ten may be 85 of 100 in one.
GROUP_SHORTFALL = 0.05
# From this tier on it stops a release.
STOPS = 3
LIMITS = {
    "calibration_error_at_least": TOLERATED,
    "bias_at_least": IN_GROUP,
    "coverage_shortfall": GROUP_SHORTFALL,
}


def calibration_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """Probabilities are not surely off, nor in any group; no group surely lacks coverage; those of whom the model is
    surer are not surely worse answered; groups too small to tell are said."""
    severity: Severity = "critical" if spec.tier.level >= STOPS else "warning"
    found = []
    for name in metrics:
        family = name.split(":", 1)[0]
        if name == "coverage_shortfall":
            found.append(metric(name, high=0, severity=severity))
        elif family in LIMITS:
            found.append(metric(name, high=LIMITS[family], severity=severity))
    surer = [name for name in metrics if name == "surer_half_worse_by_at_least"]
    few = [name for name in metrics if name == "groups_too_small"]
    warned = [metric(name, high=0, severity="warning") for name in (*surer, *few)]
    return [*found, *warned, *spec.expectations.calibration]
