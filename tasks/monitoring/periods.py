"""Figures for people, by five minutes, later by hours and then by days: sums alone, so that periods can be added up.

Nothing is judged by them but what answers cost a day, and the weekly review's trends.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from infra.runtime import label_text

Floats = npt.NDArray[np.float64]
PART, HOUR, DAY = 300, 3600, 86_400
# Latencies are counted between these, in milliseconds: a tenth more each.
EDGES = 0.05 * 1.1 ** np.arange(120)
# Chances are counted in tenths: what was said in each, and what came of it.
BINS = 10
# Older parts are added up to hours, older hours to days.
KEPT_PARTS, KEPT_HOURS = 6, 3 * 24


@dataclass(frozen=True)
class Period:
    """Sums over the answers of one part of an hour, one hour or one day. `start` in seconds since 1970.

    `rows` fell to the release, `errors` of them failed, `distrusted` of those answered a guard said no to. `said`: of
    `answered` rows the sum of predictions, or how many said the positive (else: the commonest) class; `said_squares` of
    their squares. `latency` (120,): rows by latency. `labelled` rows have a truth: their `loss`, and its `squares`.
    `chances`, `happened`, `stated` (10,): rows with a chance and a truth by tenths, how often it happened, and the sum
    of chances. `expected`: over `expecting` rows the loss that the model's own chances promise.
    """

    start: int
    rows: float = 0
    errors: float = 0
    distrusted: float = 0
    answered: float = 0
    said: float = 0
    said_squares: float = 0
    labelled: float = 0
    loss: float = 0
    squares: float = 0
    expecting: float = 0
    expected: float = 0
    latency: tuple[float, ...] = ()
    chances: tuple[float, ...] = ()
    happened: tuple[float, ...] = ()
    stated: tuple[float, ...] = ()

    def plus(self, other: "Period") -> "Period":
        """Both as one, from the start of this one."""
        mine, theirs = asdict(self), asdict(other)
        added: dict[str, Any] = {name: _sum(mine[name], theirs[name]) for name in mine}
        return Period(**{**added, "start": self.start})

    def as_json(self) -> dict[str, Any]:
        """`period_from_json` is the inverse; what is zero is left out."""
        told = {name: value for name, value in asdict(self).items() if name == "start" or np.any(value)}
        return {name: _trimmed(value) if isinstance(value, tuple) else value for name, value in told.items()}

    @property
    def time(self) -> datetime:
        """Its start."""
        return datetime.fromtimestamp(self.start, UTC)

    @property
    def answered_rows(self) -> float:
        """Rows that did not fail."""
        return self.rows - self.errors

    def latency_ms(self, share: float) -> float:
        """The latency that `share` of the rows keep to, within a tenth of it; NaN without rows."""
        counts = np.cumsum(self.latency) if self.latency else np.zeros(1)
        return float(EDGES[np.searchsorted(counts, share * counts[-1])]) if counts[-1] else float("nan")

    def calibration_error(self) -> float:
        """Mean distance between chances and what came of them, over tenths; NaN without truths."""
        n = np.sum(self.chances)
        return float(np.abs(np.subtract(self.stated, self.happened)).sum() / n) if n else float("nan")


def _sum(one: Any, other: Any) -> Any:
    if isinstance(one, tuple):
        return tuple(np.add(one, other).tolist()) if one and other else one or other
    return one + other


def period_from_json(values: Mapping[str, Any]) -> Period:
    """The period that `Period.as_json` gave."""
    told: dict[str, Any] = {name: _whole(one) if isinstance(one, dict) else one for name, one in values.items()}
    return Period(**told)


def _trimmed(values: Sequence[float]) -> dict[str, Any]:
    """A list without the zeros at its ends."""
    found = np.flatnonzero(values)
    first, last = int(found[0]), int(found[-1])
    return {"of": len(values), "from": first, "values": list(values[first : last + 1])}


def _whole(values: Mapping[str, Any]) -> tuple[float, ...]:
    before, told = [0.0] * values["from"], [float(value) for value in values["values"]]
    return (*before, *told, *[0.0] * (values["of"] - len(before) - len(told)))


@dataclass(frozen=True)
class Meaning:
    """How rows are read: the class that is counted (None of a regression), all classes, and what error counts as 1."""

    counted: str | None
    classes: tuple[str, ...] = ()
    scale: float | None = None


def measure_periods(rows: pl.DataFrame, labelled: pl.DataFrame, meaning: Meaning) -> list[Period]:
    """By parts of an hour, in order. `rows` and `labelled` are as `reading.News` has them; a truth counts in its row's
    part."""
    found: dict[int, Period] = {}
    for frame, measure in ((rows, _of_rows), (labelled, _of_truths)):
        starts = frame["time"].dt.truncate(f"{PART}s").dt.epoch("s").to_numpy()
        for start in np.unique(starts):
            one = measure(int(start), frame.filter(pl.Series(starts == start)), meaning)
            found[int(start)] = found[int(start)].plus(one) if int(start) in found else one
    return [found[start] for start in sorted(found)]


def _of_rows(start: int, part: pl.DataFrame, meaning: Meaning) -> Period:
    good = part.filter(pl.col("error").is_null())
    said = predicted(good, meaning)
    at = np.clip(np.searchsorted(EDGES, good["latency_ms"].to_numpy()), 0, len(EDGES) - 1)
    trusted = (
        good["output.trusted"].drop_nulls() if "output.trusted" in good.columns else pl.Series([], dtype=pl.Boolean)
    )
    sure = _chances(good, meaning)
    return Period(
        start,
        rows=len(part),
        errors=len(part) - len(good),
        distrusted=float((~trusted).sum()),
        answered=len(said),
        said=float(said.sum()),
        said_squares=float((said**2).sum()),
        latency=tuple(np.bincount(at, minlength=len(EDGES)).astype(float).tolist()) if len(good) else (),
        expecting=float(len(sure)),
        expected=float((1 - sure.max(axis=1)).sum()) if len(sure) else 0.0,
    )


def _of_truths(start: int, part: pl.DataFrame, meaning: Meaning) -> Period:
    loss = losses(part, meaning)
    one = Period(start, labelled=len(loss), loss=float(loss.sum()), squares=float((loss**2).sum()))
    chances = _chances(part, meaning)
    if meaning.counted not in meaning.classes or len(chances) != len(part):
        return one
    stated = chances[:, meaning.classes.index(str(meaning.counted))]
    came = np.array(label_text(part["truth"]) == meaning.counted, dtype=np.float64)
    tenth = np.minimum((stated * BINS).astype(int), BINS - 1)
    sums = [np.bincount(tenth, weights, BINS) for weights in (np.ones_like(stated), came, stated)]
    lists = [tuple(one.tolist()) for one in sums]
    return one.plus(Period(start, chances=lists[0], happened=lists[1], stated=lists[2]))


def predicted(good: pl.DataFrame, meaning: Meaning) -> Floats:
    """(k,) of the rows that were answered: the numbers, or whether it is the class that is counted."""
    answers = good["output.prediction"].drop_nulls() if "output.prediction" in good.columns else pl.Series([])
    if meaning.counted is None:
        numbers = answers.cast(pl.Float64, strict=False).to_numpy()
        return np.asarray(numbers[np.isfinite(numbers)], dtype=np.float64)
    return np.array(label_text(answers.to_list()) == meaning.counted, dtype=np.float64)


def losses(part: pl.DataFrame, meaning: Meaning) -> Floats:
    """(n,) of 0 to 1: wrong labels, or absolute errors as a share of the scale; none where there is no scale."""
    if meaning.counted is not None:
        said, truth = label_text(part["output.prediction"].to_list()), label_text(part["truth"].to_list())
        return np.asarray(said != truth, dtype=np.float64)
    if not meaning.scale:
        return np.zeros(0)
    error = (part["output.prediction"].cast(pl.Float64) - part["truth_number"]).abs().to_numpy()
    return np.asarray(np.minimum(error / meaning.scale, 1.0)[np.isfinite(error)], dtype=np.float64)


def _chances(part: pl.DataFrame, meaning: Meaning) -> Floats:
    """(k, classes): each row's chances, of the rows that have some."""
    k = len(meaning.classes)
    if "output.probabilities" not in part.columns or not k:
        return np.zeros((0, k))
    lists = part["output.probabilities"].drop_nulls().to_list()
    found = np.array([one for one in lists if len(one) == k], dtype=np.float64).reshape(-1, k)
    return found[np.isfinite(found).all(axis=1)]


def together(kept: Iterable[Period], more: Iterable[Period]) -> list[Period]:
    """Both, in order, one for each start."""
    found: dict[int, Period] = {}
    for one in (*kept, *more):
        found[one.start] = found[one.start].plus(one) if one.start in found else one
    return [found[start] for start in sorted(found)]


def by(periods: Iterable[Period], seconds: int) -> list[Period]:
    """Added up to days, or weeks, that begin at multiples of so many seconds since 1970."""
    moved = [Period(**{**asdict(one), "start": one.start // seconds * seconds}) for one in periods]
    return together([], moved)


def split_old(periods: Sequence[Period]) -> tuple[list[Period], list[Period]]:
    """(hours, and the parts of the last ones, whole days of what is older)."""
    if not periods:
        return [], []
    last = periods[-1].start
    first, young = (last - KEPT_HOURS * HOUR) // DAY * DAY, (last - KEPT_PARTS * HOUR) // HOUR * HOUR
    hours = by([one for one in periods if first <= one.start < young], HOUR)
    days = by([one for one in periods if one.start < first], DAY)
    return [*hours, *(one for one in periods if one.start >= young)], days


def last_day(periods: Iterable[Period], now: datetime) -> Period:
    """The last 24 hours, as one; hours are whole, so it is up to one less."""
    since = -int(-(now - timedelta(days=1)).timestamp() // HOUR) * HOUR
    total = Period(since)
    for one in periods:
        total = total.plus(one) if one.start >= since else total
    return total
