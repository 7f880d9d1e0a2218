"""How small a plausible change turns the decision?"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from expectations.options.robustness import Robustness
from expectations.records import Evidence, metric_rows
from expectations.tiers import SURELY
from tasks.check import Check, Subject, not_applicable, on_package
from tasks.drawing import number
from tasks.guards.conformal import clopper_pearson
from tasks.multiplicity import records_for_mean
from tasks.qualification.case import Case, Flags, Floats, case_of
from tasks.qualification.codes import Codes, hidden, trusted
from tasks.qualification.robustness_plots import plots
from tasks.qualification.robustness_search import Searched, immutable, varies

QUANTILES = {"distance_10pct": 0.1, "distance_median": 0.5}
EXAMPLES = 5
Row = tuple[str, float, float, float, int, int]


def measure(subject: Subject) -> Evidence:
    """Of the package."""
    return measure_robustness(case_of(subject), subject.job.spec.checks.robustness)


def measure_robustness(case: Case, options: Robustness) -> Evidence:
    """How near the nearest turned decision is, and whose turns by next to nothing.

    Metrics, of records: `flipped_by_small_change`, `confident_flips` (of all records: surely answered, and turned all
    the same), each with `surely_…`, the one-sided sure share; `distance_10pct`, `distance_median`, `attacks_found`,
    `turned_by_one_column`, `trusted_share_of_attacks`; for texts `turned_by:COLUMN:KIND:WORDS`. Records: one row per
    attacked record, the nearest first, with the change in words.
    """
    kept = immutable(case, options)
    if not any(c.name not in kept and (c.kind == "text" or varies(c)) for c in case.columns):
        return not_applicable("robustness", "every column that the model takes is immutable or always the same")
    searched = Searched(case.smaller(max(options.records, case.tier.min_records)), options)
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
    required, rows = needed(searched.case, SMALLEST), []
    for name, hits in searched.flips.items():
        rows += [_share(name, hits, required), _surely(name, hits, required)]
    distance, least = searched.distances, min(searched.case.tier.min_records, searched.options.attacked)
    alone = np.zeros(len(distance), dtype=bool)
    alone[np.searchsorted(searched.attacked, searched.nearest.rows)] = searched.changed == 1
    rows += [(name, *_quantile(distance, q), len(distance), least) for name, q in QUANTILES.items()]
    rows.append(_share("attacks_found", np.isfinite(distance), least))
    rows.append(_share("turned_by_one_column", alone, least))
    rows.append(_share("trusted_share_of_attacks", searched.still_trusted, 0))
    return rows


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
            "columns_changed": searched.changed[order],
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
        "attacked_records": len(searched.attacked),
        "questions": searched.decisions.asked + sum(one.queries for one in searched.texts),
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
    said, then = (number(row[name]) for name in ("said", "says_then"))
    return f"{row['change']} ({said} → {then}, distance {row['distance']:.3g}, {trust})"


QUESTION = "How small a plausible change turns the decision?"
CHECK = Check("robustness", measure, on_package, "Robustness", QUESTION, plots)
