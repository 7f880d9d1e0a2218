"""Which training records and sources are suspect, and how much hangs on them?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from scipy.stats import norm

from expectations.errors import CannotAsk
from expectations.hiding import HIDDEN_ROLES, NOT_SHOWN
from expectations.options.poisoning import Poisoning
from expectations.records import Evidence, metric_rows
from expectations.tiers import SURELY
from tasks.check import TEST, TRAIN, Check, Subject, on_package
from tasks.drawing import OCHRE, RULE, Plot, bars, draw, numbers
from tasks.multiplicity import records_for_mean
from tasks.qualification.areas import interval, sure_share
from tasks.qualification.case import MOST_TEST, MOST_TRAIN, Case, case_of, sampled
from tasks.qualification.influence import influence_rows, teacher_of
from tasks.qualification.matrix import Encoding, Flags, encoding_of
from tasks.qualification.stand_in import Goal, goal_of, group_folds, out_of_fold
from tasks.qualification.suspects import (
    MOST_REFERENCES,
    NEIGHBOURS,
    Row,
    Suspicion,
    noise_rows,
    of_labels,
    of_numbers,
    suspicion_of,
)

Names = npt.NDArray[Any]
MOST_ROWS, MOST_SHOWN, MOST_SOURCES = 20_000, 500, 20
# What must be found: a quarter of the surest labels wrong where a tenth is allowed; a source 30 points above the rest.
FAULT, DEVIATION, SOURCE_FAULT = 0.15, 0.35, 0.2
# Sources with fewer rows than this share together are not worth a question.
NEGLIGIBLE = 0.02
REST = "all smaller sources"


def measure(subject: Subject) -> Evidence:
    """Training rows of the release, by the source that the spec names."""
    asked = subject.job.spec.checks.poisoning
    case = case_of(subject)
    if asked.source is None:
        return measure_poisoning(case, asked)
    seed = subject.job.spec.seed
    train = sampled(subject.part(TRAIN), MOST_TRAIN, seed)
    test = sampled(subject.part(TEST), MOST_TEST, seed)
    if asked.source not in train.columns:
        there = ", ".join(map(str, train.columns))
        raise CannotAsk(f"checks.poisoning.source: expected a column, found {asked.source!r}; there are {there}.")
    return measure_poisoning(case, asked, train[asked.source], test[asked.source])


def measure_poisoning(
    case: Case,
    asked: Poisoning,
    of_train: "pd.Series[Any] | None" = None,
    of_test: "pd.Series[Any] | None" = None,
) -> Evidence:
    """Suspect labels; with the source of each training row (m,) and test row (n,) also suspect sources."""
    rows = np.sort(np.random.default_rng(case.seed).permutation(len(case.train))[:MOST_ROWS])
    features, known = case.train.iloc[rows], case.known.iloc[rows]
    encoding = encoding_of(features)
    goal, labels = goal_of(case.truth(known), case.classifies)
    told = suspicion_of(encoding, features, goal, labels, case.seed)
    metrics = [*noise_rows(told, goal, labels), _surely_contradicted(told, case.tier.power)]
    shown = _records(case, features, told).assign(row=lambda found: rows[found["row"]])
    facts = _facts(case, told, len(rows))
    if of_train is None or of_test is None:
        return Evidence("poisoning", metric_rows(metrics), shown, {**facts, "sources": "none is named in the spec"})
    train, test = _pooled(_names(of_train, case), _names(of_test, case))
    found, about = _sources(case, asked, encoding.without(str(of_train.name)), goal, (rows, train, test))
    shown.insert(1, "source", train[shown["row"].to_numpy(dtype=np.int64)])
    return Evidence("poisoning", metric_rows([*metrics, *found]), shown, {**facts, **about})


def _surely_contradicted(told: Suspicion, power: float) -> Row:
    """What share of the labels is surely contradicted where the stand-in is surest."""
    n, hits = int(told.surest.sum()), int(told.contradicted[told.surest].sum())
    required = records_for_mean(FAULT, DEVIATION, SURELY, power)
    return "surely_contradicted_where_surest", sure_share(hits, n, SURELY), np.nan, np.nan, n, required


def _names(values: "pd.Series[Any]", case: Case) -> Names:
    """(n,) each row's source as text; of a hidden column numbered, so that no value is told."""
    names = values.astype(object).where(values.notna(), "missing").astype(str).to_numpy(dtype=object)
    if HIDDEN_ROLES & set(case.roles.get(str(values.name), ())):
        number = {name: f"source {at + 1}" for at, name in enumerate(sorted(set(names)))}
        return np.array([number[name] for name in names], dtype=object)
    return names


def _pooled(train: Names, test: Names) -> tuple[Names, Names]:
    """The sources that are large enough to tell of, at most 20; the rest is one."""
    counts = pd.Series(train).value_counts()
    large = counts[counts >= _needed(min(len(counts), MOST_SOURCES))].index[:MOST_SOURCES]
    return (
        np.where(np.isin(train.astype(str), large.astype(str)), train, REST),
        np.where(np.isin(test.astype(str), large.astype(str)), test, REST),
    )


def _needed(sources: int) -> int:
    return records_for_mean(SOURCE_FAULT, 0.5, SURELY / max(sources, 1), 0.8)


def _sources(
    case: Case,
    asked: Poisoning,
    encoding: Encoding,
    goal: Goal,
    at: tuple[npt.NDArray[np.int64], Names, Names],
) -> tuple[list[Row], dict[str, Any]]:
    """Each source by what the *others* say of its rows, and by what becomes of the model without it."""
    rows, train, test = at
    names, counts = np.unique(train.astype(str), return_counts=True)
    if len(names) < 2:
        return [], {"sources": f"there is one: {names[0]}" if len(names) else "there are no rows"}
    told = out_of_fold(
        encoding.trees(case.train.iloc[rows]), goal, encoding.categorical, group_folds(train[rows]), rounds=40
    )
    nobody = np.zeros((len(rows), 0), dtype=np.int64)
    labels = tuple(map(str, range(goal.classes)))
    suspicion = of_labels(told, goal, nobody, labels) if labels else of_numbers(told[:, 0], goal, nobody)
    judged = [name for name in names if name != REST or (train == REST).mean() >= NEGLIGIBLE]
    found = [row for name in judged for row in _more_suspect(name, suspicion, train[rows] == name, len(judged))]
    teacher = teacher_of(case, encoding_of(case.train), 2 * len(names) + 1, asked.cpu_seconds)
    influence, failed = influence_rows(case, teacher, judged, train, test)
    about = {"sources": dict(zip(names.tolist(), counts.tolist(), strict=True)), "trained_again": teacher.words}
    return [*found, *influence], {**about, "could_not_be_trained": failed}


def _more_suspect(name: str, told: Suspicion, mine: Flags, sources: int) -> list[Row]:
    """By how much a source's labels surely contradict the others more than the others' contradict each other."""
    n = int(mine.sum())
    excess = told.contradicted - told.expected
    ours, theirs = excess[mine], excess[~mine]
    doubt = np.sqrt(sum(part.var(ddof=1) / len(part) if len(part) > 1 else np.inf for part in (ours, theirs)))
    surely = ours.mean() - theirs.mean() - norm.ppf(1 - SURELY / sources) * doubt if n else np.nan
    return [
        (f"suspect_rate:{name}", *interval(int(told.contradicted[mine].sum()), n), n, 0),
        (f"surely_more_suspect:{name}", max(0.0, float(surely)), np.nan, np.nan, n, _needed(sources)),
    ]


def _records(case: Case, features: pd.DataFrame, told: Suspicion) -> pd.DataFrame:
    """The most suspect rows, the worst first: their place among the training rows, why, and what they hold."""
    worst = np.argsort(-np.where(told.suspect, told.ranks, -np.inf), kind="stable")
    worst = worst[: min(int(told.suspect.sum()), MOST_SHOWN)]
    held = features.iloc[worst].reset_index(drop=True)
    hidden = [name for name in held.columns if HIDDEN_ROLES & set(case.roles.get(str(name), ()))]
    held = held.assign(**{str(name): NOT_SHOWN for name in hidden})
    why = told.shown.iloc[worst].reset_index(drop=True)
    return pd.concat([pd.DataFrame({"row": worst}), why, held.add_prefix("feature ")], axis=1)


def _facts(case: Case, told: Suspicion, n: int) -> dict[str, Any]:
    drawn = f"{n:,} of {len(case.train):,} training rows, drawn by chance" if n < len(case.train) else ""
    method = "confident learning (Northcutt et al. 2021)" if case.classifies else "robust residuals (Iglewicz 1993)"
    return {
        "training_rows": n,
        "suspects": int(told.suspect.sum()),
        "method": f"{method}, out of 5 folds of gradient boosting; {NEIGHBOURS} nearest of {MOST_REFERENCES:,} rows",
        "sampled": "; ".join(part for part in (case.sampled, drawn) if part),
        "seed": case.seed,
        "chance_of_false_alarm": SURELY,
        "power": case.tier.power,
    }


def plots(evidence: Evidence, spec: Mapping[str, Any]) -> list[Plot | None]:
    """How noisy each label is; of each source how suspect, and whether the model is better without it."""
    metrics = evidence.metrics
    return [
        suspects_plot(evidence.records),
        bars(metrics, "noise:", "How noisy each label is", "share of suspect labels", {}),
        bars(metrics, "suspect_rate:", "How suspect each source is", "share of labels that the others contradict", {}),
        bars(metrics, "worse_if_flipped:", "What a lie of each source would cost", "loss added, as a share", {}),
    ]


def suspects_plot(records: pd.DataFrame) -> Plot | None:
    """Of a regression: the suspects' values beside what the other records say."""
    if "robust_deviations" not in records or records.empty:
        return None
    likely, given = numbers(records["likely"]), numbers(records["given"])

    def paint(axes: Axes) -> None:
        axes.axline((float(likely.mean()), float(likely.mean())), slope=1, color=RULE)
        axes.plot(likely, given, "o", color=OCHRE, ms=4, alpha=0.7)
        axes.set(xlabel="what the other records say", ylabel="what the record holds")

    worst = f"the worst holds {given[0]:,.4g} where {likely[0]:,.4g} is likely"
    alt = f"{len(records)} records whose value is far from what the others say; {worst}."
    return Plot("The suspect records", alt, draw(paint))


QUESTION = "Which training records and sources are suspect, and how much hangs on them?"
CHECK = Check("poisoning", measure, on_package, "Poisoning", QUESTION, plots)
