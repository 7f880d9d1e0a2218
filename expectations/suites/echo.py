"""What is told of data that the model itself had a part in."""

from expectations.expectation import Expectation, metric
from expectations.spec import ReleaseSpec

# A share of the new rows, and a difference between how often two kinds of answers come to have a truth.
LIMITS = {"scored_before": 0.1, "label_gap": 0.1}


def echo_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """It warns: whether a loop does harm is for people to say, and no figure knows."""
    return [metric(name, high=high, severity="warning") for name, high in LIMITS.items() if name in metrics]
