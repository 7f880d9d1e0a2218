"""What must hold of the check `calibration`."""

from expectations.expectation import Expectation
from expectations.spec import ReleaseSpec


def calibration_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """TODO."""
    return [*spec.expectations.calibration]
