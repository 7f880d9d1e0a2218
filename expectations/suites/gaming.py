"""What must hold of the check `gaming`."""

from expectations.expectation import Expectation
from expectations.spec import ReleaseSpec


def gaming_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """TODO."""
    return [*spec.expectations.gaming]
