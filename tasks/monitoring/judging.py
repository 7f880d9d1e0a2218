"""From what is new in the log to each alarm's answer, as JSON from turn to turn."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from expectations.sequential.accounts import Account, Asked, evidence_of
from expectations.sequential.standing import Judged, Standing
from tasks.monitoring.counting import count
from tasks.monitoring.reading import News
from tasks.monitoring.reference import ReferenceRows
from tasks.monitoring.running import advance, calm, ended, judge_running, running_from_json, start
from tasks.monitoring.seen import Seen
from tasks.monitoring.served import Served
from tasks.monitoring.yardsticks import Yardsticks, set_yardsticks, yardsticks_from_json

Told = Mapping[str, Any]
# A reading is cut into minutes, and into no more than so many parts.
MOST_TICKS = 60


def set_up(what: Served, own: ReferenceRows) -> dict[str, Any]:
    """The yardsticks of a release, as JSON."""
    return set_yardsticks(what.spec, own).as_json()


def begun(yardsticks: Told) -> dict[str, Any]:
    """Nothing was seen yet; `when` is when the last tick began, in UTC seconds."""
    return start(yardsticks_from_json(yardsticks)).as_json() | {"when": 0}


def counted(yardsticks: Told, running: Told, news: News) -> dict[str, Any]:
    """After what is new was counted, tick by tick."""
    yard, when = yardsticks_from_json(yardsticks), int(running["when"])
    state = running_from_json(yard, running)
    for began, rows, labelled in ticks(news):
        when = max(when, began)
        state = advance(yard, state, count(yard, rows, labelled), when)
    return state.as_json() | {"when": when}


def ticks(news: News) -> Iterator[tuple[int, pl.DataFrame, pl.DataFrame]]:
    """(UTC second, rows, labelled) of each minute or so in which something came; every row is in one of them.

    Law: the same reading gives the same ticks.
    """
    times = [_seconds(frame, column) for frame, column in ((news.rows, "time"), (news.labelled, "truth_time"))]
    both = np.concatenate(times)
    if not len(both):
        return
    parts = int(np.clip((both.max() - both.min()) // 60, 1, MOST_TICKS))
    edges = np.linspace(both.min(), both.max(), parts + 1)[1:-1]
    at = [np.searchsorted(edges, one, side="right") for one in times]
    for part in range(parts):
        mine = [one == part for one in at]
        if any(one.any() for one in mine):
            began = min(time[one].min() for time, one in zip(times, mine, strict=True) if one.any())
            yield int(began), news.rows.filter(pl.Series(mine[0])), news.labelled.filter(pl.Series(mine[1]))


def _seconds(frame: pl.DataFrame, column: str) -> Any:
    return frame[column].dt.epoch("us").to_numpy() / 1e6 if len(frame) else np.zeros(0)


def answers(yardsticks: Told, running: Told) -> list[Seen]:
    """Each alarm's answer."""
    yard = yardsticks_from_json(yardsticks)
    state = running_from_json(yard, running)
    return [
        _seen(one, one.alarm in state.accounts and calm(yard, state, one.alarm)) for one in judge_running(yard, state)
    ]


def _seen(judged: Judged, is_calm: bool) -> Seen:
    speaks = judged.standing is Standing.ALARM and judged.began
    return Seen(judged, datetime.fromtimestamp(judged.began or 0, UTC) if speaks else None, is_calm)


def anew(yardsticks: Told, running: Told, over: Iterable[str]) -> dict[str, Any]:
    """After these alarms have ended, they are asked about anew."""
    yard = yardsticks_from_json(yardsticks)
    state = running_from_json(yard, running)
    for name in (name for name in over if name in state.accounts):
        state = ended(yard, state, name)
    return state.as_json() | {"when": running["when"]}


def loudest(yardsticks: Told, running: Told, alarm: str, most: int) -> list[dict[str, Any]]:
    """Of one alarm the places where something speaks for a change, the most of it first: what is found there, of how
    many rows, and what is tolerated."""
    yard = yardsticks_from_json(yardsticks)
    account = running_from_json(yard, running).accounts.get(alarm)
    return _places(yard, alarm, account, most) if account else []


def _places(yard: Yardsticks, alarm: str, account: Account, most: int) -> list[dict[str, Any]]:
    asked, strength = yard.asked()[alarm], evidence_of(account)[0][:, 0]
    order = [int(at) for at in np.argsort(-strength, kind="stable") if account.count[at] and strength[at] > 1]
    return [_place(asked, account, at, float(strength[at])) for at in order[:most]]


def _place(asked: Asked, account: Account, at: int, odds: float) -> dict[str, Any]:
    return {
        "label": asked.labels[at],
        "found": float(account.total[at] / account.count[at]),
        "tolerated": float(asked.means[at, 0]),
        "n": int(account.count[at]),
        "odds": odds,
    }
