"""What must hold beside the champion."""

from expectations.expectation import METRIC, Expectation, metric
from expectations.spec import ReleaseSpec

# What a challenger surely saves of the champion's loss: the lower end of its improvement.
BETTER = "surely_better"
# How much worse than an earlier version, at least: a share, by the version's name.
DROP = "drop_at_least:"


def comparison_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """Not worse than the champion by more than the margin, and no sudden drop against any earlier version.

    Where it must be better, as what was trained anew must, the same is not enough.
    """
    margin, drop = spec.comparison.margin, spec.tier.sudden_drop
    drops = [name for name in metrics if name.startswith(DROP)]
    against = [metric(name, high=max(drop, margin), severity="warning") for name in drops]
    more = {"metric": BETTER, "min_value": 0, "strict_min": True}
    better = [Expectation(type=METRIC, kwargs=more)] if spec.comparison.must_be_better else []
    return [metric("improvement", low=-margin), *better, *against, *spec.expectations.comparison]
