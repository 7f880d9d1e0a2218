"""What must hold of the check `poisoning`."""

from expectations.expectation import Expectation
from expectations.spec import ReleaseSpec


def poisoning_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """TODO."""
    return [*spec.expectations.poisoning]
