"""What must hold of the check `robustness`."""

from expectations.expectation import Expectation
from expectations.spec import ReleaseSpec


def robustness_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """TODO."""
    return [*spec.expectations.robustness]
