"""What must hold of the check `production`."""

from expectations.expectation import Expectation
from expectations.spec import ReleaseSpec


def production_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """TODO."""
    return [*spec.expectations.production]
