"""What must hold of the answers to the uncomfortable questions."""

from expectations.expectation import Expectation, metric
from expectations.risk import QUESTIONS, WORDS
from expectations.spec import ReleaseSpec


def risk_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """Each question has an answer in words of the team's own."""
    return [*(metric(f"own_words:{key}", low=WORDS) for key in QUESTIONS), *spec.expectations.risk]
