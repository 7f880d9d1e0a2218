"""Is a release getting worse, week by week, too slowly for any minute to show it?

A straight line through weekly figures, each with the weight of its rows. Its interval comes from how the weeks scatter
around it, never from rows alone: weeks differ by more than chance. With few weeks it is wide, and says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.drawing import number
from tasks.monitoring.periods import DAY, Period, together
from tasks.monitoring.usual import Usual

Floats = npt.NDArray[np.float64]
NAN = float("nan")
WEEK = 7 * DAY
# With fewer weeks a line through them says nothing. A week of fewer rows is left out.
FEWEST_WEEKS, FEWEST_ROWS = 4, 20
# A decay that began late is looked for in the last weeks alone, too.
LATE_WEEKS = 13


@dataclass(frozen=True)
class Trend:
    """A figure's change over `weeks` weeks: `change` from `lower` to `upper` with 95 %; NaN where nobody can tell.

    `surely`: by so much, at least, it grew, all weekly looks together; `first` and `last` are the line's ends.
    """

    name: str
    weeks: int
    first: float = NAN
    last: float = NAN
    change: float = NAN
    lower: float = NAN
    upper: float = NAN
    surely: float = NAN

    @property
    def answer(self) -> str:
        """grows, falls, steady or cannot tell."""
        if not np.isfinite(self.change):
            return "cannot tell"
        return "grows" if self.lower > 0 else "falls" if self.upper < 0 else "steady"

    @property
    def words(self) -> str:
        """The answer as a sentence."""
        if self.answer == "cannot tell":
            return f"{self.name}: cannot tell: {self.weeks} whole weeks with enough rows, {FEWEST_WEEKS} are needed."
        ends = f"from {number(self.first)} to {number(self.last)} in {self.weeks} weeks"
        sure = f"a change of {number(self.change)} [{number(self.lower)}, {number(self.upper)}]"
        return f"{self.name} {'is' if self.answer == 'steady' else ''} {self.answer}: {ends}, {sure}.".replace(
            "  ", " "
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "answer": self.answer, "words": self.words}


Figure = Callable[[Period], tuple[float, float]]


def figures(usual: Usual, money_per_million: float | None) -> dict[str, Figure]:
    """(value, rows) of a week, by what it is called."""
    told: dict[str, Figure] = {
        "loss": lambda week: (week.loss / max(week.labelled, 1), week.labelled),
        "calibration error": lambda week: (week.calibration_error(), float(np.sum(week.chances))),
        "guard trips": lambda week: (week.distrusted / max(week.answered_rows, 1), week.answered_rows),
        "latency p95, ms": lambda week: (week.latency_ms(0.95), week.answered_rows),
        "requests a day": lambda week: (week.rows / 7, week.rows),
    }
    if usual.meaning.counted is None:
        del told["calibration error"]
    if money_per_million is not None:
        told["cost a day"] = lambda week: (week.rows / 7 * money_per_million / 1e6, week.rows)
    return told


def weeks_of(periods: Sequence[Period], until: float) -> list[Period]:
    """Whole weeks, counted back from the day of `until` (seconds since 1970), the oldest first.

    The day of `until` is not over, and the week in which the first period lies was not seen from its start.
    """
    last = int(until) // DAY * DAY
    over = [one for one in periods if one.start < last]
    starts = [last - ((last - 1 - one.start) // WEEK + 1) * WEEK for one in over]
    first = min((one.start for one in over), default=0)
    moved = [Period(**{**vars(one), "start": start}) for one, start in zip(over, starts, strict=True) if start >= first]
    return together([], moved)


def measure_trends(weeks: Sequence[Period], told: dict[str, Figure], alpha: float) -> list[Trend]:
    """The trend of each figure over all weeks. `alpha`: for the chance of ever being sure of what is not so."""
    return [trend(name, weeks, figure, alpha) for name, figure in told.items()]


def trend(name: str, weeks: Sequence[Period], figure: Figure, alpha: float, lived: int = 0) -> Trend:
    """A weighted straight line through the weekly figures. `lived`: weeks since the beginning, where `weeks` are not
    all; each of them was a look."""
    at = np.array([one.start / WEEK for one in weeks], dtype=np.float64)
    parts = np.array([figure(one) for one in weeks], dtype=np.float64).reshape(-1, 2)
    good = (parts[:, 1] >= FEWEST_ROWS) & np.isfinite(parts[:, 0])
    n = int(good.sum())
    if n < FEWEST_WEEKS:
        return Trend(name, n)
    return _line(name, at[good], parts[good, 0], parts[good, 1], _part(alpha, max(lived, len(weeks))))


def _line(name: str, at: Floats, value: Floats, weight: Floats, alpha: float) -> Trend:
    from scipy.stats import t

    n, weight = len(at), weight / weight.sum()
    middle, mean = weight @ at, weight @ value
    spread = weight @ (at - middle) ** 2
    slope = float(weight @ ((at - middle) * (value - mean)) / spread)
    off = value - mean - slope * (at - middle)
    error = float(np.sqrt((weight @ off**2) * n / (n - 2) / (n * spread)))
    span, ends = float(at[-1] - at[0]), [mean + slope * (end - middle) for end in (at[0], at[-1])]
    change, half = slope * span, float(t.ppf(0.975, n - 2)) * error * span
    surely = change - float(t.ppf(1 - alpha, n - 2)) * error * span
    return Trend(name, n, float(ends[0]), float(ends[1]), change, change - half, change + half, surely)


def _part(alpha: float, weeks: int) -> float:
    """Of alpha for the look after so many weeks: the parts 1/2, 1/6, 1/12 … of all weekly looks sum up to it."""
    look = weeks - FEWEST_WEEKS + 1
    return alpha / (look * (look + 1))
