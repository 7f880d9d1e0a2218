"""Are people treated alike, whatever their protected attributes?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from expectations.options.fairness import CARED, Fairness
from expectations.records import Evidence, metric_rows
from expectations.suites.fairness import GAP, MUST_SAY
from tasks.check import Check, Subject, not_applicable, on_package
from tasks.drawing import Plot
from tasks.multiplicity import records_for_mean
from tasks.qualification.case import Case, case_of
from tasks.qualification.fairness_gaps import (
    NAN,
    Gap,
    Mean,
    Quantity,
    gap_of,
    judged_names,
    means_of,
    quantities_of,
)
from tasks.qualification.fairness_groups import Attribute, attributes_of, pairs_of, protected
from tasks.qualification.fairness_proxies import Proxies, proxies_of
from tasks.qualification.interval_plot import intervals

Row = tuple[str, float, float, float, int, int]
MOST_PROXIES = 10
SOURCES = (
    "equalized odds: Hardt, Price, Srebro (2016); rates: Wilson (1927), differences: Newcombe (1998), ratios: Katz et "
    "al. (1978); sure bounds: Bonferroni over all pairs of groups; proxies: DeLong et al. (1988)"
)


@dataclass(frozen=True)
class Compared:
    """One attribute by one quantity: each group's mean, which groups are large enough (`needed` rows), their gap."""

    attribute: Attribute
    quantity: Quantity
    judged: bool
    means: dict[int, Mean]
    enough: list[int]
    needed: int
    gap: Gap | None

    @property
    def name(self) -> str:
        return f"{self.attribute.name}:{self.quantity.name}"


def measure(subject: Subject) -> Evidence:
    """The package on the groups of its test rows."""
    return measure_fairness(case_of(subject), subject.job.spec.checks.fairness)


def measure_fairness(case: Case, asked: Fairness) -> Evidence:
    """Group metrics, the gaps between groups, and whether the attributes can be told from the features."""
    if not protected(case.roles):
        return _nobody(case, asked)
    attributes = attributes_of(case, asked)
    pairs = pairs_of(attributes) if asked.intersections else []
    parts = [part for part in (attributes, pairs) if part]
    compared = [one for part in parts for one in _compared(case, asked, part, case.tier.alpha / len(parts))]
    proxies = proxies_of(case, attributes)
    rows = [*_gap_rows(compared), _few_row(compared), *_group_rows(compared), *_proxy_rows(case, proxies)]
    return Evidence("fairness", metric_rows(rows), _records(compared), _facts(case, asked, compared, proxies))


def _nobody(case: Case, asked: Fairness) -> Evidence:
    """No protected column: a reason, or at high tiers the question who is protected."""
    if asked.none_because or case.tier.level < MUST_SAY:
        return not_applicable("fairness", asked.none_because or "No column has the role protected.")
    what = (
        "Give the columns that must not decide (age, sex, origin, ...) the role protected in data.roles, also if the "
        "model is not given them; or say in checks.fairness.none_because why there are none."
    )
    row = ("protected_attributes_or_reason", 0.0, NAN, NAN, len(case.test), 1)
    return Evidence("fairness", metric_rows([row]), pd.DataFrame(), {"what_to_do": what})


def _compared(case: Case, asked: Fairness, attributes: list[Attribute], alpha: float) -> list[Compared]:
    """All attributes by all quantities; a group that is too small for a quantity is left out of its gap.

    The level of each comparison hangs on how many there are, and that on who is large enough: first as if one pair were
    compared, then as they are.
    """
    quantities, judged = quantities_of(case), judged_names(case, asked.criterion)
    asked_of = [(a, q, means_of(q, a.codes, a.present())) for a in attributes for q in quantities]
    level = alpha / (2 * len(judged))
    for _ in range(2):
        needed = {q.name: _needed(case, q, level) for q in quantities}
        enough = [[g for g, mean in means.items() if mean.n >= needed[q.name]] for _, q, means in asked_of]
        counts = [len(held) for held, (_, q, _) in zip(enough, asked_of, strict=True) if q.name in judged]
        level = min(level, alpha / max(1, sum(count * (count - 1) for count in counts)))
    return [
        Compared(a, q, q.name in judged, means, held, needed[q.name], gap_of({g: means[g] for g in held}, level))
        for held, (a, q, means) in zip(enough, asked_of, strict=True)
    ]


def _needed(case: Case, quantity: Quantity, level: float) -> int:
    """Rows of each of two groups that it takes to see the gap that the tier cares about."""
    if not np.isfinite(quantity.variance):
        return case.tier.min_records
    spread = float(np.sqrt(2 * quantity.variance))
    return max(10, records_for_mean(CARED[case.tier.level] - GAP, spread, level, case.tier.power))


def _gap_rows(compared: list[Compared]) -> list[Row]:
    rows: list[Row] = []
    for one in compared:
        gap, sizes = one.gap, sorted((mean.n for mean in one.means.values()), reverse=True)
        # With fewer than two groups to compare, what is missing is the second largest one's rows.
        n = min(one.means[g].n for g in one.enough) if gap else [*sizes, 0, 0][1]
        if gap:
            rows.append((f"gap:{one.name}", gap.value, gap.lower, gap.upper, n, 1))
        if one.judged and (gap or not one.attribute.pair):
            rows.append((f"gap_at_least:{one.name}", gap.at_least if gap else NAN, NAN, NAN, n, one.needed))
        if gap and one.quantity.name == "selection_rate":
            rows.append((f"ratio:{one.name}", gap.ratio, NAN, NAN, n, 1))
            if one.judged:
                rows.append((f"ratio_at_most:{one.name}", gap.ratio_at_most, NAN, NAN, n, one.needed))
    return rows


def _few_row(compared: list[Compared]) -> Row:
    """How many groups of single attributes are too small to tell; the smallest of all stands for them."""
    single = [one for one in compared if one.judged and not one.attribute.pair]
    few = {(one.attribute.name, g) for one in single for g in one.means if g not in one.enough}
    sizes = [(mean.n, one.needed) for one in single for mean in one.means.values()]
    n, needed = min((pair for pair in sizes if not few or pair[0] < pair[1]), default=(0, 1))
    return "groups_too_small", float(len(few)), NAN, NAN, n, needed


def _group_rows(compared: list[Compared]) -> list[Row]:
    """Every quantity of every group of single attributes, with its 95 % interval."""
    z, rows = float(norm.isf(0.025)), []
    for one in compared:
        for group, mean in one.means.items() if not one.attribute.pair else ():
            below, above = mean.reach(z)
            name = f"{one.quantity.name}:{one.attribute.name}={one.attribute.words[group]}"
            rows.append((name, mean.value, mean.value - below, mean.value + above, mean.n, 1))
    return rows


def _proxy_rows(case: Case, proxies: list[Proxies]) -> list[Row]:
    rows: list[Row] = []
    for one in proxies:
        low, high = one.together.bounds(0.025)
        sure = one.together.bounds(case.tier.alpha / len(proxies))[0]
        rows.append((f"proxy_auc:{one.attribute}", one.together.value, low, high, one.together.n, 1))
        rows.append((f"proxy_auc_at_least:{one.attribute}", sure, NAN, NAN, one.together.n, 1))
    return rows


def _records(compared: list[Compared]) -> pd.DataFrame:
    """One row per attribute, group and quantity; `of_group` names a group, never a record."""
    z, rows = float(norm.isf(0.025)), []
    for one in compared:
        for group, mean in one.means.items():
            below, above = mean.reach(z)
            rows.append(
                {
                    "attribute": one.attribute.name,
                    "of_group": one.attribute.words[group],
                    "quantity": one.quantity.name,
                    "judged": one.judged,
                    "n": mean.n,
                    "value": mean.value,
                    "lower": mean.value - below,
                    "upper": mean.value + above,
                    "compared": group in one.enough,
                }
            )
    table = pd.DataFrame(rows)
    return table.sort_values("judged", ascending=False, kind="stable", ignore_index=True) if rows else table


def _facts(case: Case, asked: Fairness, compared: list[Compared], proxies: list[Proxies]) -> dict[str, Any]:
    few = [
        f"{one.attribute.name} = {one.attribute.words[g]}: {one.means[g].n} of {one.needed} rows ({one.quantity.name})"
        for one in compared
        if one.judged
        for g in one.means
        if one.means[g].n < one.needed
    ]
    facts = {
        "criterion": asked.criterion if case.positive is not None else judged_names(case, asked.criterion)[0],
        "attributes": protected(case.roles),
        "given_to_the_model": [name for name in protected(case.roles) if name in case.scorer.sent],
        "too_small_to_compare": few,
        "looked_for": f"a gap of {CARED[case.tier.level]:g} between two groups",
        "alpha": case.tier.alpha,
        "power": case.tier.power,
        "sampled": case.sampled,
        "method": SOURCES,
    }
    return facts | {f"tells_{one.attribute}": _told(one) for one in proxies}


def _told(proxies: Proxies) -> list[str]:
    """The features that alone tell the attribute better than chance, the best first."""
    count = max(1, len(proxies.alone))
    sure = {name: area for name, area in proxies.alone.items() if area.bounds(0.05 / count)[0] > 0.5}
    best = sorted(sure, key=lambda name: -sure[name].value)[:MOST_PROXIES]
    return [f"{name} (area {sure[name].value:.2f})" for name in best]


def plots(evidence: Evidence, _spec: Mapping[str, Any]) -> list[Plot | None]:
    """The judged quantities of the groups that are compared."""
    rows = evidence.records
    if not {"attribute", "of_group", "quantity", "judged", "value"} <= set(rows.columns):
        return []
    found = []
    for quantity in rows.loc[rows["judged"].astype(bool), "quantity"].drop_duplicates():
        mine = rows[(rows["quantity"] == quantity) & rows["compared"].astype(bool)]
        mine = mine.assign(who=mine["attribute"].astype(str) + ": " + mine["of_group"].astype(str))
        words = str(quantity).replace("_", " ")
        found.append(intervals(mine, "who", "value", f"{words.capitalize()} by group", words))
    return found


QUESTION = "Are people treated alike, whatever their protected attributes?"
CHECK = Check("fairness", measure, on_package, "Fairness", QUESTION, plots)
