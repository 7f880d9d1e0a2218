"""What must hold of the check `stability`."""

from expectations.expectation import Expectation
from expectations.spec import ReleaseSpec


def stability_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """TODO."""
    return [*spec.expectations.stability]
