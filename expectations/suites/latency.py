"""How fast an answer must be."""

from expectations.expectation import Expectation, metric
from expectations.spec import ReleaseSpec

SPEED_LIMIT_MS = 100.0
SLOW_MS = 200.0
FAST_SHARE = 0.95
# How fast a package should be, by its estimator. Ten batches do not tell 0.9 from 1; nearest neighbours come to 0.4.
SPEEDUPS = {"single": 1.0, "batch": 0.8}


def latency_suite(spec: ReleaseSpec, _metrics: list[str]) -> list[Expectation]:
    """The declared gates; without any, a mean of 100 ms and at most 5 % over 200 ms."""
    slow = {"column": "latency_ms", "max_value": SLOW_MS, "mostly": FAST_SHARE}
    default = (
        Expectation(
            type="expect_column_mean_to_be_between", kwargs={"column": "latency_ms", "max_value": SPEED_LIMIT_MS}
        ),
        Expectation(type="expect_column_values_to_be_between", kwargs=slow),
    )
    # No reason to stop, but to be told: some models are slower as graphs.
    slower = [metric(f"speedup_{size}", low=low, severity="warning") for size, low in SPEEDUPS.items()]
    return [*(spec.expectations.latency or default), *slower]


def in_words(name: str, value: float) -> str:
    """What a figure means, where the number alone is easily passed over."""
    if name.startswith("speedup_") and 0 < value < 1:
        return f": slower than the estimator, which answers in {value:.0%} of the package's time"
    return ""
