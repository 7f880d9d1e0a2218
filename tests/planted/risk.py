"""Faults of the assessment: copied answers, and an origin of risk that nothing looks at."""

from exposure import ANSWERS

from expectations.risk import PLACEHOLDER
from planted.base import Planted

FAULTS: tuple[Planted, ...] = (
    Planted("a copied answer", "risk", "own_words:legal", spec={"risk": {"answers": {"legal": PLACEHOLDER}}}),
    Planted("no answer", "risk", "own_words:misuse", spec={"risk": {"answers": {"misuse": ""}}}),
    Planted(
        "one text for two questions",
        "risk",
        "own_words:safety",
        spec={"risk": {"answers": {"safety": ANSWERS["financial"]}}},
    ),
)
