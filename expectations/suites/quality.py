"""What must hold of the answers."""

from expectations.expectation import Expectation, metric
from expectations.spec import ReleaseSpec


def quality_suite(spec: ReleaseSpec, _metrics: list[str]) -> list[Expectation]:
    """The declared gates, and always: better than guessing."""
    return [metric("improvement_over_baseline", low=0), *spec.expectations.quality]
