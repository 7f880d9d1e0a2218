"""What must hold of the check `scenarios`."""

from expectations.expectation import Expectation
from expectations.spec import ReleaseSpec


def scenarios_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """TODO."""
    return [*spec.expectations.scenarios]
