"""What is told of simpler models."""

from expectations.expectation import Expectation, metric
from expectations.spec import ReleaseSpec


def compression_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """Warnings: the candidate does not lead a simpler baseline by the tolerance, or no alternative was measured."""
    lead, tolerance = "lead_over_simple_baseline", spec.compression.tolerance
    led = [metric(lead, low=tolerance, severity="warning")] if lead in metrics else []
    return [metric("alternatives", low=1, severity="warning"), *led, *spec.expectations.compression]
