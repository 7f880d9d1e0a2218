"""How small a plausible change turns the decision?"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from expectations.options.robustness import Robustness
from expectations.records import Evidence, metric_rows
from tasks.check import Check, Subject, not_applicable, on_package
from tasks.guards.conformal import SURELY, clopper_pearson
from tasks.multiplicity import records_for_mean
from tasks.qualification.attacks import POOL, attacks, questions_per_record
from tasks.qualification.case import Case, Flags, Floats, case_of
from tasks.qualification.codes import Codes, codes_of, hidden, trusted
from tasks.qualification.decisions import Decisions, Found
from tasks.qualification.robustness_plots import plots
from tasks.qualification.small_changes import small_changes
from tasks.qualification.text_attacks import TextAttack, text_attacks

MOST_ASKED = 300_000
QUANTILES = {"distance_10pct": 0.1, "distance_median": 0.5}
EXAMPLES = 5
Row = tuple[str, float, float, float, int, int]


def measure(subject: Subject) -> Evidence:
    """Of the package."""
    return measure_robustness(case_of(subject), subject.job.spec.checks.robustness)


@dataclass(frozen=True)
class Searched:
    """A case of few enough records and what the searches found in it."""

    case: Case
    options: Robustness

    @cached_property
    def codes(self) -> Codes:
        return codes_of(self.case)

    @cached_property
    def amount(self) -> float:
        """Of a regression: what an answer moves by when it has turned."""
        return self.options.turns or self.case.scale

    @cached_property
    def decisions(self) -> Decisions:
        return Decisions(self.case, self.codes, self.codes.encode(self.case.test), self.amount)

    @property
    def kept(self) -> frozenset[str]:
        """Columns that no attack changes."""
        return immutable(self.case, self.options)

    @cached_property
    def movable(self) -> Flags:
        """(n, k) cells that may change: no gap, no text, no kept column and none that is always the same."""
        free = [c.name not in self.kept and c.kind != "text" and _varies(c) for c in self.codes.columns]
        return np.array(free, dtype=bool) & ~np.isnan(self.decisions.cells)

    @cached_property
    def small(self) -> Found:
        return small_changes(self.decisions, self.movable, self.options.small)

    @cached_property
    def nearest(self) -> Found:
        """The nearest change of each record that any search found."""
        rng = np.random.default_rng(self.case.seed)
        drawn = rng.choice(len(self.case.train), min(POOL, len(self.case.train)), replace=False)
        pool = self.codes.encode(self.case.train.iloc[drawn])
        return self.small.with_others(attacks(self.decisions, self.movable, pool))

    @cached_property
    def texts(self) -> list[TextAttack]:
        names = [c.name for c in self.codes.columns if c.kind == "text" and c.name not in self.kept]
        return [attack for name in names for attack in text_attacks(self.case, name, self.amount)]


def immutable(case: Case, options: Robustness) -> frozenset[str]:
    """The columns that the spec names; the protected ones without a word."""
    if options.immutable is not None:
        return frozenset(options.immutable)
    return frozenset(column.name for column in case.columns if "protected" in column.roles)


def _varies(column: Any) -> bool:
    return bool(column.spread > 0 if column.kind == "number" and not column.levels else len(column.levels) > 1)


def measure_robustness(case: Case, options: Robustness) -> Evidence:
    """How near the nearest turned decision is, and whose turns by next to nothing.

    Metrics, of records: `flipped_by_small_change`, `confident_flips` (of all records: surely answered, and turned all
    the same), each with `surely_…`, the one-sided sure share; `distance_10pct`, `distance_median`, `attacks_found`,
    `turned_by_one_column`, `trusted_share_of_attacks`; for texts `turned_by:COLUMN:KIND:WORDS`. Records: one row per
    attacked record, the nearest first, with the change in words.
    """
    free = [column for column in case.columns if column.name not in immutable(case, options)]
    if not any(column.kind == "text" or _varies(column) for column in free):
        return not_applicable("robustness", "every column that the model takes is immutable or always the same")
    numbers = sum(column.kind == "number" for column in free)
    most = min(options.records, MOST_ASKED // questions_per_record(len(free), numbers))
    searched = Searched(case.smaller(max(most, case.tier.min_records)), options)
    tabular = bool(searched.movable.any())
    rows = [*(_tabular_rows(searched) if tabular else []), *_text_rows(searched)]
    records = _records(searched) if tabular else pd.DataFrame({"record": np.arange(len(searched.case.test))})
    return Evidence("robustness", metric_rows(rows), records, _facts(searched, case, records))


def _share(name: str, hits: Flags, required: int) -> Row:
    return (
        name,
        float(hits.mean()) if len(hits) else np.nan,
        *clopper_pearson(int(hits.sum()), len(hits)),
        len(hits),
        required,
    )


def _surely(name: str, hits: Flags, required: int, questions: int = 1) -> Row:
    """The share that is surely reached at least: Clopper-Pearson, one-sided, corrected for the questions asked."""
    low, _ = clopper_pearson(int(hits.sum()), len(hits), 1 - 2 * SURELY / questions)
    return (f"surely_{name}", low if len(hits) else np.nan, np.nan, np.nan, len(hits), required)


def needed(case: Case, gap: float) -> int:
    """Records by which a share that lies `gap` beyond its limit is found with the tier's power, whatever the share."""
    return max(case.tier.min_records, records_for_mean(gap, 0.5, SURELY, case.tier.power))


# What a tier cares about beyond its limit, as a share of the records; by it the records that are needed are told.
SMALLEST = 0.1


def _tabular_rows(searched: Searched) -> list[Row]:
    case, n = searched.case, len(searched.case.test)
    required = needed(case, SMALLEST)
    rows = []
    for name, hits in _flips(searched).items():
        rows += [_share(name, hits, required), _surely(name, hits, required)]
    least = case.tier.min_records
    distance, changed = _distances(searched), _changed(searched)
    rows += [(name, *_quantile(distance, q), n, least) for name, q in QUANTILES.items()]
    rows.append(_share("attacks_found", np.isfinite(distance), least))
    rows.append(_share("turned_by_one_column", changed == 1, least))
    rows.append(_share("trusted_share_of_attacks", _still_trusted(searched), 0))
    return rows


def _flips(searched: Searched) -> dict[str, Flags]:
    flipped = np.zeros(len(searched.case.test), dtype=bool)
    flipped[searched.small.rows] = True
    sure = searched.decisions.confident
    found = {"flipped_by_small_change": flipped}
    return found if sure is None else {**found, "confident_flips": flipped & sure}


def _distances(searched: Searched) -> Floats:
    """(n,) of the nearest found change; infinite where none was found."""
    distance = np.full(len(searched.case.test), np.inf)
    distance[searched.nearest.rows] = searched.nearest.distance
    return distance


def _changed(searched: Searched) -> Floats:
    """(n,) how many columns the nearest found change touches; 0 where none was found."""
    found, count = searched.nearest, np.zeros(len(searched.case.test))
    count[found.rows] = (searched.codes.distances(searched.decisions.cells[found.rows], found.cells) > 0).sum(axis=1)
    return count


def _still_trusted(searched: Searched) -> Flags:
    """Of the records that callers are told to trust: would they be told so of the changed one?"""
    found, cells = searched.nearest, searched.decisions.cells
    before = trusted(searched.case, searched.codes, cells[found.rows])
    return trusted(searched.case, searched.codes, found.cells)[before]


def _quantile(values: Floats, q: float) -> tuple[float, float, float]:
    """A quantile and its 95 % interval by order statistics: no assumption of how the values are distributed."""
    n, ordered = len(values), np.sort(values)
    at = [int(np.ceil(q * n)) - 1, int(binom.ppf(0.025, n, q)) - 1, int(binom.ppf(0.975, n, q))]
    value, low, high = (float(ordered[min(max(one, 0), n - 1)]) for one in at)
    return value, low, high


def _text_rows(searched: Searched) -> list[Row]:
    required, rows = needed(searched.case, SMALLEST), []
    for one in searched.texts:
        name = f"turned_by:{one.column}:{one.kind}:{one.words}"
        rows += [_share(name, one.turned, required), _surely(name, one.turned, required, len(searched.texts))]
    return rows


def _records(searched: Searched) -> pd.DataFrame:
    found, case, codes = searched.nearest, searched.case, searched.codes
    order = np.argsort(found.distance, kind="stable")
    rows, cells = found.rows[order], found.cells[order]
    after = case.ask(codes.decode(cells)) if len(cells) else None
    changes = [change(codes, searched.decisions.cells[row], cell) for row, cell in zip(rows, cells, strict=True)]
    return pd.DataFrame(
        {
            "record": rows,
            "distance": found.distance[order],
            "columns_changed": _changed(searched)[rows].astype(int),
            "said": searched.decisions.said.values[rows],
            "says_then": after.values if after else np.zeros(0),
            "trusted_before": trusted(case, codes, searched.decisions.cells[rows]),
            "trusted_then": trusted(case, codes, cells),
            "change": changes,
        }
    )


def change(codes: Codes, before: Floats, after: Floats) -> str:
    """`income 31,000 → 30,200; job clerk → nurse`; no value of a hidden column."""
    secret, told = hidden(codes), []
    for at in np.flatnonzero((before != after) & ~(np.isnan(before) & np.isnan(after))).tolist():
        name = codes.columns[at].name
        words = (
            "changed (not shown)" if name in secret else f"{codes.word(at, before[at])} → {codes.word(at, after[at])}"
        )
        told.append(f"{name} {words}")
    return "; ".join(told)


def _facts(searched: Searched, whole: Case, records: pd.DataFrame) -> dict[str, Any]:
    n = len(searched.case.test)
    examples = [_example(row) for _, row in records.head(EXAMPLES).iterrows()] if "change" in records else []
    return {
        "records": n,
        "sampled": whole.sampled or searched.case.sampled or "every test row",
        "seed": whole.seed,
        "questions_per_record": round((searched.decisions.asked + sum(t.queries for t in searched.texts)) / max(n, 1)),
        "small_change": f"one number by at most {searched.options.small:g} of its column's spread",
        "turned": "another label" if whole.classifies else f"the answer moves by more than {searched.amount:.6g}",
        "immutable": sorted(searched.kept),
        "distance": "numbers in spreads of their column, another level 1, summed over the columns",
        "smallest_changes": examples,
        "found_with_power": f"a share {SMALLEST:g} beyond its limit, with power {whole.tier.power:g}",
        "method": "answers only: near training rows with another answer, columns put back one by one, numbers halved "
        "(after Brendel et al. 2018; Chen et al. 2020; Wachter et al. 2018); an upper bound of the distance",
    }


def _example(row: "pd.Series[Any]") -> str:
    trust = "still trusted" if row["trusted_then"] else "no longer trusted"
    return f"{row['change']}: {row['said']} → {row['says_then']}, distance {row['distance']:.3g}, {trust}"


QUESTION = "How small a plausible change turns the decision?"
CHECK = Check("robustness", measure, on_package, "Robustness", QUESTION, plots)
