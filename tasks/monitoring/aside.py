"""Silence and cost: what is watched of a model that serves, and needs no statistics."""

from datetime import datetime, timedelta

from expectations.sequential.standing import Judged, Standing
from expectations.state import Mode
from tasks.monitoring.keeping import Kept
from tasks.monitoring.periods import last_day, period_from_json
from tasks.monitoring.seen import Seen
from tasks.monitoring.served import Served

MILLION = 1e6
# A day is counted in whole hours, so a steady spend seems to move by a twenty-fourth.
CALM_SHARE = 0.95


def silence(served: Served, kept: Kept, mode: Mode, now: datetime) -> Seen | None:
    """Has nobody asked for too long? Before the first request nobody can tell, nor where nobody is answered."""
    watched = served.alarms.silence
    if watched is None:
        return None
    if kept.last is None:
        return _answer("silence", Standing.CANNOT_TELL, f"no request since it began to serve at {_clock(kept.since)}.")
    if mode.name in ("refuse", "off"):
        return _answer(
            "silence", Standing.CANNOT_TELL, f"in mode {mode.name} nobody is answered, and nothing is logged."
        )
    # After it was switched off nobody may have noticed yet that it answers again.
    quiet_from = max(datetime.fromisoformat(kept.last), datetime.fromisoformat(mode.since or kept.since))
    idle = (now - quiet_from).total_seconds() / 60
    words = f"the last request was at {_clock(kept.last)}, {idle:.3g} minutes without one"
    if idle <= watched.minutes:
        return _answer("silence", Standing.QUIET, f"{words}.", calm=_lasts(served, kept, now))
    since = quiet_from + timedelta(minutes=watched.minutes)
    judged = Judged(
        "silence", Standing.ALARM, f"silence: {words}; {watched.minutes:g} minutes are silence.", idle / watched.minutes
    )
    return Seen(judged, since)


def _lasts(served: Served, kept: Kept, now: datetime) -> bool:
    """Whether requests have come again for long enough."""
    watched, asked = served.alarms.silence, now - datetime.fromisoformat(kept.last or kept.since)
    if watched is None or asked > timedelta(minutes=watched.minutes):
        return False
    back = timedelta(minutes=served.monitoring.calm_minutes)
    return kept.resumed is None or now - datetime.fromisoformat(kept.resumed) >= back


def cost(served: Served, kept: Kept, now: datetime) -> Seen | None:
    """What the answers of the last day cost, by the dossier's measured cost of one."""
    watched, prices = served.alarms.cost, served.spec.compression
    if watched is None:
        return None
    million = money_per_million(served)
    if million is None:
        return _answer("cost", Standing.CANNOT_TELL, "the release's dossier has no measured cost of a prediction.")
    day = last_day(map(period_from_json, kept.hours), now)
    spent = day.rows * million / MILLION
    words = f"{day.rows:,.0f} rows in the last day cost about {spent:.3g} {prices.currency}"
    if watched.per_day is None:
        return _answer("cost", Standing.QUIET, f"{words}; no limit is set.", calm=True)
    if spent <= watched.per_day:
        calm = spent <= CALM_SHARE * watched.per_day
        return _answer("cost", Standing.QUIET, f"{words}; {watched.per_day:g} are allowed.", calm)
    judged = Judged("cost", Standing.ALARM, f"cost: {words}; {watched.per_day:g} are allowed.", spent / watched.per_day)
    return Seen(judged, datetime.fromisoformat(kept.last or kept.since))


def money_per_million(served: Served) -> float | None:
    """What a million predictions one by one cost, as the dossier has it; None where it was not measured."""
    if (measured := served.figure("costs", "money_per_million")) is not None:
        return measured
    rows, chosen = served.records("compression"), served.facts("compression").get("release_instead")
    if not {"name", "money_per_million"} <= set(rows.columns) or rows.empty:
        return None
    mine = rows[rows["name"] == chosen["name"]] if chosen else rows.head(1)
    found = float(mine["money_per_million"].iloc[0]) if len(mine) else float("nan")
    return found if found == found else None


def _answer(alarm: str, standing: Standing, words: str, calm: bool = False) -> Seen:
    return Seen(Judged(alarm, standing, f"{alarm}: {words}"), None, calm)


def _clock(time: str) -> str:
    return f"{time[:16].replace('T', ' ')} UTC"
