"""What is new in the log of a release that serves: its rows, and those whose truth is known since just now.

A file that came to the store is read once, however late it came, up to two days. How long nobody looked makes no
difference. A truth can come as late as it will: the predictions that it is about are looked for day by day, back
to where the release began to serve, and only the files that hold them are read.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from infra.log_index import LogIndex
from infra.prediction_log import EPOCH, ROW, STRETCH, Kind, LogReader, with_truth
from infra.store import Store
from tasks.monitoring.names import since as begun_since

# Names of read files are remembered for so long; what comes to the store later than that is not counted.
LATE = timedelta(days=2)
DAY = timedelta(days=1)
Names = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class News:
    """`rows`: new ones that fell to the release; `labelled`: its rows that were answered, whose truth is new.

    Both have the log's columns, `labelled` also those of `with_truth`. Of a row that another release answered in its
    place, or that was answered by nobody, the prediction is null. `asked`: when the model was asked first and last, by
    whatever release it was answered. `read`: the names of all files that were read so far.
    """

    rows: pl.DataFrame
    labelled: pl.DataFrame
    asked: tuple[datetime, datetime] | None
    read: dict[str, frozenset[str]]


class Reading:
    """The log of one release from `since` on; `read` are the files that were read up to `looked`, the last turn."""

    def __init__(
        self, store: Store, model: str, release: str, since: datetime, read: Names, looked: datetime, now: datetime
    ) -> None:
        self._store, self._model, self._release, self._since = store, model, release, since
        self._before = {kind: frozenset(read.get(kind, ())) for kind in ("predictions", "feedback")}
        self._first = max(since, _stretch(looked - LATE))
        self._now = now

    def news(self) -> News | None:
        """What came since; None where no file did. Raises CannotAsk where one cannot be read."""
        log, told = self._reader("predictions"), self._reader("feedback")
        seen, truths = log.more(), told.more()
        read = {"predictions": log.read, "feedback": told.read}
        if all(read[kind] == self._before[kind] for kind in read):
            return None
        rows = self._mine(seen)
        asked = (seen["time"].min(), seen["time"].max()) if len(seen) else None
        kept = {kind: frozenset(begun_since(names, _stretch(self._first))) for kind, names in read.items()}
        return News(rows, self._labelled(rows, truths), asked, kept)  # type: ignore[arg-type]

    def _reader(self, kind: Kind) -> LogReader:
        return LogReader(self._store, kind, self._model, self._first, read=self._before[kind])

    def _mine(self, seen: pl.DataFrame) -> pl.DataFrame:
        """Rows that fell to the release, none of the shadow."""
        mine = seen.filter((pl.col("release") == self._release) & ~pl.col("shadow"))
        own = (pl.col("answered_by") != "fallback").fill_null(True) & ~pl.col("refused").fill_null(False)
        nulled = [name for name in ("output.prediction", "output.probabilities") if name in mine.columns]
        return mine.with_columns(pl.when(own).then(pl.col(name)).alias(name) for name in nulled)

    def _labelled(self, rows: pl.DataFrame, truths: pl.DataFrame) -> pl.DataFrame:
        """Of new rows and of those before that a new truth is about: which have one, and had none."""
        old = self._awaited(rows, truths)
        both = pl.concat([rows, old], how="diagonal_relaxed")
        before = self._told_before(both) if len(both) else truths.clear()
        known = with_truth(both, pl.concat([before, truths], how="diagonal_relaxed"))
        counted = old.join(before, on=ROW, how="semi").select(ROW)
        answered = pl.col("output.prediction").is_not_null() if "output.prediction" in known.columns else pl.lit(False)
        new = known.filter(pl.col("truth").is_not_null() & pl.col("error").is_null() & answered)
        return new.join(counted, on=ROW, how="anti")

    def _awaited(self, rows: pl.DataFrame, truths: pl.DataFrame) -> pl.DataFrame:
        """Rows read before that a new truth is about. Goes back no further than it must."""
        wanted, found = truths.select(ROW).unique().join(rows, on=ROW, how="anti"), [rows.clear()]
        index = LogIndex(self._store, "predictions", self._model)
        for day, names in self._days_back():
            if not len(wanted):
                break
            near = index.holding(day, names, wanted["request_id"].unique())
            read = LogReader(self._store, "predictions", self._model, self._since).more(near)
            there = read.filter(~pl.col("shadow")).join(wanted, on=ROW, how="semi")
            found.append(self._mine(there))
            # Of whichever release it is: it fell to one alone.
            wanted = wanted.join(there, on=ROW, how="anti")
        return pl.concat(found, how="diagonal_relaxed")

    def _days_back(self) -> Iterator[tuple[datetime, set[str]]]:
        day = self._now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + DAY
        while day > self._since - DAY:
            yield day, self._known("predictions", day)
            day -= DAY

    def _told_before(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The truths about these rows that were read before: none is older than what it is about."""
        moment: datetime = rows["time"].min() - STRETCH  # type: ignore[operator, assignment]
        index, requests = LogIndex(self._store, "feedback", self._model), rows["request_id"].unique()
        day, near = moment, set[str]()
        while day < self._now + 2 * DAY:
            near |= index.holding(day, begun_since(self._known("feedback", day), moment), requests)
            day += DAY
        return LogReader(self._store, "feedback", self._model, moment).more(near)

    def _known(self, kind: Kind, day: datetime) -> set[str]:
        """Files of a day that were read before. A file that comes just now is not among them: the next turn has it."""
        names = self._store.keys(f"{kind}/{self._model}/{day.astimezone(UTC):%Y-%m-%d}/")
        forgotten = {*names} - begun_since(names, _stretch(self._first))
        return forgotten | (self._before[kind] & {*names})


def _stretch(moment: datetime) -> datetime:
    """When the stretch of time began that the files of a moment are named by."""
    return moment - (moment - EPOCH) % STRETCH
