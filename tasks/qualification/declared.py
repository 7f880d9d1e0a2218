"""The scenarios that a team declared: their rows, and whether what was expected came of them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from expectations.errors import CannotAsk
from expectations.options.scenarios import Expected, Scenarios, ScenarioSet
from expectations.spec import Source
from infra.runtime import label_text
from infra.sources import RunFunction, read_batches
from tasks.qualification.answered import Answered
from tasks.qualification.case import Case
from tasks.qualification.columns import is_number

Flags = npt.NDArray[np.bool_]


def declared_rows(
    asked: Scenarios, root: Path, run_function: RunFunction, needed: Iterable[str]
) -> dict[str, pd.DataFrame]:
    """Each set's rows by its name. Raises CannotAsk with every set that cannot be read, is empty or lacks columns."""
    found: dict[str, pd.DataFrame] = {}
    problems: list[str] = []
    needed = list(needed)
    for one in asked.sets:
        try:
            found[one.name] = rows = _read(one, root, run_function)
        except CannotAsk as error:
            problems += error.problems
            continue
        lacking = [name for name in needed if name not in rows.columns]
        if not len(rows):
            problems.append(f"{_where(one)}: expected at least one row, found none. Add rows, or take the set out.")
        if lacking and not one.fill:
            problems.append(
                f"{_where(one)}: expected the columns {', '.join(needed)}; {', '.join(lacking)} are lacking. Add them, "
                "or say fill: true to have training's typical values in their place."
            )
    if problems:
        raise CannotAsk.all_of(problems)
    return found


def _where(one: ScenarioSet) -> str:
    return f"checks.scenarios.sets {one.name!r}"


def _read(one: ScenarioSet, root: Path, run_function: RunFunction) -> pd.DataFrame:
    if one.rows:
        return pd.DataFrame(list(one.rows))
    source = Source(path=one.path, url=one.url, query=one.query, function=one.function)
    table: pd.DataFrame = pa.concat_tables(
        read_batches(_where(one), source, root, run_function), promote_options="permissive"
    ).to_pandas()
    return table


def completed(case: Case, name: str, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with every column that a caller sends, of the kind that it is sent as; what they lack is typical of
    training. Raises CannotAsk where a number column holds something else."""
    columns = {}
    for sent, kind in case.scorer.sent.items():
        values = rows[sent] if sent in rows.columns else _typical(case.train[sent], len(rows))
        if kind == "string":
            columns[sent] = values.map(str, na_action="ignore").astype(object)
            continue
        numbers = pd.to_numeric(values, errors="coerce")
        if (strange := values[numbers.isna() & values.notna()]).size:
            raise CannotAsk(
                f"checks.scenarios.sets {name!r}: expected numbers in {sent}, found {strange.iloc[0]!r}. Mend the rows."
            )
        columns[sent] = numbers.astype(np.float64)
    return pd.DataFrame(columns).reset_index(drop=True)


def _typical(column: "pd.Series[Any]", n: int) -> "pd.Series[Any]":
    """The median, a value that was there, or the most frequent one."""
    held = column.dropna()
    if not len(held):
        return pd.Series([None] * n, dtype=object)
    value = np.quantile(held.to_numpy(np.float64), 0.5, method="lower") if is_number(held) else held.mode().iloc[0]
    return pd.Series([value] * n)


def holds(case: Case, expect: Expected, answer: Answered) -> Flags:
    """(n,) did each row get what was expected? None of a batch that crashed."""
    if answer.said is None:
        return np.zeros(len(answer), dtype=bool)
    held = np.ones(len(answer), dtype=bool)
    if expect.refuse:
        held &= ~answer.trusted
    if expect.answer:
        held &= answer.trusted
    if expect.label is not None:
        held &= answer.said.values == label_text([expect.label])[0]
    if expect.between is not None:
        score = case.score(answer.said)
        held &= (score >= expect.between[0]) & (score <= expect.between[1])
    return held


def got(case: Case, answer: Answered) -> str:
    """What came of a set in words: the answers, and of what is not trusted how often each reason was given."""
    if answer.said is None:
        return answer.crash
    if case.classifies:
        labels, counts = np.unique(answer.said.values.astype(str), return_counts=True)
        said = ", ".join(f"{label} {count}×" for label, count in zip(labels, counts, strict=True))
        said += _between(case.score(answer.said), " with a chance of ") if answer.said.probabilities is not None else ""
    else:
        said = _between(answer.said.values, "")
    return f"{said}; {_refused(case, answer)}"


def _between(values: npt.NDArray[np.float64], before: str) -> str:
    low, high = (f"{end:.6g}" for end in (np.min(values), np.max(values)))
    return before + (low if low == high else f"{low} to {high}")


def _refused(case: Case, answer: Answered) -> str:
    flags = case.scorer.signature.get("reasons", {}).get("flags", [])
    counts = sorted(
        ((int(n), name) for n, name in zip(answer.flags.sum(axis=0), flags, strict=False) if n), reverse=True
    )
    why = ", ".join(f"{name} {n}×" for n, name in counts[:5])
    refused = int((~answer.trusted).sum())
    return f"{refused} refused: {why}" if refused and why else f"{refused} refused"


def expected_words(expect: Expected) -> str:
    """What is expected, as a person would say it."""
    said = [
        "refuse" if expect.refuse else "",
        f"say {expect.label}" if expect.label is not None else "",
        f"say {expect.between[0]:g} to {expect.between[1]:g}" if expect.between else "",
        "be trusted" if expect.answer else "",
    ]
    share = "" if expect.share == 1 else f", {expect.share:.0%} of them"
    return " and ".join(word for word in said if word) + share


def unfit(case: Case, asked: Scenarios) -> list[str]:
    """What cannot come of this model at all, as sentences: another label than its own, a label of a number."""
    classes, problems = list(case.scorer.signature["classes"]), []
    for one in asked.sets:
        label = None if one.expect.label is None else str(label_text([one.expect.label])[0])
        if label is not None and label not in classes:
            labels = f"one of {', '.join(classes)}" if classes else "between: [least, greatest], since it says numbers"
            problems.append(f"{_where(one)}: expected {labels}, found the label {label!r}. Mend expect.")
    return problems
