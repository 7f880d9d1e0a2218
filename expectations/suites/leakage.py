"""What must hold of the check `leakage`."""

from expectations.expectation import Expectation, Severity, metric
from expectations.spec import ReleaseSpec

# From this tier on a leak stops a release; below, it is told.
LEAKS_STOP = 3
# How well members may be told from others, by tier: 0.5 is chance. A forest with five records in each leaf comes to
# 0.78, one that is fully grown to 0.85, one of many columns that say nothing to 0.9 and more.
MEMBERSHIP_AUC = {1: 0.9, 2: 0.9, 3: 0.85, 4: 0.8}
# The share of members caught where one other in a hundred is taken for one. That forest comes to 0.09, chance to 0.01.
MEMBERSHIP_CAUGHT = {1: 0.2, 2: 0.2, 3: 0.15, 4: 0.1}
# Nine of ten records that the kind gets wrong without having seen them.
BY_HEART = 0.9
# A model whose logic is secret must not be copied so well.
COPIED = 0.9
# One feature that tells so much, and more than all others together, holds the answer: an area under the ROC curve, or
# R², which honest measurements such as an assessed value come nearer to.
TOO_GOOD = {True: 0.95, False: 0.98}
# Where gaps alone tell so much, somebody left them after the answer was known.
GAPS = 0.7
# A few shared rows are a matter of chance or of one mistake in the data.
FEW = 0.01
KEYS = 0.05


def leakage_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """No record is inside the model or known by heart, members cannot be told, no feature or gap holds the answer,
    training holds no test row, and no row knows its future. That a key is on both sides is told."""
    level, asked = spec.tier.level, spec.checks.leakage
    severity: Severity = "critical" if level >= LEAKS_STOP else "warning"
    limits = {
        "surely_by_heart": BY_HEART,
        "records_inside_the_model": 0,
        "surely_duplicates": asked.duplicates,
        "surely_near_duplicates": max(FEW, asked.duplicates),
    }
    families = {"surely_too_good:": TOO_GOOD[spec.model.task != "regression"], "surely_later_than_event:": FEW}
    if asked.logic == "secret":
        families["surely_copied:"] = COPIED
    told = {"surely_key_on_both_sides:": KEYS, "surely_alone_of_gaps": GAPS}
    members: Severity = severity if asked.members == "private" else "warning"
    fixed = [metric(name, high=high, severity=severity) for name, high in limits.items()]
    fixed += [
        metric("surely_membership_auc", high=MEMBERSHIP_AUC[level], severity=members),
        metric("surely_membership_caught_at_1pct", high=MEMBERSHIP_CAUGHT[level], severity=members),
    ]
    found = [
        metric(n, high=high, severity=severity) for n in metrics for p, high in families.items() if n.startswith(p)
    ]
    warned = [metric(n, high=high, severity="warning") for n in metrics for p, high in told.items() if n.startswith(p)]
    return [*fixed, *found, *warned, *spec.expectations.leakage]
