"""The three answers about a rollout, and their one order."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from expectations.sequential.intervals import Point
from expectations.sequential.watching import Unit


class Kind(StrEnum):
    """What a step's judge can say. The order of the members is the order of `together`: the last one wins."""

    ADVANCE = "advance"
    CANNOT_TELL = "cannot tell"
    ROLL_BACK = "roll back"


_RANK = {kind: rank for rank, kind in enumerate(Kind)}


@dataclass(frozen=True)
class Answer:
    """What is known of one metric, or of all together.

    `more`: about how many more of `unit` (the challenger's requests or labels, or minutes) until the answer is another
    one than *cannot tell*; None where no number would do or none is known. `against`: this metric's part of the
    evidence against the challenger; all parts sum up to 1 while nothing is seen, and 1/α together roll back. `points`:
    the difference (challenger less champion) in this step, for drawing; the last one is the latest.
    """

    metric: str
    kind: Kind
    words: str
    more: int | None = None
    unit: Unit = "requests"
    against: float = 0.0
    points: tuple[Point, ...] = ()


def together(answers: Sequence[Answer], alpha: float) -> Answer:
    """One answer of many: roll back before cannot tell before advance, and of none cannot tell.

    The parts of the evidence are summed: a mean of e-processes is an e-process however they hang together, so the
    chance of ever rolling back a challenger that is good in every metric is at most `alpha`, with no more correction
    for their number (Vovk and Wang, "E-values: calibration, combination and applications", 2021).
    """
    if not answers:
        return Answer("all", Kind.CANNOT_TELL, "Nothing is watched, so nothing is known.")
    against = sum(answer.against for answer in answers)
    worst = max((answer.kind for answer in answers), key=_RANK.__getitem__)
    if worst is not Kind.ROLL_BACK and against >= 1 / alpha:
        words = " ".join(answer.words for answer in sorted(answers, key=lambda one: -one.against)[:2])
        return Answer("all", Kind.ROLL_BACK, f"Only together is it enough: {words}", against=against)
    deciding = [answer for answer in answers if answer.kind is worst]
    longest = max(deciding, key=lambda answer: (answer.more is None, answer.more or 0))
    words = " ".join(answer.words for answer in deciding)
    return Answer("all", worst, words, longest.more, longest.unit, against, longest.points)
