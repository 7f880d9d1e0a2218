"""The weekly look at what serves: where its figures go, whether it decays, what it costs; a page in the store."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from expectations.errors import CannotAsk
from expectations.sequential.standing import Judged, Standing
from infra.ledger import Ledger
from infra.store import Store
from tasks.drawing import number
from tasks.monitoring.alarming import settle
from tasks.monitoring.aside import money_per_million
from tasks.monitoring.keeping import Kept, newest
from tasks.monitoring.periods import Period, period_from_json
from tasks.monitoring.report import build_report
from tasks.monitoring.seen import Seen
from tasks.monitoring.served import Served, served
from tasks.monitoring.trends import LATE_WEEKS, Trend, figures, measure_trends, trend, weeks_of
from tasks.monitoring.watch import days_of, usual


def look_back(store: Store, ledger: Ledger, model: str, now: datetime) -> dict[str, Any]:
    """Trends, decay and cost of the release that serves, and where its page is. Raises CannotAsk where nobody looked.

    Records the alarm `decay`, or its end; the rest is the caller's to act on.
    """
    what = served(store, ledger, model)
    kept = newest(store, what.folder)
    if kept is None:
        raise CannotAsk(f"{what.release.id}: nothing was seen of it yet. `seatrial monitor {model}` looks at it once.")
    weeks = whole_weeks(what, kept, now)
    trends = measure_trends(weeks, figures(usual(what, kept), money_per_million(what)), what.monitoring.alpha)
    seen = decay(what, kept, weeks)
    records = settle(what, [seen] if seen else [], {"weeks": [one.as_json() for one in weeks]}, now)
    key = f"reports/{model}/{now.astimezone(UTC):%Y-%m-%d}.html"
    store.put_if_absent(key, build_report(store, ledger, model, now).page().encode())
    return {
        "model": model,
        "release": what.release.id,
        "weeks": len(weeks),
        "trends": [one.as_json() for one in trends],
        "decay": seen.as_json() if seen else None,
        "cost": cost_words(what, weeks),
        "unknown": [one.words for one in trends if one.answer == "cannot tell"],
        "report": store.place(key),
        "changes": [f"{one.kind}: {one.body['alarm']}. {one.body.get('words') or one.body['why']}" for one in records],
        "problems": [],
    }


def whole_weeks(what: Served, kept: Kept, now: datetime) -> list[Period]:
    """The weeks since the release began to serve, of seven whole days each."""
    periods = [*days_of(what.store, kept), *map(period_from_json, kept.hours)]
    return weeks_of(periods, now.timestamp())


def decay(what: Served, kept: Kept, weeks: Sequence[Period]) -> Seen | None:
    """Has the loss surely gained more than its tolerance, since the beginning or in the last weeks?

    Half of alpha is for each of both; all weekly looks together keep to it.
    """
    watched = what.alarms.decay
    if watched is None:
        return None
    loss, alpha = figures(usual(what, kept), None)["loss"], what.monitoring.alpha / 2
    both = [(part, trend("loss", part, loss, alpha, len(weeks))) for part in (weeks, weeks[-LATE_WEEKS:])]
    known = [(part, one) for part, one in both if one.answer != "cannot tell"]
    if not known:
        return Seen(Judged("decay", Standing.CANNOT_TELL, f"decay: {both[0][1].words}"))
    part, worst = max(known, key=lambda pair: pair[1].surely)
    return _judged(worst, part[0].start, watched.tolerance)


def _judged(worst: Trend, start: int, tolerance: float) -> Seen:
    ends = f"the loss went from {number(worst.first)} to {number(worst.last)} in {worst.weeks} weeks"
    words = f"decay: {ends}, surely by {number(max(worst.surely, 0.0))}; {tolerance:g} is tolerated."
    if worst.surely <= tolerance:
        # It ends where the line itself gains little, not where one can only not be sure of it any more.
        return Seen(Judged("decay", Standing.QUIET, words), calm=worst.change <= tolerance / 2)
    judged = Judged("decay", Standing.ALARM, words, worst.surely / tolerance, estimate=worst.change, lower=worst.surely)
    return Seen(judged, datetime.fromtimestamp(start, UTC))


def cost_words(what: Served, weeks: Sequence[Period]) -> str:
    """What answering costs a day, in the last whole week and in the first, by the dossier's cost of one."""
    million, currency = money_per_million(what), what.spec.compression.currency
    if million is None:
        return "Cannot tell: the release's dossier has no measured cost of a prediction."
    if not weeks:
        return "Cannot tell: no whole week is over."
    first, last = (number(one.rows / 7 * million / 1e6) for one in (weeks[0], weeks[-1]))
    began = datetime.fromtimestamp(weeks[-1].start, UTC)
    return f"{last} {currency} a day in the week from {began:%Y-%m-%d}; {first} in the first week."
