"""What must hold of the check `slices`."""

from expectations.expectation import Expectation
from expectations.spec import ReleaseSpec


def slices_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """TODO."""
    return [*spec.expectations.slices]
