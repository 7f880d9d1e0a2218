"""A model that serves, on one page: how it is served now, what is known of each alarm, what happened, what was done."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from expectations.errors import CannotAsk
from expectations.history import Record, State
from expectations.records import plain_json
from expectations.sequential.standing import Standing
from expectations.state import Mode
from infra.evidence_store import get_json
from infra.ledger import Ledger
from infra.store import Store
from tasks.drawing import Plot, number
from tasks.monitoring import judging
from tasks.monitoring.aside import money_per_million
from tasks.monitoring.keeping import Kept, newest
from tasks.monitoring.periods import Period, period_from_json
from tasks.monitoring.report_plots import Costs, Line, build_lines, build_plots, drawn_periods
from tasks.monitoring.seen import Seen
from tasks.monitoring.served import Served, served
from tasks.monitoring.trends import Trend, figures, measure_trends, weeks_of
from tasks.monitoring.watch import answers, days_of, usual

HAPPENED = ("alarm raised", "alarm ended", "mode set", "promoted", "rolled back")
TRAINED = ("retraining begun", "retraining refused", "retraining ended")
# Of the inputs, so many places that moved most are shown.
MOST_INPUTS = 12
NAN = float("nan")


@dataclass(frozen=True)
class Report:
    """Everything that the page tells; `values` as JSON, `plots` as pictures."""

    values: dict[str, Any]
    plots: tuple[Plot, ...]

    def page(self) -> str:
        """One self-contained HTML file."""
        environment = Environment(
            loader=FileSystemLoader(Path(__file__).parents[1]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["number"] = number
        return environment.get_template("monitoring_report.html.j2").render(**self.values, plots=self.plots)


def build_report(store: Store, ledger: Ledger, model: str, now: datetime) -> Report:
    """Of what monitoring has kept; it reads no log and writes nothing. Raises CannotAsk where it never looked."""
    what = served(store, ledger, model)
    kept = newest(store, what.folder)
    if kept is None:
        raise CannotAsk(f"{what.release.id}: nothing was seen of it yet. `seatrial monitor {model}` looks at it once.")
    records, state = [one for one in ledger.read() if one.model == model], ledger.state()
    periods, lines = drawn(what, kept)
    seen = answers(what, kept, now)
    told = {
        **_head(what, kept, state, now),
        "alarms": _alarms(what, state, seen),
        "inputs": judging.loudest(get_json(store, kept.yardsticks)["judging"], kept.running, "inputs", MOST_INPUTS),
        "inputs_unknown": _inputs_unknown(seen),
        "lines": [asdict(line) for line in lines],
        "times": [one.time.isoformat() for one in periods],
        "trends": [one.as_json() for one in trends_of(what, kept, now)],
        "timeline": [_line(one) for one in reversed(records) if one.kind in HAPPENED],
        "retrainings": [_trained(one) for one in reversed(records) if one.kind in TRAINED],
    }
    return Report(plain_json(told), tuple(build_plots(periods, lines)))


def drawn(what: Served, kept: Kept) -> tuple[list[Period], list[Line]]:
    """The figures over time, and the periods that they are of."""
    periods, seconds = drawn_periods(days_of(what.store, kept), list(map(period_from_json, kept.hours)))
    p95 = what.figure("latency", "p95_ms")
    return periods, build_lines(periods, seconds, usual(what, kept), NAN if p95 is None else p95, _costs(what))


def _costs(what: Served) -> Costs | None:
    million, watched = money_per_million(what), what.alarms.cost
    if million is None:
        return None
    allowed = watched.per_day if watched and watched.per_day is not None else NAN
    return Costs(million, what.spec.compression.currency, allowed)


def trends_of(what: Served, kept: Kept, now: datetime) -> list[Trend]:
    """Each figure's trend over the whole weeks since the release began to serve."""
    periods = [*days_of(what.store, kept), *map(period_from_json, kept.hours)]
    told = figures(usual(what, kept), money_per_million(what))
    return measure_trends(weeks_of(periods, now.timestamp()), told, what.monitoring.alpha)


def _head(what: Served, kept: Kept, state: State, now: datetime) -> dict[str, Any]:
    return {
        "model": what.model,
        "release": what.release.id,
        "since": kept.since,
        "mode": asdict(state.modes.get(what.model, Mode())),
        "rows": kept.rows,
        "last": kept.last,
        "looked": kept.time,
        "now": now.isoformat(timespec="seconds"),
    }


def _alarms(what: Served, state: State, seen: Sequence[Seen]) -> list[dict[str, Any]]:
    """Each watched alarm with its answer; those that are on first, and ones of the review among them."""
    on = {one.name: one for one in state.alarms.get(what.model, ())}
    told = [{**one.as_json(), "on": one.name in on} for one in seen]
    known = {one["alarm"] for one in told}
    more = [
        {"alarm": one.name, "standing": "alarm", "words": one.words, "times": one.times, "since": one.since, "on": True}
        for one in on.values()
        if one.name not in known
    ]
    order = {"alarm": 0, "cannot tell": 1, "quiet": 2, "not applicable": 3}
    return sorted([*more, *told], key=lambda one: (not one["on"], order[one["standing"]]))


def _inputs_unknown(seen: Sequence[Seen]) -> str | None:
    """Why nothing can be said of the inputs, if so."""
    inputs = [one.judged for one in seen if one.name == "inputs"]
    if not inputs:
        return "Inputs are not watched."
    return inputs[0].words if inputs[0].standing is Standing.CANNOT_TELL else None


def _line(record: Record) -> dict[str, Any]:
    """One line of the timeline; of an alarm with its delay and how long that may be."""
    body = record.body
    what = {"alarm raised": "alarm", "alarm ended": "alarm", "mode set": "mode"}.get(record.kind, "release")
    told = {
        "time": record.time,
        "kind": record.kind,
        "what": body[what],
        "words": body.get("words") or body.get("why", ""),
    }
    return {**told, "times": body.get("times"), "delay_s": body.get("delay_s"), "budget_s": body.get("budget_s")}


def _trained(record: Record) -> dict[str, Any]:
    body: Mapping[str, Any] = record.body
    words = " ".join(str(body[key]) for key in ("cause", "why") if body.get(key))
    more = {"candidate": body.get("candidate"), "seconds": body.get("seconds"), "as_of": body.get("as_of")}
    return {"time": record.time, "kind": record.kind, "words": words, **more}
