"""For whom is the model worse?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from expectations.hiding import HIDDEN_ROLES
from expectations.options.slices import CARED, Declared, Slices
from expectations.records import Evidence, metric_rows
from expectations.suites.slices import TOLERATED
from tasks.check import Check, Subject, not_applicable, on_package
from tasks.cost import price_of
from tasks.drawing import Plot
from tasks.multiplicity import records_for_mean
from tasks.qualification.case import Case, Flags, Floats, case_of
from tasks.qualification.interval_plot import intervals
from tasks.qualification.levels import Codes, Cut, column_of, cut_of, rows_where
from tasks.qualification.slices_excess import NAN, Excess, adjusted, excess_of, levels_of, strata_of, sure_bounds
from tasks.qualification.slices_search import Conditions, Found, Sought, holds, search

Row = tuple[str, float, float, float, int, int]
# Levels of a category that are asked about; below this share of training a level is one of "(others)".
MOST_LEVELS, RARE = 30, 0.02
FEWEST = 40
# So many found slices have a finding of their own; the table holds all.
MOST_NAMED = 3
SOURCES = (
    "search: SliceLine (Sagadeeva, Boehm 2021); intervals: Welch (1947) after direct standardisation by the score; "
    "many slices: Benjamini, Hochberg (1995) for p, weighted Bonferroni (Holm 1979) for the sure bounds"
)


@dataclass(frozen=True)
class Tested:
    """One slice and what was found of it; `declared` by the team, or found by the search."""

    words: str
    declared: bool
    excess: Excess
    conditions: int


def measure(subject: Subject) -> Evidence:
    """The package on slices of the test rows."""
    case, job = case_of(subject), subject.job
    asked = job.spec.checks.slices
    if asked.metric != "cost":
        return measure_slices(case, asked)
    return measure_slices(case, asked, price_of(job.spec.cost, job.file.root, case.test)(case.actual, case.said.values))


def measure_slices(case: Case, asked: Slices, costs: Floats | None = None) -> Evidence:
    """Declared slices on all test rows; found ones on the half that did not find them. `costs` (n,) where the spec's
    costs are what counts."""
    loss = losses(case, asked, costs)
    sound = np.isfinite(loss)
    strata = strata_of(case.score(case.said)) if asked.against == "alike" else np.zeros(len(loss), dtype=np.int64)
    cuts = cuts_of(case, asked)
    if not cuts and not asked.declared:
        return not_applicable("slices", "No column has levels to search in, and no slice is declared.")
    half = np.random.default_rng(case.seed).permutation(len(loss)) % 2 == 0
    found = _found(case, asked, cuts, loss, strata, half & sound)
    tested = _declared(case, asked.declared, loss, strata, sound)
    tested += _on_other_half(case, cuts, found, loss, strata, ~half & sound)
    bounds, p = sure_bounds([one.excess for one in tested], case.tier.alpha), adjusted([one.excess for one in tested])
    rows = _rows(case, asked, tested, bounds, p, int((~half & sound).sum()))
    facts = _facts(case, asked, found, loss, sound)
    return Evidence("slices", metric_rows(rows), _records(tested, bounds, p), facts)


def losses(case: Case, asked: Slices, costs: Floats | None) -> Floats:
    """(n,) what each answer loses, in the metric that was asked for."""
    if asked.metric == "cost" and costs is not None:
        return costs
    return case.loss(case.actual, case.said) if asked.metric == "loss" else case.error(case.actual, case.said)


def cuts_of(case: Case, asked: Slices) -> list[Cut]:
    """The columns to search in, in levels; values of protected and sensitive ones are not named."""
    if not asked.conditions:
        return []
    columns = [column for column in case.columns if column.kind != "text" and column.name in case.test.columns]
    cuts = [cut_of(one.name, case.train[one.name], asked.bands, MOST_LEVELS, RARE) for one in columns]
    hidden = [bool(HIDDEN_ROLES & set(one.roles)) for one in columns]
    return [cut.not_shown() if hide else cut for cut, hide in zip(cuts, hidden, strict=True)]


def _codes(case: Case, cuts: list[Cut], rows: Flags) -> Codes:
    chosen = [cut.codes(case.test[cut.column])[rows] for cut in cuts]
    return np.stack(chosen, axis=1) if chosen else np.zeros((int(rows.sum()), 0), dtype=np.int64)


def _found(case: Case, asked: Slices, cuts: list[Cut], loss: Floats, strata: Codes, rows: Flags) -> Found:
    """Slices of the half that is searched."""
    if rows.sum() < FEWEST or not cuts:
        return Found((), 0, 0)
    held, like = loss[rows], strata[rows]
    expected = np.bincount(like, weights=held) / np.maximum(np.bincount(like), 1)
    support = max(10, math.ceil(asked.support * len(held)))
    excess = held - expected[like]
    sought = Sought(support, asked.conditions, asked.size_weight, asked.tested)
    return search(_codes(case, cuts, rows), [cut.bands for cut in cuts], excess, float(held.mean()), sought)


def _on_other_half(case: Case, cuts: list[Cut], found: Found, loss: Floats, strata: Codes, rows: Flags) -> list[Tested]:
    codes, held, like = _codes(case, cuts, rows), loss[rows], strata[rows]
    return [
        Tested(_words(cuts, one), False, excess_of(held, like, _inside(codes, one)), len(one)) for one in found.slices
    ]


def _inside(codes: Codes, conditions: Conditions) -> Flags:
    return np.asarray(np.all([holds(codes, one) for one in conditions], axis=0))


def _words(cuts: list[Cut], conditions: Conditions) -> str:
    return " and ".join(f"{cuts[column].column}: {cuts[column].word(*ends)}" for column, *ends in conditions)


def _declared(case: Case, declared: tuple[Declared, ...], loss: Floats, strata: Codes, sound: Flags) -> list[Tested]:
    found = []
    for one in declared:
        inside = declared_rows(case, one.where, f"checks.slices.declared: {one.name}")
        found.append(Tested(one.name, True, excess_of(loss[sound], strata[sound], inside[sound]), len(one.where)))
    return found


def declared_rows(case: Case, where: Mapping[str, Any], asked_by: str) -> Flags:
    """(n,) the test rows that hold every condition. Raises CannotAsk where a column is not there."""
    parts = [rows_where(column_of(case, name, asked_by)[1], condition) for name, condition in where.items()]
    return np.asarray(np.all(parts, axis=0))


def _rows(case: Case, asked: Slices, tested: list[Tested], bounds: Floats, p: Floats, half: int) -> list[Row]:
    """The sure bounds are in standard deviations of the loss; differences and losses in its own unit."""
    questions = max(1, len(asked.declared) + (asked.tested if asked.conditions else 0))
    share, effect = CARED[case.tier.level]
    # What is so much worse is the search's first suspicion.
    level = float(levels_of(questions, case.tier.alpha)[0])
    members = records_for_mean(effect - TOLERATED, 1.0, level, case.tier.power)
    sizes = [_effect(one.excess, bound) for one, bound in zip(tested, bounds, strict=True)]
    found = [size for one, size in zip(tested, sizes, strict=True) if not one.declared and math.isfinite(size)]
    worse = "difference" if _cannot_say_hard(case, asked) else "excess"
    rows: list[Row] = [("slices_surely_worse", float((p <= case.tier.alpha).sum()), NAN, NAN, len(case.test), 1)]
    if asked.conditions:
        worst = max([0.0, *found])
        rows.append((f"worst_slice_{worse}_at_least", worst, NAN, NAN, half, math.ceil(members / share)))
    sure = sorted(((size, one.words) for one, size in zip(tested, sizes, strict=True) if size > 0), reverse=True)
    named = {words for _, words in sure[:MOST_NAMED]}
    for one, size in zip(tested, sizes, strict=True):
        if one.declared:
            rows += _declared_rows(one, size, max(members, 1))
        elif one.words in named:
            rows.append((f"found_slice_{worse}_at_least:{one.words}", size, NAN, NAN, one.excess.n, 1))
    return rows


def _cannot_say_hard(case: Case, asked: Slices) -> bool:
    """Without probabilities nobody knows which answers are like: a slice that is worse may simply be a hard one."""
    return case.classifies and case.said.probabilities is None and asked.against == "alike"


def _effect(excess: Excess, bound: float) -> float:
    return float(bound / excess.spread) if excess.spread > 0 else 0.0 if excess.n > 1 else NAN


def _declared_rows(one: Tested, size: float, members: int) -> list[Row]:
    excess, half = one.excess, _half(one.excess)
    sure = max(0.0, size) if math.isfinite(size) else size
    return [
        (f"slice:{one.words}", excess.difference, excess.difference - half, excess.difference + half, excess.n, 1),
        (f"slice_loss:{one.words}", excess.inside, NAN, NAN, excess.n, 1),
        (f"slice_excess_at_least:{one.words}", sure, NAN, NAN, excess.n, members),
    ]


def _half(excess: Excess) -> float:
    """Half of the 95 % interval of one slice alone."""
    return excess.difference - excess.bound(0.025) if excess.error > 0 else NAN


def _records(tested: list[Tested], bounds: Floats, p: Floats) -> pd.DataFrame:
    """One row per tested slice, the surest first."""
    rows = [
        {
            "slice": one.words,
            "declared": one.declared,
            "n": one.excess.members,
            "n_compared": one.excess.n,
            "loss_inside": one.excess.inside,
            "loss_outside": one.excess.outside,
            "loss_of_like_answers": one.excess.expected,
            "excess": one.excess.difference,
            "lower": one.excess.difference - _half(one.excess),
            "upper": one.excess.difference + _half(one.excess),
            "surely_at_least": bound,
            "adjusted_p": chance,
        }
        for one, bound, chance in zip(tested, bounds, p, strict=True)
    ]
    table = pd.DataFrame(rows)
    return table.sort_values("adjusted_p", kind="stable", ignore_index=True) if rows else table


def _facts(case: Case, asked: Slices, found: Found, loss: Floats, sound: Flags) -> dict[str, Any]:
    share, effect = CARED[case.tier.level]
    names = {"error": "wrong labels" if case.classifies else "absolute error", "cost": "cost by the spec"}
    unit = names.get(asked.metric, "log loss" if case.classifies else "squared error")
    compared = "like answers (bands of the score)" if asked.against == "alike" else "all others"
    if _cannot_say_hard(case, asked):
        compared = "the same labels: without probabilities a slice that is worse may simply be a hard one"
    return {
        "loss": unit,
        "mean_loss": float(loss[sound].mean()) if sound.any() else None,
        "compared_with": compared,
        "candidates_tried": found.tried,
        "parents_left_out": found.left_out,
        "found_on": "one half of the test rows, tested on the other",
        "rows_without_a_loss": int((~sound).sum()),
        "looked_for": f"a slice with {share:.0%} of the records, worse by {effect:g} standard deviations of the loss",
        "power": case.tier.power,
        "alpha": case.tier.alpha,
        "seed": case.seed,
        "sampled": case.sampled,
        "method": SOURCES,
    }


def plots(evidence: Evidence, _spec: Mapping[str, Any]) -> list[Plot | None]:
    """How much worse each tested slice is."""
    rows = evidence.records
    if not {"slice", "excess", "lower", "upper"} <= set(rows.columns):
        return []
    unit = str(evidence.facts.get("loss", "loss"))
    title = "Slices, and how much worse they are"
    return [intervals(rows, "slice", "excess", title, f"{unit}, more than {evidence.facts.get('compared_with')}")]


QUESTION = "For whom is the model worse?"
CHECK = Check("slices", measure, on_package, "Slices", QUESTION, plots)
