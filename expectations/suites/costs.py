"""What must hold of the check `costs`."""

from expectations.expectation import Expectation
from expectations.spec import ReleaseSpec


def costs_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """TODO."""
    return [*spec.expectations.costs]
