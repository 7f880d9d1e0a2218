"""What does somebody gain by changing only what is in their control?"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from expectations.options.gaming import Gaming
from expectations.records import Evidence, metric_rows
from expectations.tiers import SURELY
from tasks.check import Check, Subject, not_applicable, on_package
from tasks.guards.conformal import clopper_pearson
from tasks.multiplicity import records_for_mean
from tasks.qualification.case import Case, Floats, case_of
from tasks.qualification.codes import Codes, codes_of, hidden
from tasks.qualification.gaming_moves import Columns, Moves, best_moves
from tasks.qualification.gaming_plots import plots
from tasks.qualification.goals import Goal, goals_of
from tasks.qualification.robustness import change

CONTROLLED = "actor_controlled"
MOST_ROWS, TOLD = 2000, 3
# A share this much beyond its limit is what a tier cares about; by it the number of records that are needed is told.
SMALLEST = 0.15
Row = tuple[str, float, float, float, int, int]


def measure(subject: Subject) -> Evidence:
    """Of the package."""
    roles = subject.job.spec.data.roles
    named = tuple(name for name, given in roles.items() if CONTROLLED in given)
    return measure_gaming(case_of(subject), subject.job.spec.checks.gaming, named)


def measure_gaming(case: Case, options: Gaming, named: tuple[str, ...] | None = None) -> Evidence:
    """Who gets what they want by changing only columns with the role actor_controlled (`named`; default: the case's).

    Metrics, for each goal: `crosses_by_gaming:GOAL`, the share of those who do not have it who get it in an answer that
    callers are told to trust, and `crosses_unless_guarded:GOAL`, whatever callers are told; each with `surely_…`, the
    one-sided sure share; `crosses_by_gaming:GOAL:COLUMN` (and of pairs); `gain:GOAL`, mean gain in probability or in
    the target's unit. Records: who crosses and gains most, with the move in words.
    """
    codes = codes_of(case)
    columns = [
        at for at, c in enumerate(codes.columns) if CONTROLLED in c.roles and c.kind != "text" and _varies(codes, at)
    ]
    if not columns:
        return _nothing_to_move(case, codes, options, named)
    few = case.smaller(max(options.records, case.tier.min_records))
    played = Played(
        few, codes, goals_of(case, options), best_moves(few, codes, columns, goals_of(case, options), options.points)
    )
    rows = [row for goal in played.goals for row in _goal_rows(played, goal)]
    return Evidence("gaming", metric_rows(rows), _records(played), _facts(played, case, columns, options))


@dataclass(frozen=True)
class Played:
    """A case of few enough records, and the best moves in it."""

    case: Case
    codes: Codes
    goals: list[Goal]
    moves: Moves


def _varies(codes: Codes, at: int) -> bool:
    column = codes.columns[at]
    return column.spread > 0 if codes.is_number(at) else len(codes.levels[column.name]) > 1


def _nothing_to_move(case: Case, codes: Codes, options: Gaming, named: tuple[str, ...] | None) -> Evidence:
    """Not applicable where the spec says why; else the question stays open, and the suite asks it."""
    sent = {column.name for column in codes.columns if CONTROLLED in column.roles} | set(named or ())
    if sent:
        told = ", ".join(sorted(sent))
        return not_applicable(
            "gaming", f"of {told} there is nothing to move: no input of the package, text, or constant"
        )
    if options.none_because:
        return not_applicable("gaming", f"nobody controls any column: {options.none_because}")
    ask = "Give the role actor_controlled to columns that people can change, or say checks.gaming.none_because."
    rows = metric_rows([("actor_controlled_columns", 0.0, np.nan, np.nan, len(case.test), 0)])
    return Evidence("gaming", rows, pd.DataFrame(), {"asked": ask})


def _goal_rows(played: Played, goal: Goal) -> list[Row]:
    wanting, best = goal.wanting(played.moves.before), played.moves.taken(goal)
    n, required = int(wanting.sum()), records_for_mean(SMALLEST, 0.5, SURELY, played.case.tier.power)
    name = f"crosses_by_gaming:{goal.name}"
    rows: list[Row] = []
    for each, hits in ((name, best.crosses), (f"crosses_unless_guarded:{goal.name}", best.reaches)):
        low, _ = clopper_pearson(int(hits[wanting].sum()), n, 1 - 2 * SURELY / len(played.goals))
        rows.append(_share(each, hits[wanting], required))
        rows.append((f"surely_{each}", low if n else np.nan, np.nan, np.nan, n, required))
    rows.append((f"gain:{goal.name}", *_mean((best.score - goal.score(played.moves.before))[wanting]), n, required))
    singles = [(f"{name}:{_named(played.codes, at)}", one) for at, one in played.moves.best[goal.name].items()]
    return rows + [_share(each, one.crosses[wanting], required) for each, one in singles]


def _named(codes: Codes, columns: Columns) -> str:
    return " and ".join(codes.columns[at].name for at in columns)


def _share(name: str, hits: Any, required: int) -> Row:
    n = len(hits)
    return (name, float(hits.mean()) if n else np.nan, *clopper_pearson(int(hits.sum()), n), n, required)


def _mean(values: Floats) -> tuple[float, float, float]:
    """The mean and its 95 % interval, normal approximation."""
    if len(values) < 2:
        return (float(values.mean()) if len(values) else np.nan), np.nan, np.nan
    half = float(norm.ppf(0.975) * values.std(ddof=1) / np.sqrt(len(values)))
    return float(values.mean()), float(values.mean()) - half, float(values.mean()) + half


def _records(played: Played) -> pd.DataFrame:
    parts = [_goal_records(played, goal) for goal in played.goals]
    every = pd.concat(parts, ignore_index=True)
    worst = every.sort_values(["crosses", "crosses_unless_guarded", "gain"], ascending=False, kind="stable")
    return worst.head(MOST_ROWS).reset_index(drop=True)


def _goal_records(played: Played, goal: Goal) -> pd.DataFrame:
    best, before = played.moves.taken(goal), goal.score(played.moves.before)
    gain = best.score - before
    order = np.lexsort((-gain, -best.rank))
    rows = order[goal.wanting(played.moves.before)[order] & ((gain[order] > 0) | best.reaches[order])][:MOST_ROWS]
    return pd.DataFrame(
        {
            "record": rows,
            "wants": goal.name,
            "score": goal.sign * before[rows],
            "score_then": goal.sign * best.score[rows],
            "gain": gain[rows],
            "crosses": best.crosses[rows],
            "crosses_unless_guarded": best.reaches[rows],
            "best_move": [change(played.codes, played.moves.cells[row], best.cells[row]) for row in rows],
        }
    )


def best_move(played: Played, goal: Goal) -> str:
    """What a person would do, in words: the change that takes most of those who can across."""
    best = played.moves.taken(goal)
    if not best.reaches.any():
        return f"for {goal.name}: nothing gets anybody across"
    moved = zip(played.moves.cells[best.reaches], best.cells[best.reaches], strict=True)
    told = Counter(_set(played.codes, *pair) for pair in moved)
    most = [f"{words} ({count / best.reaches.sum():.0%} of those who cross)" for words, count in told.most_common(TOLD)]
    return f"for {goal.name}: " + "; ".join(most)


def _set(codes: Codes, before: Floats, after: Floats) -> str:
    secret, told = hidden(codes), []
    for at in np.flatnonzero((before != after) & ~(np.isnan(before) & np.isnan(after))).tolist():
        name = codes.columns[at].name
        told.append(f"{name} to {'a value that is not shown' if name in secret else codes.word(at, after[at])}")
    return "set " + " and ".join(told)


def _facts(played: Played, whole: Case, columns: list[int], options: Gaming) -> dict[str, Any]:
    texts = [c.name for c in played.codes.columns if CONTROLLED in c.roles and c.kind == "text"]
    return {
        "records": len(played.case.test),
        "sampled": whole.sampled or played.case.sampled or "every test row",
        "moved": [played.codes.columns[at].name for at in columns],
        "not_moved": {"texts": texts, "pairs": played.moves.pairs_left_out},
        "favourable": options.favourable or "not said: every goal is tried",
        "line": _line(played.goals[0], whole),
        "questions_per_record": played.moves.questions,
        "best_moves": [best_move(played, goal) for goal in played.goals],
        "found_with_power": f"a share {SMALLEST:g} beyond its limit, with power {whole.tier.power:g}",
        "method": "each column over values that training saw (by rank) or its levels, then pairs, all else kept; the "
        "person knows the model and takes the best",
    }


def _line(goal: Goal, case: Case) -> str:
    if case.classifies:
        return "the package gives the wanted label"
    return f"the line {goal.line:g}" if goal.line is not None else f"a gain of more than {goal.gain:.6g}"


QUESTION = "What does somebody gain by changing only what is in their control?"
CHECK = Check("gaming", measure, on_package, "Gaming", QUESTION, plots)
