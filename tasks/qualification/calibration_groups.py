"""Whether what is promised on the whole holds in groups: of protected attributes, of columns, of declared slices."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from expectations.hiding import HIDDEN_ROLES
from expectations.options.calibration import CARED_IN_GROUP, Calibration
from expectations.options.fairness import Fairness
from expectations.options.slices import Declared
from expectations.suites.calibration import IN_GROUP
from expectations.tiers import SURELY
from tasks.guards.conformal import clopper_pearson, sure_excess
from tasks.guards.evidence import Case as Answered
from tasks.guards.evidence import covered
from tasks.multiplicity import records_for_mean
from tasks.qualification.case import BATCH, Case, Flags, Floats
from tasks.qualification.fairness_groups import DISTINCT, MOST_GROUPS, attributes_of
from tasks.qualification.levels import column_of, cut_of
from tasks.qualification.slices import declared_rows

Row = tuple[str, float, float, float, int, int]
NAN = float("nan")


@dataclass(frozen=True)
class Promise:
    """How often interval or set shall hold the truth, and how many rows set them (None: not known)."""

    coverage: float = 0.9
    calibrated: int | None = None


@dataclass(frozen=True)
class Group:
    """Some of the test rows (n,), by a name for readers."""

    name: str
    rows: Flags


def groups_of(
    case: Case, asked: Calibration, fairness: Fairness, declared: tuple[Declared, ...] = (), guarded: str | None = None
) -> list[Group]:
    """Groups of protected attributes, of the columns that were asked for, of guards.group, and declared slices.

    Raises CannotAsk where a column is absent.
    """
    protected = attributes_of(case, fairness)
    named = {one.name for one in protected}
    columns = dict.fromkeys(name for name in (*asked.groups, *([guarded] if guarded else [])) if name not in named)
    found = [Group(f"{one.name}={one.words[code]}", one.codes == code) for one in protected for code in one.present()]
    for name in columns:
        train, test = column_of(case, name, "checks.calibration.groups")
        cut = cut_of(name, train, asked.bands, MOST_GROUPS, distinct=DISTINCT)
        shown = cut.not_shown() if HIDDEN_ROLES & set(case.roles.get(name, ())) else cut
        codes = shown.codes(test)
        found += [Group(f"{name}={shown.words[code]}", codes == code) for code in np.unique(codes)]
    slices = [Group(one.name, declared_rows(case, one.where, "checks.slices.declared")) for one in declared]
    return [*found, *(one for one in slices if one.rows.any())]


def held_of(case: Case) -> tuple[Flags, Floats | None] | None:
    """((n,) is the truth in the interval or set?, (n,) -1 below, 0 inside, 1 above an interval). None where the package
    has neither."""
    found, sides = [], []
    for at in range(0, max(len(case.test), 1), BATCH):
        rows, actual = case.test.iloc[at : at + BATCH], case.actual[at : at + BATCH]
        answer = case.scorer.answers(rows)
        held = covered(Answered(rows, actual, answer, case.scorer.predictions(answer), 0))
        if held is None:
            return None
        found.append(held)
        if "lower" in answer:
            sides.append((actual > answer["upper"][:, 0]) * 1.0 - (actual < answer["lower"][:, 0]))
    return np.concatenate(found), np.concatenate(sides) if sides else None


def coverage_rows(held: Flags, sides: Floats | None, promise: Promise, required: int) -> list[Row]:
    """On the whole: the share that is held, by how much that is surely too seldom, and the shares on either side."""
    rows = [_share("coverage", held, required)]
    short = sure_excess(~held, 1 - promise.coverage, promise.calibrated)
    rows.append(("coverage_shortfall", short, NAN, NAN, len(held), required))
    if sides is not None:
        rows += [_share("truth_below_interval", sides < 0, 1), _share("truth_above_interval", sides > 0, 1)]
    return rows


def _share(name: str, hits: Flags, required: int) -> Row:
    low, high = clopper_pearson(int(hits.sum()), len(hits))
    return name, float(hits.mean()) if len(hits) else NAN, low, high, len(hits), required


def needed_in(case: Case, off: Floats, groups: int) -> int:
    """How many records of a group it takes to see an error that the tier cares about."""
    spread, level = float(off.std()) if len(off) else 1.0, case.tier.alpha / max(1, 2 * groups)
    return max(20, records_for_mean(CARED_IN_GROUP[case.tier.level] - IN_GROUP, spread, level, case.tier.power))


def bias_rows(case: Case, off: Floats, groups: list[Group]) -> list[Row]:
    """What came less what was said, per group, and how large that surely is, all groups together (Bonferroni)."""
    rows: list[Row] = []
    needed = needed_in(case, off, len(groups))
    for one in groups:
        mine = off[one.rows]
        if len(mine) < needed:
            continue
        value, error = float(mine.mean()), float(mine.std(ddof=1) / np.sqrt(len(mine)))
        sure = max(0.0, abs(value) - float(norm.isf(case.tier.alpha / (2 * len(groups)))) * error)
        rows.append((f"bias:{one.name}", value, value - 1.96 * error, value + 1.96 * error, len(mine), 1))
        rows.append((f"bias_at_least:{one.name}", sure, NAN, NAN, len(mine), needed))
    return rows


def group_coverage_rows(held: Flags, groups: list[Group], promise: Promise, needed: int) -> list[Row]:
    """The same of coverage; a group has about as many calibration rows as its share of the test rows says."""
    rows: list[Row] = []
    for one in groups:
        mine = held[one.rows]
        if len(mine) < needed:
            continue
        calibrated = None if promise.calibrated is None else round(promise.calibrated * len(mine) / len(held))
        short = sure_excess(~mine, 1 - promise.coverage, calibrated, SURELY / len(groups))
        rows.append(_share(f"coverage:{one.name}", mine, 1))
        rows.append((f"coverage_shortfall:{one.name}", short, NAN, NAN, len(mine), needed))
    return rows


def few_row(groups: list[Group], needed: int) -> Row:
    """How many groups are too small to tell; the smallest stands for them."""
    sizes = [int(one.rows.sum()) for one in groups]
    few = sum(size < needed for size in sizes)
    return "groups_too_small", float(few), NAN, NAN, min(sizes), needed if few else 1
