"""What must hold of the check `fairness`."""

from expectations.expectation import Expectation
from expectations.spec import ReleaseSpec


def fairness_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """TODO."""
    return [*spec.expectations.fairness]
