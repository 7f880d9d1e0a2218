"""What must hold of the answers to the uncomfortable questions."""

from expectations.expectation import Expectation, metric
from expectations.risk import QUESTIONS, WORDS
from expectations.spec import ReleaseSpec


def risk_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """Each question has an answer in words of the team's own."""
    return [*(_answer(key, question) for key, question in QUESTIONS.items()), *spec.expectations.risk]


def _answer(key: str, question: str) -> Expectation:
    remedy = f"Answer in risk.answers.{key}, in {WORDS} words of your own or more: {question}"
    return metric(f"own_words:{key}", low=WORDS, remedy=remedy)
