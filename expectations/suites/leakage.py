"""What must hold of the check `leakage`."""

from expectations.expectation import Expectation
from expectations.spec import ReleaseSpec


def leakage_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """TODO."""
    return [*spec.expectations.leakage]
