"""The pictures of a report: figures of a release that serves, over time, beside those of its own test rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import dates
from matplotlib.axes import Axes

from tasks.drawing import BLUE, OCHRE, PALE, Plot, draw, kept, number
from tasks.monitoring.periods import DAY, HOUR, KEPT_PARTS, PART, Period, by
from tasks.monitoring.usual import Usual

Floats = npt.NDArray[np.float64]
NAN = float("nan")
# With more hours than these, days are drawn.
MOST_HOURS = 72


@dataclass(frozen=True)
class Line:
    """One figure over time. `values`, and where it is surely (95 %) between (k,); NaN where nothing was seen.

    `usual` is the release's own figure; what it is called, and the unit, are for people.
    """

    title: str
    unit: str
    values: Floats
    lower: Floats
    upper: Floats
    usual: float = NAN
    usual_is: str = "its own test rows"


@dataclass(frozen=True)
class Costs:
    """What a million answers cost, in which currency, and how much is allowed a day (NaN: no limit)."""

    per_million: float
    currency: str
    per_day: float = NAN


def drawn_periods(days: Sequence[Period], kept: Sequence[Period]) -> tuple[list[Period], int]:
    """The periods that are drawn, and how many seconds each is. `kept`: hours, and the parts of the last ones."""
    if not days and (not kept or kept[-1].start - kept[0].start <= KEPT_PARTS * HOUR):
        return list(kept), PART
    hours = by(kept, HOUR)
    if not days and len(hours) <= MOST_HOURS:
        return hours, HOUR
    return by([*days, *hours], DAY), DAY


def build_lines(
    periods: Sequence[Period], seconds: int, usual: Usual, p95_ms: float, costs: Costs | None
) -> list[Line]:
    """Each figure of the report, in order; one that was never seen is left out."""
    unit = {PART: "in five minutes", HOUR: "an hour", DAY: "a day"}[seconds]
    lines = [
        _plain(f"Requests {unit}", "rows", [one.rows for one in periods]),
        _said(periods, usual),
        _share(
            "Share that a guard said no to",
            [(one.distrusted, one.answered_rows) for one in periods],
            _usual_trips(usual),
        ),
        _share("Share without an answer", [(one.errors, one.rows) for one in periods], NAN),
        _plain(
            "Latency, 95 of 100 answers within", "ms", [one.latency_ms(0.95) for one in periods], p95_ms, "its dossier"
        ),
        _loss(periods, usual),
        _estimated(periods, usual),
        _calibration(periods, usual),
    ]
    if costs:
        per_day = [one.rows * costs.per_million / 1e6 * DAY / seconds for one in periods]
        lines.append(_plain("Cost a day", costs.currency, per_day, costs.per_day, "allowed"))
    return [line for line in lines if np.isfinite(line.values).any()]


def _plain(title: str, unit: str, values: Sequence[float], usual: float = NAN, usual_is: str = "") -> Line:
    found = np.array(values, dtype=np.float64)
    return Line(title, unit, found, found, found, usual, usual_is)


def _share(title: str, parts: Sequence[tuple[float, float]], usual: float) -> Line:
    """A share of rows with its Wilson interval."""
    told = [wilson(hits, n) for hits, n in parts]
    values = np.array([hits / n if n else NAN for hits, n in parts])
    lower, upper = (np.array([one[end] for one in told]) for end in (0, 1))
    return Line(title, "share", values, lower, upper, usual)


def wilson(hits: float, n: float) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927); NaN of nothing."""
    if not n:
        return NAN, NAN
    z, share = 1.96, hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return float(middle - half), float(middle + half)


def _said(periods: Sequence[Period], usual: Usual) -> Line:
    counted, own = usual.meaning.counted, usual.figures
    expected = own.said / own.answered if own.answered else NAN
    if counted is not None:
        return _share(f"Share answered {counted!r}", [(one.said, one.answered) for one in periods], expected)
    return _means(
        "Mean prediction", "target's unit", [(one.answered, one.said, one.said_squares) for one in periods], expected
    )


def _means(title: str, unit: str, sums: Sequence[tuple[float, float, float]], usual: float) -> Line:
    """Means with a 95 % normal interval, of (count, sum, sum of squares)."""
    n, total, squares = np.array(sums, dtype=np.float64).reshape(-1, 3).T
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(n > 0, total / n, NAN)
        half = 1.96 * np.sqrt(np.maximum(squares / n - mean**2, 0) / n)
    return Line(title, unit, mean, mean - half, mean + half, usual)


def _loss(periods: Sequence[Period], usual: Usual) -> Line:
    title = "Error as a share of its scale" if usual.meaning.counted is None else "Share of wrong answers"
    expected = usual.figures.loss / usual.figures.labelled if usual.figures.labelled else NAN
    sums = [(one.labelled, one.loss, one.squares) for one in periods]
    return _means(f"{title}, as truths arrive", "0 to 1", sums, expected)


def _estimated(periods: Sequence[Period], usual: Usual) -> Line:
    own = usual.figures
    expected = own.expected / own.expecting if own.expecting else NAN
    values = [one.expected / one.expecting if one.expecting else NAN for one in periods]
    return _plain("Wrong answers that it expects of itself", "share", values, expected, "its own test rows")


def _calibration(periods: Sequence[Period], usual: Usual) -> Line:
    values = [one.calibration_error() for one in periods]
    return _plain(
        "Distance of chances from what came of them",
        "0 to 1",
        values,
        usual.figures.calibration_error(),
        "its own test rows",
    )


def _usual_trips(usual: Usual) -> float:
    return usual.figures.distrusted / usual.figures.rows if usual.figures.rows else NAN


def build_plots(periods: Sequence[Period], lines: Sequence[Line]) -> list[Plot]:
    """A picture of each line."""
    return kept(_drawn(periods, line) for line in lines)


def _drawn(periods: Sequence[Period], line: Line) -> Plot:
    when = [one.time for one in periods]

    def paint(axes: Axes) -> None:
        shown: Any = when
        axes.fill_between(shown, line.lower, line.upper, color=PALE, linewidth=0)
        axes.plot(shown, line.values, color=BLUE, marker="o", ms=3, lw=1.4)
        if np.isfinite(line.usual):
            axes.axhline(line.usual, color=OCHRE, ls="--", lw=1.4, label=line.usual_is)
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1))
        if len(when) == 1:
            axes.set_xlim(shown[0] - timedelta(minutes=30), shown[0] + timedelta(minutes=30))
        axes.set_ylabel(line.unit)
        axes.set_ylim(bottom=min(0.0, float(np.nanmin(line.lower))))
        formatter: Any = dates.ConciseDateFormatter
        axes.xaxis.set_major_formatter(formatter(axes.xaxis.get_major_locator()))

    return Plot(line.title, _words(when, line), draw(paint, 2.5))


def _words(when: Sequence[Any], line: Line) -> str:
    """The same as the picture: first, last, least and most, and what is usual."""
    seen = np.flatnonzero(np.isfinite(line.values))
    first, last = seen[0], seen[-1]
    told = f"{line.title}: {number(line.values[first])} at {when[first]:%Y-%m-%d %H:%M}"
    told += f", {number(line.values[last])} at {when[last]:%Y-%m-%d %H:%M}"
    told += f"; between {number(np.nanmin(line.values))} and {number(np.nanmax(line.values))}"
    return told + (f"; {line.usual_is}: {number(line.usual)}." if np.isfinite(line.usual) else ".")
