"""What must hold of the check `costs`."""

from expectations.expectation import Expectation, Severity, metric
from expectations.spec import Cost, ReleaseSpec

# From this tier on a challenger whose errors surely cost more than the champion's stops; below, a person decides.
COSTLIER_FROM = 3
# A prediction that needs several times the processor of the champion's is told. Both are measured side by side, the
# best of rounds each, so that chance does not come near to this.
RUNNING = 3.0
# The worst 1 % of a test part are few records: their mean is told where it is surely a tenth larger.
TAIL = 0.1


def costs_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """Errors cost less than those of guessing and not surely more than the champion's; limits of the spec hold."""
    # Where nobody stated what errors cost, each costs 1: a ranking may be good and still never say yes.
    stated: Severity = "critical" if is_stated(spec.cost) else "warning"
    by_tier: Severity = "critical" if spec.tier.level >= COSTLIER_FROM else "warning"
    fixed = [metric("saved_over_guessing", low=0, severity=stated)]
    champion = {
        "surely_costlier_than_champion": (spec.comparison.margin, by_tier),
        "surely_longer_tail_than_champion": (TAIL, "warning"),
        "running_over_champion": (RUNNING, "warning"),
    }
    fixed += [metric(n, high=h, severity=s) for n, (h, s) in champion.items() if n in metrics]
    fixed.append(metric("memory_mb", high=spec.serving.memory_mb))
    return [*fixed, *_limits(spec), *spec.expectations.costs]


def is_stated(cost: Cost) -> bool:
    """Does the spec say what errors cost, or is every one worth 1?"""
    return cost.model_copy(update={"unit": ""}) != Cost()


def _limits(spec: ReleaseSpec) -> list[Expectation]:
    asked = spec.checks.costs
    limits = {
        "expected_cost:model": asked.per_record,
        "tail_1pct:model": asked.tail,
        "cpu_s_per_million": asked.cpu_s_per_million,
        "kwh_per_million": asked.kwh_per_million,
        "money_per_million": asked.money_per_million,
    }
    return [metric(name, high=limit) for name, limit in limits.items() if limit is not None]
