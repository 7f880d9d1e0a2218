"""How often do the guards say no without need, do interval or set hold what they promise, and what do they cost?

All on test rows, which neither training nor calibration saw. Intervals of shares are Clopper and Pearson's.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.hiding import hidden_columns
from expectations.records import Evidence, metric_rows
from expectations.spec import Guards
from infra.runtime import Predictions, Scorer
from tasks.check import TEST, Check, Subject, on_package
from tasks.guards.composed import measure_composed
from tasks.guards.conformal import clopper_pearson, sure_excess
from tasks.guards.members import ask_members, measure_apart, measure_difference, measure_members, objection_row
from tasks.guards.oddity import exchanged
from tasks.guards.plan import DISAGREEMENT, KINDS, LIVE_KINDS, Flags, Floats

Row = tuple[str, float, float, float, int, int]
Answer = Mapping[str, npt.NDArray[Any]]
NAN = float("nan")
ROUNDS = 5
BY_BUDGET = {"domain": ("missing", "outside", "unknown"), "anomaly": ("odd",), "range": ("range",)}
BY_BUDGET |= {"confidence": ("confidence",), DISAGREEMENT: (DISAGREEMENT,)}
PLANTED = {"1_exchanged": 1, "5_exchanged": 5, "half_exchanged": None}


@dataclass(frozen=True)
class Case:
    """Test rows, their truth, what the package says of them, and how many rows its limits were calibrated on."""

    rows: pd.DataFrame
    actual: npt.NDArray[Any]
    answer: Answer
    said: Predictions
    calibrated: int
    groups: npt.NDArray[Any] | None = None


def measure(subject: Subject) -> Evidence:
    """The package on test rows."""
    job, scorer, test = subject.job, subject.scorer(), subject.part(TEST)
    core = Scorer(job.store().get_blob(subject.packed["blobs"]["core"]))
    group = job.spec.guards.group
    hidden = group in hidden_columns(job.spec.data.model_dump())
    groups = None if group is None else _groups(test[group], hidden)
    answer = scorer.answers(test)
    case = Case(
        test, job.target(test), answer, scorer.predictions(answer), subject.packed["guards"]["calibration_rows"], groups
    )
    required = job.tier.min_records
    rows = [
        *measure_alarms(case, job.spec.guards, required),
        calibration_row(case, job.spec.guards),
        *measure_coverage(case, job.spec.guards, required),
        *measure_composed(case.actual, case.said, case.answer["trusted"][:, 0]),
        *measure_power(scorer, test, required),
        *measure_cost(scorer, core, test),
    ]
    more, differ = measure_ensemble(subject, case, required) if DISAGREEMENT in answer else ([], {})
    # Column by column they stand in the graph's metadata; a dossier shows no value of a sensitive column.
    kept_back = {"intervals", "quantile_by_group"} if hidden else {"intervals"}
    told = {key: value for key, value in subject.packed["guards"].items() if key not in kept_back}
    facts = {**told, **differ, "training_saw": _training(subject)}
    return Evidence("guards", metric_rows([*rows, *more]), guard_records(case, scorer.signature), facts)


def measure_ensemble(subject: Subject, case: Case, required: int) -> tuple[list[Row], dict[str, Any]]:
    """Of an ensemble, how good and how different its members are, and what their disagreement is worth."""
    members = ask_members(subject.job.store().get_blob(subject.packed["blobs"]["graph"]), case.rows)
    if not len(case.rows):
        return [], {}
    different, told = measure_difference(subject.candidate(), members)
    disagreement, limit = case.answer[DISAGREEMENT][:, 0], subject.packed["guards"]["apart_above"]
    voting = subject.scorer().signature["members"]
    rows = [
        *measure_members(members, case.actual, case.said, disagreement, required),
        *measure_apart(case.actual, case.said, raised_by(case.answer, (DISAGREEMENT,))),
        objection_row(voting, limit, len(case.said.classes), len(case.rows)),
    ]
    return [*different, *rows], {"members": {**told, "vote": voting["vote"]}}


def raised_by(answer: Answer, kinds: Sequence[str]) -> Flags:
    """(n,) whether a guard of these kinds says no."""
    return np.asarray((answer["reasons"][:, 0] & sum(1 << KINDS.index(kind) for kind in kinds)) != 0)


def _groups(column: "pd.Series[Any]", hidden: bool) -> npt.NDArray[Any]:
    """(n,) each row's group, by number where its values are not to be shown."""
    if hidden:
        return np.array([f"group {code + 1}" for code in pd.factorize(column, sort=True)[0]], dtype=object)
    return column.astype(object).where(column.notna(), "").to_numpy()


CHECK = Check("guards", measure, on_package)


def _training(subject: Subject) -> str:
    if subject.job.spec.candidate.functions and not subject.job.spec.candidate.files:
        return "the training part only: test and calibration rows are new to the model"
    return (
        "unknown: the candidate came as a file. If it was trained on rows of the calibration or the test part, its "
        "intervals are too narrow and every figure here too good."
    )


def measure_alarms(case: Case, asked: Guards, required: int) -> list[Row]:
    """Each guard's share of alarms, and by how much it is surely over its budget; all guards together."""
    rows, of_ensembles = [], () if DISAGREEMENT in case.answer else (DISAGREEMENT,)
    for name, kinds in BY_BUDGET.items():
        if name in of_ensembles:
            continue
        raised = raised_by(case.answer, kinds)
        rows.append(_share(f"false_alarms:{name}", raised, required))
        # The plausible range comes from training rows, and no calibration row set it.
        over = sure_excess(raised, getattr(asked.budgets, name), None if name == "range" else case.calibrated)
        rows.append((f"over_budget:{name}", over, NAN, NAN, len(raised), required))
    learned = [kind for kind in KINDS if kind not in (*LIVE_KINDS, *of_ensembles)]
    rows += [_share(f"alarms:{kind}", raised_by(case.answer, (kind,)), required) for kind in learned]
    return [*rows, _share("rejected", raised_by(case.answer, KINDS), required)]


def _share(name: str, hits: Flags, required: int) -> Row:
    low, high = clopper_pearson(int(hits.sum()), len(hits))
    return name, float(hits.mean()) if len(hits) else NAN, low, high, len(hits), required


def calibration_row(case: Case, asked: Guards) -> Row:
    """How many rows set the limits. Fewer than the quantile of `coverage` needs promise nothing: an interval without
    ends always holds the truth."""
    needed = max(1, math.ceil(asked.coverage / (1 - asked.coverage) - 1e-9))
    return "calibration_rows", float(case.calibrated), NAN, NAN, case.calibrated, needed


def measure_coverage(case: Case, asked: Guards, required: int) -> list[Row]:
    """How often the truth is in the interval or set, by how much that is surely too seldom, and what it takes.

    Nothing for a classifier without probabilities.
    """
    held = covered(case)
    if held is None:
        return []
    rows = _coverage("", held, asked.coverage, required, case.calibrated)
    if case.groups is not None:
        for value in sorted(set(case.groups.tolist()), key=str):
            mine = held[case.groups == value]
            # About as many calibration rows as its share of the test rows says.
            calibrated = round(case.calibrated * len(mine) / len(held))
            rows += _coverage(f":{value}", mine, asked.coverage, required, calibrated)
    return [*rows, *_sizes(case.answer, len(held), required)]


def covered(case: Case) -> Flags | None:
    """(n,) is the truth in the interval or set? None where the package has neither."""
    if "lower" in case.answer:
        lower, upper = case.answer["lower"][:, 0], case.answer["upper"][:, 0]
        return np.asarray((case.actual >= lower) & (case.actual <= upper))
    if "conformal_set" not in case.answer:
        return None
    place = {label: at for at, label in enumerate(case.said.classes)}
    at = np.array([place.get(label, -1) for label in case.actual], dtype=np.int64)
    return np.asarray((at >= 0) & case.answer["conformal_set"][np.arange(len(at)), np.maximum(at, 0)])


def _coverage(name: str, held: Flags, level: float, required: int, calibrated: int) -> list[Row]:
    short = sure_excess(~held, 1 - level, calibrated)
    return [
        _share(f"coverage{name}", held, required),
        (f"coverage_shortfall{name}", short, NAN, NAN, len(held), required),
    ]


def _sizes(answer: Answer, n: int, required: int) -> list[Row]:
    if "lower" in answer:
        width = (answer["upper"] - answer["lower"])[:, 0]
        found = {"interval_width_mean": width.mean() if n else NAN, "interval_width_median": _median(width)}
    else:
        size = answer["conformal_set"].sum(axis=1)
        found = {"set_size_mean": size.mean() if n else NAN}
        found |= {f"set_size_{k}": np.mean(size == k) if n else NAN for k in (0, 1)}
    return [(name, float(value), NAN, NAN, n, required) for name, value in found.items()]


def _median(values: Floats) -> float:
    return float(np.median(values)) if len(values) else NAN


def measure_power(scorer: Scorer, test: pd.DataFrame, required: int, seed: int = 0) -> list[Row]:
    """Of test rows with values exchanged for other test rows', so that each value was seen and the combination not:
    how many are refused? What a guard is worth, beside what it costs."""
    columns = list(scorer.sent)
    if len(test) < 2 or len(columns) < 2:
        return []
    rng, rows = np.random.default_rng(seed), []
    for name, count in PLANTED.items():
        place = np.tile(np.arange(len(test))[:, None], (1, len(columns))).astype(np.float64)
        chosen = exchanged(place, place, count, rng).astype(np.int64)
        planted = pd.DataFrame({c: test[c].to_numpy()[chosen[:, at]] for at, c in enumerate(columns)})
        rows.append(_share(f"refused:{name}", ~scorer.answers(planted)["trusted"][:, 0], required))
    return rows


def measure_cost(scorer: Scorer, core: Scorer, test: pd.DataFrame) -> list[Row]:
    """CPU time of the guarded graph over that of the bare one, for one record and for a thousand."""
    if not len(test):
        return []
    thousand = pd.concat([test] * (1000 // len(test) + 1), ignore_index=True).head(1000)
    rows = []
    for name, frame, calls in (("1", test.head(1), 50), ("1000", thousand, 2)):
        spent = [_cpu_seconds(one, one.feed(frame), calls) for one in (scorer, core)]
        rows.append((f"guarded_over_bare_{name}", spent[0] / max(spent[1], 1e-9), NAN, NAN, calls * ROUNDS, 1))
    return rows


def _cpu_seconds(scorer: Scorer, feed: dict[str, npt.NDArray[Any]], calls: int) -> float:
    scorer.run(feed)
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(calls):
            scorer.run(feed)
        rounds.append(time.process_time() - start)
    return min(rounds)


def guard_records(case: Case, signature: Mapping[str, Any]) -> pd.DataFrame:
    """One row per test record: what was said, whether it held, and every reason in words."""
    names = np.array(signature["reasons"]["flags"], dtype=object)
    records = pd.DataFrame({"actual": case.actual, "predicted": case.said.values})
    for name in ("lower", "upper", "anomaly_score", DISAGREEMENT, "trusted"):
        if name in case.answer:
            records[name] = case.answer[name][:, 0]
    if "conformal_set" in case.answer:
        records["set_size"] = case.answer["conformal_set"].sum(axis=1)
    held = covered(case)
    if held is not None:
        records["covered"] = held
    if case.groups is not None:
        records["group"] = case.groups.astype(str)
    return records.assign(reasons=[", ".join(names[row]) for row in case.answer["flags"]])
