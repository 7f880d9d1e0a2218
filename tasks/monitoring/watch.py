"""One turn of monitoring one model: reads on in its log, counts, judges, and tells the ledger what changed.

A turn first keeps what it counted, and then acts on what was kept. Killed before, it is as if it had never been; killed
after, the next turn finds the same answers, and does what is left of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from expectations.alarms import named
from expectations.errors import CannotAsk
from expectations.history import Record, State
from expectations.state import Mode
from infra.evidence_store import get_json, put_json
from infra.ledger import Ledger
from infra.store import Store
from tasks.monitoring import aside, judging
from tasks.monitoring.alarming import settle
from tasks.monitoring.keeping import Kept, keep, newest
from tasks.monitoring.periods import Period, measure_periods, period_from_json, split_old, together
from tasks.monitoring.reading import News, Reading
from tasks.monitoring.seen import Seen
from tasks.monitoring.served import Served, served
from tasks.monitoring.usual import Usual, own_rows, usual_from_json, usual_of
from tasks.traffic import Said


@dataclass(frozen=True)
class Turn:
    """What serves, what was seen of it so far, each alarm's answer, and the records that the ledger took."""

    served: Served
    kept: Kept
    seen: tuple[Seen, ...]
    records: tuple[Record, ...]


def look(store: Store, ledger: Ledger, model: str, now: datetime) -> Turn:
    """One turn. Raises CannotAsk where nothing serves, where its rows are gone, or the store is away."""
    what = served(store, ledger, model)
    kept = read_on(what, now)
    seen = answers(what, kept, now)
    kept, seen = _begin_anew(what, kept, seen)
    records = settle(what, seen, {"hours": list(kept.hours), "usual": usual(what, kept).as_json()}, now)
    return Turn(what, kept, tuple(seen), tuple(records))


def usual(what: Served, kept: Kept) -> Usual:
    """What is usual of the release."""
    return usual_from_json(get_json(what.store, kept.yardsticks)["usual"])


def answers(what: Served, kept: Kept, now: datetime) -> list[Seen]:
    """Each watched alarm's answer, of what was kept."""
    mode = what.ledger.state().modes.get(what.model, Mode())
    told = [aside.silence(what, kept, mode, now), aside.cost(what, kept, now)]
    return [*judging.answers(get_json(what.store, kept.yardsticks)["judging"], kept.running), *filter(None, told)]


def read_on(what: Served, now: datetime) -> Kept:
    """What was seen up to now: counted and kept, by this monitor or by another that was first."""
    while True:
        kept = newest(what.store, what.folder)
        more = _first(what, now) if kept is None else _with_news(what, kept, now)
        if more is None:
            assert kept is not None
            return kept
        keep(what.store, what.folder, more)


def _first(what: Served, now: datetime) -> Kept:
    """Nothing seen, and the yardsticks: set once, from the release's own rows."""
    own = own_rows(what)
    yardsticks = {"judging": judging.set_up(what, own), "usual": usual_of(what, own).as_json()}
    digest = put_json(what.store, yardsticks)
    running = judging.begun(yardsticks["judging"])
    return Kept(what.began().isoformat(), digest, 0, now.isoformat(timespec="seconds"), running=running)


def _with_news(what: Served, kept: Kept, now: datetime) -> Kept | None:
    since = datetime.fromisoformat(kept.since)
    looked = datetime.fromisoformat(kept.time) if kept.number else since
    news = Reading(what.store, what.model, what.release.id, since, kept.read, looked, now).news()
    if news is None:
        return None
    yardsticks = get_json(what.store, kept.yardsticks)
    meaning = usual_from_json(yardsticks["usual"]).meaning
    hours, days = _hours(what.store, kept, measure_periods(news.rows, news.labelled, meaning))
    counted = replace(
        kept,
        number=kept.number + 1,
        time=now.isoformat(timespec="seconds"),
        rows=kept.rows + len(news.rows),
        running=judging.counted(yardsticks["judging"], kept.running, news),
        hours=tuple(one.as_json() for one in hours),
        days=days,
        read=news.read,
    )
    return _asked(what, counted, news)


def _hours(store: Store, kept: Kept, new: Iterable[Period]) -> tuple[list[Period], str | None]:
    """The hours that stay hours, and the digest of the days that older ones were added up to."""
    hours, old = split_old(together(map(period_from_json, kept.hours), new))
    if not old:
        return hours, kept.days
    return hours, put_json(store, [one.as_json() for one in together(days_of(store, kept), old)])


def days_of(store: Store, kept: Kept) -> list[Period]:
    """Whole days that are no longer told hour by hour."""
    return list(map(period_from_json, get_json(store, kept.days))) if kept.days else []


def _asked(what: Served, kept: Kept, news: News) -> Kept:
    """When it was asked last, and since when it is asked again after a silence."""
    if news.asked is None:
        return kept
    first, last = news.asked
    before = datetime.fromisoformat(kept.last) if kept.last else None
    watched = what.alarms.silence
    silent = before and watched and first - before > timedelta(minutes=watched.minutes)
    resumed = first.isoformat() if silent else kept.resumed
    return replace(kept, last=max(last, before or last).isoformat(), resumed=resumed)


def _begin_anew(what: Served, kept: Kept, seen: list[Seen]) -> tuple[Kept, list[Seen]]:
    """After an alarm that has been calm for long enough the same one is asked anew.

    Kept before the ledger is told: killed in between, the alarm stays on until it has been calm once more.
    """
    over = [one.name for one in seen if one.spoke and one.calm]
    if not over:
        return kept, seen
    anew = _anew(what, kept, over)
    if keep(what.store, what.folder, anew):
        return anew, seen
    # Another monitor went on: what follows from what it kept is its own to tell, or the next turn's.
    return kept, [one for one in seen if one.name not in over]


def _anew(what: Served, kept: Kept, over: Iterable[str]) -> Kept:
    running = judging.anew(get_json(what.store, kept.yardsticks)["judging"], kept.running, over)
    return replace(kept, number=kept.number + 1, running=running)


def end_alarm(what: Served, alarm: str, person: str, why: str) -> None:
    """A person says that an alarm is over, as where no rows come that could calm it. What was seen so far speaks no
    more. Raises CannotAsk where it is not on."""
    on = [one.name for one in what.ledger.state().alarms.get(what.model, ())]
    if alarm not in on:
        raise CannotAsk(
            f"{what.model}: expected an alarm that is on, found {alarm!r}. On are: {', '.join(on) or 'none'}."
        )
    while (kept := newest(what.store, what.folder)) is not None:
        if keep(what.store, what.folder, _anew(what, kept, [alarm])):
            break

    def say(state: State) -> Said | None:
        ended = {"alarm": alarm, "why": why, "by": person}
        return ("alarm ended", what.model, ended) if named(state, what.model, alarm) else None

    what.ledger.decide_and_append(say)
