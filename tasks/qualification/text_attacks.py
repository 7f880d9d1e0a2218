"""Does a decision turn when a few words are written a little differently?"""

import re
from dataclasses import dataclass

import numpy as np

from infra.runtime import Predictions
from tasks.qualification.case import Case, Flags
from tasks.qualification.look_alikes import KINDS, Kind, look_alike

# How many words are touched, nearly always by one character each, and how often another choice of them is tried.
TOUCHED, TRIES = (1, 3), 3
WORD = re.compile(r"\S*\w\S*")


@dataclass(frozen=True)
class TextAttack:
    """One kind of change to so many words of a column: (n,) whose decision turned in any of the tries."""

    column: str
    kind: Kind
    words: int
    turned: Flags
    queries: int


def touched(text: str, rng: np.random.Generator, kind: Kind, words: int) -> str:
    """The text with so many of its words changed, all of them where it has fewer."""
    places = list(WORD.finditer(text))
    if not places:
        return text
    chosen = rng.choice(len(places), min(words, len(places)), replace=False)
    for at in sorted(chosen.tolist(), reverse=True):
        start, end = places[at].span()
        text = text[:start] + look_alike(text[start:end], rng, kind) + text[end:]
    return text


def text_attacks(case: Case, column: str, amount: float) -> list[TextAttack]:
    """Every kind, for one word and for three; the decisions turn as `Decisions` says."""
    return [_attacked(case, column, amount, kind, words) for kind in KINDS for words in TOUCHED]


def _attacked(case: Case, column: str, amount: float, kind: Kind, words: int) -> TextAttack:
    rng = np.random.default_rng([case.seed, KINDS.index(kind), words])
    turned = np.zeros(len(case.test), dtype=bool)
    for _ in range(TRIES):
        texts = [
            touched(text, rng, kind, words) if isinstance(text, str) else text for text in case.test[column].tolist()
        ]
        turned |= _differ(case.said, case.ask(case.test.assign(**{column: texts})), amount)
    return TextAttack(column, kind, words, turned, TRIES * len(case.test))


def _differ(before: Predictions, after: Predictions, amount: float) -> Flags:
    if before.classes:
        return np.asarray(before.values != after.values)
    return np.asarray(np.abs(before.values - after.values) > amount)
