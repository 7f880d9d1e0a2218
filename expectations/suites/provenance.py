"""What must hold of the check `provenance`."""

from expectations.expectation import Expectation
from expectations.spec import ReleaseSpec


def provenance_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """TODO."""
    return [*spec.expectations.provenance]
