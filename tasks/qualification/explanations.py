"""What do the answers hang on, and why are the worst ones wrong?"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from expectations.options.explanations import Explanations
from expectations.records import Evidence, metric_rows
from infra.packages import open_package
from infra.runtime import Scorer
from tasks.check import Check, Subject, on_package_and_champion
from tasks.qualification.case import Case, Floats, case_of
from tasks.qualification.codes import Codes, asked, codes_of, hidden
from tasks.qualification.contributions import Contributions, background_size, contributions
from tasks.qualification.dependence import measure_dependence
from tasks.qualification.explanations_plots import plots
from tasks.qualification.reliance import (
    WIDE,
    Reliance,
    bounded_loss,
    measure_reliance,
    measure_shift,
    needed,
    share_errors,
    sure_share,
)

WORST, RANKS = 20, ("most", "second", "third")
TOLD = len(RANKS)
# With two columns one of them always holds more than half of all.
FEWEST_COLUMNS = 3
Row = tuple[str, float, float, float, int, int]
METHODS = {
    "importance": "each column shuffled among the records (Breiman 2001; Fisher, Rudin, Dominici 2019): by how much "
    "the loss rises; the loss is squared error in variances of the target, or half the Brier score",
    "share": "how far the answers move when a column is shuffled, as a share of all columns' movement",
    "contributions": "Shapley values by sampled orders, forwards and backwards (Castro et al. 2009; Strumbelj, "
    "Kononenko 2014), held against training rows",
}


def measure(subject: Subject) -> Evidence:
    """Of the package, and of the champion's on the same records."""
    serving = subject.champion()
    champion = open_package(subject.job.store(), serving.package_digest) if serving else None
    found = measure_explanations(case_of(subject), subject.job.spec.checks.explanations, champion)
    return replace(found, facts={**found.facts, "champion": serving.id if serving else "none serves yet"})


@dataclass(frozen=True)
class Asked:
    """A case of few enough records, its rows as numbers, and what its answers hang on."""

    case: Case
    options: Explanations

    @cached_property
    def codes(self) -> Codes:
        return codes_of(self.case)

    @cached_property
    def cells(self) -> Floats:
        return self.codes.encode(self.case.test)

    @cached_property
    def reliance(self) -> Reliance:
        return measure_reliance(self.case, self.options.repeats)


def measure_explanations(case: Case, options: Explanations, champion: Scorer | None = None) -> Evidence:
    """Importance and share of each column, the worst answers explained, and what moved against the champion.

    Metrics: `importance:COLUMN` (rise of the loss), `share:COLUMN` (of all movement of the answers), both with
    intervals over repeats and records; `surely_concentrated` and `surely_relies_on:COLUMN` (one-sided sure shares);
    `contributions_gap` (efficiency law, in standard deviations of the target); with a champion `explanations_moved`
    and `surely_moved`. Records: one row per explained answer, in words.
    """
    one = Asked(case.smaller(max(options.records, case.tier.min_records)), options)
    rows, told = _champion_rows(one, champion)
    explained, records = _explained(one)
    metrics = [*_column_rows(one), *_gap_row(one, explained), *rows]
    facts = {
        "records": len(one.case.test),
        "sampled": case.sampled or one.case.sampled or "every test row",
        "repeats": options.repeats,
        "seed": case.seed,
        "method": METHODS,
        "noise": one.reliance.noise,
        "against_champion": told,
        "background": f"{explained.background} training rows, drawn by chance",
        "explains": _explains(one.case),
        "mean_contribution": _mean_contributions(one.codes, explained),
        "dependence": measure_dependence(one.case, one.codes, _order(one)),
        "power": case.tier.power,
    }
    return Evidence("explanations", metric_rows(metrics), records, facts)


def _explains(case: Case) -> str:
    """Which number the contributions add up to."""
    if not case.classifies:
        return "the prediction"
    return f"the probability of {case.positive or 'the label that was said'}"


def _order(one: Asked) -> list[int]:
    """The columns, those first that the answers hang on most."""
    return [int(at) for at in np.argsort(-one.reliance.moved.mean(axis=(0, 1)), kind="stable")]


def _column_rows(one: Asked) -> list[Row]:
    n, least, names = len(one.cells), one.case.tier.min_records, one.reliance.names
    found, deviation = share_errors(one.reliance.by_record(names))
    lost, lost_errors = one.reliance.lost.mean(axis=0), one.reliance.lost.std(axis=0) / np.sqrt(n)
    reach, rows = WIDE * deviation / np.sqrt(n), []
    for at in _order(one):
        half = WIDE * lost_errors[at]
        rows.append((f"importance:{names[at]}", lost[at], lost[at] - half, lost[at] + half, n, least))
    for at in _order(one):
        low, high = max(found[at] - reach[at], 0.0), min(found[at] + reach[at], 1.0)
        rows.append((f"share:{names[at]}", found[at], low, high, n, least))
    return rows + _sure_rows(one, found, deviation)


def _sure_rows(one: Asked, found: Floats, deviation: Floats) -> list[Row]:
    """Shares that columns surely have at least: of the greatest one, and of each hidden column."""
    n, tier, secret = len(one.cells), one.case.tier, hidden(one.codes)
    rows = []
    if len(found) >= FEWEST_COLUMNS:
        at = _order(one)[0]
        # One column alone can hold more than half of all, so one question is asked, whichever column it is.
        rows.append(("surely_concentrated", at, 1))
    rows += [
        (f"surely_relies_on:{c.name}", at, len(secret)) for at, c in enumerate(one.codes.columns) if c.name in secret
    ]
    return [
        (
            name,
            np.maximum(sure_share(found[at], deviation[at], n, questions), 0.0),
            np.nan,
            np.nan,
            n,
            needed(deviation[at], tier.power, tier.min_records),
        )
        for name, at, questions in rows
    ]


def _gap_row(one: Asked, explained: Contributions) -> list[Row]:
    return [("contributions_gap", explained.gap / one.case.scale, np.nan, np.nan, len(explained.answers), 1)]


def _champion_rows(one: Asked, champion: Scorer | None) -> tuple[list[Row], str]:
    """What moved against the champion; not measured is no number, which lets nothing pass in silence."""
    n, least = len(one.cells), one.case.tier.min_records
    if champion is None:
        return [], "not applicable: no version serves yet"
    missing = [name for name in champion.sent if name not in one.case.test.columns]
    if missing:
        told = f"cannot tell: the champion needs {', '.join(missing)}, which these records lack"
        return [(name, np.nan, np.nan, np.nan, n, least) for name in ("explanations_moved", "surely_moved")], told
    theirs = measure_reliance(replace(one.case, scorer=champion), one.options.repeats)
    shift = measure_shift(one.reliance, theirs, one.case.seed)
    rows: list[Row] = [
        ("explanations_moved", shift.share, shift.lower, shift.upper, n, least),
        ("surely_moved", shift.sure, np.nan, np.nan, n, least),
        ("rank_correlation", shift.correlation, np.nan, np.nan, n, least),
        ("shift_noise", shift.noise, np.nan, np.nan, n, least),
    ]
    return rows, _most_moved(one.reliance, theirs)


def _most_moved(mine: Reliance, theirs: Reliance) -> str:
    names = tuple(dict.fromkeys((*mine.names, *theirs.names)))
    now, before = (share_errors(each.by_record(names))[0] for each in (mine, theirs))
    most = np.argsort(-np.abs(now - before), kind="stable")[:TOLD]
    return "moved most: " + "; ".join(f"{names[at]} from {before[at]:.0%} to {now[at]:.0%} of all" for at in most)


def _explained(one: Asked) -> tuple[Contributions, pd.DataFrame]:
    """The worst answers and some drawn by chance, each with its three largest contributions in words."""
    case, codes = one.case, one.codes
    said = asked(case, codes, one.cells)
    loss = bounded_loss(case, said)
    worst = np.argsort(-np.nan_to_num(loss, nan=np.inf), kind="stable")[:WORST]
    rng = np.random.default_rng(case.seed)
    drawn = rng.choice(len(loss), min(one.options.explained, len(loss)), replace=False)
    chosen = np.array(list(dict.fromkeys([*worst.tolist(), *drawn.tolist()])), dtype=np.int64)
    size = one.options.background or background_size(len(chosen), len(codes.columns))
    held = case.train.iloc[rng.choice(len(case.train), min(size, len(case.train)), replace=False)]
    found = contributions(case, codes, one.cells[chosen], codes.encode(held))
    because = [_because(codes, *pair) for pair in zip(one.cells[chosen], found.values, strict=True)]
    records = pd.DataFrame(
        {
            "record": chosen,
            "drawn_as": ["one of the worst" if at < len(worst) else "by chance" for at in range(len(chosen))],
            "actual": case.actual[chosen],
            "said": said.values[chosen],
            "explained_answer": found.answers,
            "base": found.base,
            **{f"adds_{rank}": words for rank, words in zip(RANKS, zip(*because, strict=True), strict=True)},
            "loss": loss[chosen],
        }
    )
    return found, records


def _because(codes: Codes, cells: Floats, values: Floats) -> list[str]:
    """The largest contributions, such as `income 12,000: −0.21`; no value of a hidden column."""
    secret = hidden(codes)
    told = []
    for at in np.argsort(-np.abs(values), kind="stable")[:TOLD].tolist():
        name = codes.columns[at].name
        word = "(its value is not shown)" if name in secret else codes.word(at, cells[at])
        told.append(f"{name} {word}: {signed(values[at])}")
    return told + [""] * (TOLD - len(told))


def signed(value: float) -> str:
    """`+0.21`, `−1,200`: what a contribution adds."""
    size = abs(value)
    return ("−" if value < 0 else "+") + (f"{size:,.0f}" if size >= 1000 else f"{size:.2g}")


def _mean_contributions(codes: Codes, found: Contributions) -> dict[str, float]:
    """Mean absolute contribution over the explained answers, the ten greatest."""
    mean = np.abs(found.values).mean(axis=0)
    return {codes.columns[at].name: float(mean[at]) for at in np.argsort(-mean, kind="stable")[:10]}


QUESTION = "What do the answers hang on, and why are the worst ones wrong?"
CHECK = Check("explanations", measure, on_package_and_champion, "Explanations", QUESTION, plots)
