"""Is every answer in the prediction log? Answers as wrk saw them, and rows as they lie in the store, by request id."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from infra.prediction_log import LogReader
from infra.store import Store

# An answer that was on its way when its process was killed is seen a moment later.
MOMENT_S = 0.5
# An id: the name of its load, the connection, the number on it.
ID = r"^(?<load>.+)-(?<line>\d+)-(?<number>\d+)$"


@dataclass(frozen=True)
class Kill:
    """A process that was killed, and when, in Unix seconds. With a proxy before it the callers' connections hold."""

    pid: int
    at: float
    behind_proxy: bool = False


@dataclass(frozen=True)
class Account:
    """Of so many answers with 200: `logged` are in the log, `killed` were in the memory of a process that was killed,
    `dropped` were told as dropped. `twice` are rows that should not be; `unseen` are rows whose answer wrk did not wait
    for. `window_s`: the longest time before a kill of which something was lost."""

    answered: int
    logged: int
    killed: int
    dropped: int
    twice: int
    unseen: int
    window_s: float

    @property
    def missing(self) -> int:
        """Answers that nothing accounts for: it is to be 0."""
        return max(self.answered - self.logged - self.killed - self.dropped, 0)


def rows_of(store: Store, model: str, since: datetime) -> pl.DataFrame:
    """Every row of the log: request_id, time, and the id of the process that wrote it."""
    reader = LogReader(store, "predictions", model, since, columns=())
    keys = [key for key in store.keys(f"predictions/{model}/") if key.endswith(".parquet")]
    parts = [reader.more([key]).with_columns(pid=pl.lit(pid_of(key))) for key in keys]
    return pl.concat([reader.more([]).with_columns(pid=pl.lit(0)), *parts]).select("request_id", "time", "pid")


def pid_of(key: str) -> int:
    """Which process wrote a file of the log: <HHMMSS>-<process>-<random>-<number>.parquet."""
    found = re.search(r"/\d{6}-(\d+)-[0-9a-f]+-\d+\.parquet$", key)
    assert found, key
    return int(found[1])


def account(answers: pl.DataFrame, rows: pl.DataFrame, kills: Sequence[Kill], dropped: int = 0) -> Account:
    """`answers` (request_id, status, seen) of all loads; `rows` as `rows_of` gives them.

    What a killed process lost can only be what it answered on a connection that broke then, after the last row that it
    had written: anything else that is not there is missing.
    """
    # Others than wrk ask too, under ids of their own.
    answers, rows = _named(answers), _named(rows).join(_named(answers), on="load", how="semi")
    good = answers.filter(pl.col("status") == 200)
    asked = rows.join(good, on="request_id", how="semi")
    gone = good.join(rows, on="request_id", how="anti")
    ages = [age for kill in kills for age in _lost_to(kill, gone, rows, _broken(kill, answers))]
    return Account(
        answered=good.height,
        logged=asked["request_id"].n_unique(),
        killed=len(ages),
        dropped=dropped,
        twice=rows.height - rows["request_id"].n_unique(),
        unseen=rows["request_id"].n_unique() - asked["request_id"].n_unique(),
        window_s=max(ages, default=0.0),
    )


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    """With the load, the connection and the number that its ids name; null where they are others."""
    parts = pl.col("request_id").str.extract_groups(ID).alias("parts")
    return frame.with_columns(parts).unnest("parts").with_columns(pl.col("number").cast(pl.Int64))


def _broken(kill: Kill, answers: pl.DataFrame) -> pl.DataFrame:
    """load and line of the connections that a request was lost on when the process was killed."""
    if kill.behind_proxy:
        return answers.select("load", "line").unique()
    before = answers.sort("number").with_columns(
        next_number=pl.col("number").shift(-1).over("load", "line"),
        next_seen=pl.col("seen").shift(-1).over("load", "line"),
    )
    gap = (pl.col("next_number") > pl.col("number") + 1) & (pl.col("seen") < kill.at + MOMENT_S)
    return before.filter(gap & (pl.col("next_seen") > kill.at)).select("load", "line").unique()


def _lost_to(kill: Kill, gone: pl.DataFrame, rows: pl.DataFrame, broken: pl.DataFrame) -> list[float]:
    """How long before the kill each of those was answered that it cost."""
    last = rows.filter(pl.col("pid") == kill.pid)["time"].max()
    # Of a process that wrote nothing nobody can tell what it answered.
    safe = last.timestamp() if isinstance(last, datetime) else kill.at
    ages = (kill.at - seen for seen in gone.join(broken, on=["load", "line"], how="semi")["seen"] if seen > safe)
    return [age for age in ages if age > -MOMENT_S]
