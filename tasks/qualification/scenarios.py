"""What does the package say of records that were made to provoke it?

Three kinds: those that the team declared with what should come of them, those that every model gets
(`tasks.qualification.provoking`), and a random search (`tasks.qualification.searching`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.errors import CannotAsk
from expectations.hiding import HIDDEN_ROLES, NOT_SHOWN
from expectations.options.scenarios import Scenarios
from expectations.records import Evidence, metric_rows
from infra import workshop
from tasks.check import TRAIN, Check, Subject, on_package
from tasks.guards.conformal import clopper_pearson
from tasks.multiplicity import records_for_mean
from tasks.qualification import declared
from tasks.qualification.answered import Answered, Interval, answered, moved, plausible_interval
from tasks.qualification.batches import measure_batches
from tasks.qualification.case import Case, case_of
from tasks.qualification.plots_scenarios import scenario_plots
from tasks.qualification.provoking import MANY, REFUSE, Scenario, scenarios, sent_rows
from tasks.qualification.searching import CRASH, IMPLAUSIBLE, NAN, Search, broken, search
from tasks.qualification.sure import sure_share

Row = tuple[str, float, float, float, int, int]
Flags = npt.NDArray[np.bool_]
NONE = float("nan")
METRICS = {CRASH: "crashes", NAN: "nan_trusted", IMPLAUSIBLE: "implausible_trusted"}
# The search must find what befalls one odd record in so many, with the tier's power.
RARE, RARE_FROM_TIER = {True: 1 / 1000, False: 1 / 500}, 3
# A wrong unit that matters moves most records; so many times the limit is seen with the tier's power.
TIMES_THE_LIMIT = 4
SWAPPED = "unit × 1000"
MUST_REFUSE = {"extreme": "beyond_trusted", "missing": "unseen_missing_trusted", "unknown category": "unknown_trusted"}


@dataclass
class Tally:
    """What all scenarios together came to: one row each, and how many records broke each law."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(METRICS, 0))
    let_through: dict[str, list[int]] = field(default_factory=dict)
    swapped: dict[str, Flags] = field(default_factory=dict)


def measure(subject: Subject) -> Evidence:
    """The package on provoking records, and the team's own sets. Raises CannotAsk where a set cannot be read."""
    job, train, case = subject.job, subject.part(TRAIN), case_of(subject)
    # All of training: what it never saw in a sample it may have seen in the rest.
    case = replace(case, train=job.features(train), known=train[job.spec.data.target])
    asked = job.spec.checks.scenarios
    rows = declared.declared_rows(asked, job.file.root, workshop.table_reader(), case.scorer.sent)
    return measure_scenarios(case, asked, rows, job.spec.guards.plausible)


def measure_scenarios(
    case: Case, asked: Scenarios, sets: Mapping[str, pd.DataFrame], plausible: Interval | None = None
) -> Evidence:
    """One record per scenario: kind, scenario, n, shares refused, trusted, NaN and changed, what was expected, `held`.

    `sets` holds the declared sets' rows by name. Raises CannotAsk where a set asks what this model cannot say.
    """
    if problems := declared.unfit(case, asked):
        raise CannotAsk.all_of(problems)
    interval, rng, tally = plausible_interval(case, plausible), np.random.default_rng(case.seed), Tally()
    case = case.smaller(MANY)
    before = answered(case, sent_rows(case), interval)
    for scenario in scenarios(case, rng):
        _try(case, scenario, before.at(scenario.base), interval, tally)
    found = search(case, asked.searched, interval, rng)
    batches = measure_batches(case, interval, rng)
    team = _declared(case, asked, sets, interval)
    metrics = [
        *_laws(case, tally, found, batches.crashes),
        *[(name, _mean(hits), NONE, NONE, len(hits), 1) for name, hits in sorted(tally.let_through.items())],
        *_swapped(case, asked, tally),
        *batches.metrics,
        *[(f"scenario:{row['scenario']}", row["share_held"], NONE, NONE, row["n"], 1) for row in team],
    ]
    records = pd.DataFrame([*team, *tally.rows, *batches.rows, *_searched(case, found)])
    records = records.sort_values("held", key=lambda held: held.astype(int), kind="stable").reset_index(drop=True)
    return Evidence("scenarios", metric_rows(metrics), records, _facts(case, asked, tally, found, interval))


def _try(case: Case, scenario: Scenario, before: Answered, interval: Interval, tally: Tally) -> None:
    after = answered(case, scenario.frame, interval)
    laws, differs = broken(after), moved(case, before, after)
    tally.asked += len(after)
    for what, hits in laws.items():
        tally.counts[what] += int(hits.sum())
    held = not any(hits.any() for hits in laws.values())
    if scenario.expected == REFUSE:
        name = MUST_REFUSE[scenario.kind]
        tally.let_through.setdefault(name, []).extend(after.trusted.astype(int).tolist())
        held &= not after.trusted.any()
    if scenario.kind == SWAPPED:
        tally.swapped[scenario.column] = after.trusted & differs
    tally.rows.append(
        {
            **_row(scenario.kind, scenario.name, after, scenario.expected, held),
            "changed": float(differs.mean()) if len(after) and not after.crash else NONE,
            "trusted_and_changed": float((after.trusted & differs).mean()) if len(after) else NONE,
        }
    )


def _row(kind: str, name: str, after: Answered, expected: str, held: bool) -> dict[str, Any]:
    n = len(after)

    def share(flags: Flags) -> float:
        return float(flags.mean()) if n and not after.crash else NONE

    return {
        "kind": kind,
        "scenario": name,
        "n": n,
        "expected": expected,
        "held": held,
        "refused": share(~after.trusted),
        "trusted": share(after.trusted),
        "nan": share(~after.finite),
        "crash": after.crash,
    }


def _mean(hits: "Flags | list[int]") -> float:
    return float(np.mean(hits)) if len(hits) else NONE


def _laws(case: Case, tally: Tally, found: Search, crashes: int) -> list[Row]:
    """How many records broke each law, of all that were asked."""
    rate = RARE[case.tier.level >= RARE_FROM_TIER]
    required = int(np.ceil(np.log(1 - case.tier.power) / np.log(1 - rate)))
    more = {CRASH: crashes}
    return [
        (
            name,
            float(tally.counts[what] + found.counts[what] + more.get(what, 0)),
            NONE,
            NONE,
            tally.asked + found.n,
            required,
        )
        for what, name in METRICS.items()
    ]


def _swapped(case: Case, asked: Scenarios, tally: Tally) -> list[Row]:
    """By column: the share of all records that a wrong unit moves by much and that are trusted; and what it surely is,
    at the tier's level for all columns together (Bonferroni)."""
    if not tally.swapped:
        return []
    alpha, fault = case.tier.alpha / len(tally.swapped), min(TIMES_THE_LIMIT * asked.swapped, 0.5)
    deviation = float(np.sqrt(fault * (1 - fault)))
    required = max(case.tier.min_records, records_for_mean(fault - asked.swapped, deviation, alpha, case.tier.power))
    rows: list[Row] = []
    for column, hits in tally.swapped.items():
        low, high = clopper_pearson(int(hits.sum()), len(hits))
        rows.append((f"swapped:{column}", _mean(hits), low, high, len(hits), required))
        rows.append((f"sure_swapped:{column}", sure_share(hits, alpha), NONE, NONE, len(hits), required))
    return rows


def _declared(
    case: Case, asked: Scenarios, sets: Mapping[str, pd.DataFrame], interval: Interval
) -> list[dict[str, Any]]:
    rows = []
    for one in asked.sets:
        after = answered(case, declared.completed(case, one.name, sets[one.name]), interval)
        share = float(declared.holds(case, one.expect, after).mean())
        row = _row("declared", one.name, after, declared.expected_words(one.expect), share >= one.expect.share)
        rows.append({**row, "share_held": share, "got": declared.got(case, after)})
    return rows


def _searched(case: Case, found: Search) -> list[dict[str, Any]]:
    """One row a record that the search found, with the fewest changes that it takes, and one of the search itself."""
    hidden = {column.name for column in case.columns if HIDDEN_ROLES & set(column.roles)}
    total = sum(found.counts.values())
    row = {
        "kind": "search",
        "scenario": f"{found.n:,} random records",
        "n": found.n,
        "expected": "a sane answer",
        "held": not total,
        "refused": found.refused / found.n if found.n else NONE,
        "trusted": 1 - found.refused / found.n if found.n else NONE,
        "nan": found.nan / found.n if found.n else NONE,
        "crash": "",
    }
    shown = [
        {
            "kind": "search",
            "scenario": f"{one.what}: {_told(one.changes, hidden)}",
            "n": 1,
            "expected": "a sane answer",
            "held": False,
            "crash": one.crash,
        }
        for one in found.found
    ]
    return [row, *shown]


def _told(changes: Mapping[str, Any], hidden: set[str]) -> str:
    told = [f"{name} = {NOT_SHOWN if name in hidden else _short(value)}" for name, value in changes.items()]
    return f"a test record with {', '.join(told)}" if told else "a test record as it was"


def _short(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float | np.floating) else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}… ({len(str(value)):,} letters)"


def _facts(case: Case, asked: Scenarios, tally: Tally, found: Search, interval: Interval) -> dict[str, Any]:
    records = tally.asked + found.n
    return {
        "records_asked": records,
        # The rule of three: where none of n broke, fewer than 3 of n do, with 95 % confidence.
        "at_most_one_in": records // 3,
        "searched": found.n,
        "seed": case.seed,
        "plausible": None if case.classifies else [float(end) for end in interval],
        "swapped_limit": asked.swapped,
        "sampled": case.sampled,
        "texts_without_known_values": [
            row["scenario"] for row in tally.rows if row["kind"] == "unknown category" and row["expected"] != REFUSE
        ],
    }


QUESTION = "What does the package say of records that were made to provoke it?"
CHECK = Check("scenarios", measure, on_package, "Scenarios", QUESTION, scenario_plots)
