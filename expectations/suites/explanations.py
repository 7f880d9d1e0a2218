"""What must hold of the check `explanations`."""

from expectations.expectation import Expectation
from expectations.spec import ReleaseSpec


def explanations_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """TODO."""
    return [*spec.expectations.explanations]
