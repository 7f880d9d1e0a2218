"""What must hold of the check `fairness`."""

from expectations.expectation import Expectation, Severity, metric
from expectations.spec import ReleaseSpec

# How far two groups may be apart, surely: ten points of a rate (nine of ten against eight), or a tenth of the target's
# standard deviation. Less is found between any two groups whose members differ in what decides.
GAP = 0.1
# The four-fifths rule: a group's rate of yes below four fifths of the highest is evidence of adverse impact (Uniform
# Guidelines on Employee Selection Procedures, 1978, 29 CFR 1607.4 D).
FOUR_FIFTHS = 0.8
# From such an area under the curve on discrimination is called excellent (Hosmer, Lemeshow): the features then tell the
# attribute to whoever wants to know, and leaving the column out protects nobody.
PROXY = 0.8
# From these tiers on: a gap stops a release; a group that is too small to tell does; and it must be said who is
# protected, or why nobody is.
STOPS, EVERY_GROUP, MUST_SAY = 3, 4, 3
LIMITS = {"gap_at_least": (None, GAP), "ratio_at_most": (FOUR_FIFTHS, None)}


def fairness_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """No two groups are surely further apart than the criterion allows, in each attribute and each pair of them; who is
    too few to be judged, and what tells the attribute, is said."""
    severity: Severity = "critical" if spec.tier.level >= STOPS else "warning"
    few: Severity = "critical" if spec.tier.level >= EVERY_GROUP else "warning"
    found = []
    for name in metrics:
        low, high = LIMITS.get(name.split(":", 1)[0], (None, None))
        if low is not None or high is not None:
            found.append(metric(name, low=low, high=high, severity=severity))
        if name.startswith("proxy_auc_at_least:"):
            found.append(metric(name, high=PROXY, severity="warning"))
    if "groups_too_small" in metrics:
        found.append(metric("groups_too_small", high=0, severity=few))
    if "protected_attributes_or_reason" in metrics:
        found.append(metric("protected_attributes_or_reason", low=1, severity="warning"))
    return [*found, *spec.expectations.fairness]
