"""The judge of what serves: has anything moved away from the release's own figures, at whatever time?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from expectations.sequential.ticks import Numbers


@dataclass(frozen=True, eq=False)
class Strand:
    """One claim about values in [0, 1]: given the past, each one's mean is at most `limit` + `times` × `tolerance`.

    `count`, `total`, `squares` (T,) float64: sums of each short time (a tick), in order; T is the same for all strands
    of an alarm, and a tick that was judged never changes. `limit`: the release's own figure, and what is not known of
    it for want of records. `label` says what it is about, for people.
    """

    label: str
    limit: float
    tolerance: float
    count: Numbers
    total: Numbers
    squares: Numbers


class Standing(StrEnum):
    """What is known of an alarm."""

    QUIET = "quiet"
    ALARM = "alarm"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Judged:
    """An alarm's answer.

    `times`: it is surely beyond so many tolerances (0: surely beyond none); `odds` against "within the tolerance";
    `began`: the tick from which the evidence speaks (None while there is none); `worst`: labels of the strands that
    speak, the loudest first; `estimate` and `lower`: of the loudest, over the last ticks.
    """

    alarm: str
    standing: Standing
    words: str
    times: float = 0.0
    odds: float = 1.0
    began: int | None = None
    worst: tuple[str, ...] = ()
    estimate: float = float("nan")
    lower: float = float("nan")


# What a reading gives: strands by alarm, or why it could not be measured.
Seen = Mapping[str, Sequence[Strand] | str]
