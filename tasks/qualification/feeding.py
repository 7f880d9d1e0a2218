"""What a model is given by other models: their answers as columns, computed anew where one of them changes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.errors import CannotAsk
from expectations.state import Fed
from expectations.upstream_spec import PROBABILITY
from infra.runtime import Scorer, label_text
from tasks.qualification.case import BATCH

Said = npt.NDArray[Any]
# A column may have been stored as float32 on its way.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Link:
    """A model of a chain: its package, and what it is fed with."""

    scorer: Scorer
    consumes: tuple[Fed, ...] = ()


Links = Mapping[str, Link]


def refreshed(
    links: Links, model: str, rows: pd.DataFrame, hanging: Iterable[str], seen: tuple[str, ...] = ()
) -> pd.DataFrame:
    """The rows as a model is given them: columns that are answers of `hanging` models are asked of `links` anew.

    `rows` have the names of the model's own data. What `links` do not hold, and what comes round in a cycle, stays as
    it is in the rows. Raises CannotAsk where a model's inputs are not among them.
    """
    hanging, seen = frozenset(hanging), (*seen, model)
    for fed in links[model].consumes:
        if fed.model in hanging and fed.model in links and fed.model not in seen:
            theirs = refreshed(links, fed.model, as_theirs(rows, fed), hanging, seen)
            said = output_of(links[fed.model].scorer, theirs, fed.output, fed.model)
            rows = rows.assign(**{fed.column: _like(said, rows, fed)})
    return rows


def as_theirs(rows: pd.DataFrame, fed: Fed) -> pd.DataFrame:
    """The rows under the names of the model that answers. Raises CannotAsk where one of the columns is not there."""
    missing = [ours for _, ours in fed.inputs if ours not in rows.columns]
    if missing:
        told = f"{fed.model} is to be given {', '.join(missing)}, which the data lacks"
        raise CannotAsk(f"data.upstream: {told}; see its inputs for {fed.column}.")
    return rows.assign(**{theirs: rows[ours] for theirs, ours in fed.inputs})


def output_of(scorer: Scorer, rows: pd.DataFrame, output: str, model: str) -> Said:
    """(n,) float64 numbers or label texts: one output of a package. Raises CannotAsk where it has no such one."""
    parts = [rows.iloc[at : at + BATCH] for at in range(0, max(len(rows), 1), BATCH)]
    return np.concatenate([_output(scorer, part, output, model) for part in parts])


def _output(scorer: Scorer, rows: pd.DataFrame, output: str, model: str) -> Said:
    if output.startswith(PROBABILITY):
        said, label = scorer.score(rows), output.removeprefix(PROBABILITY)
        if said.probabilities is None or label not in said.classes:
            raise CannotAsk(f"{model} gives no {output}; its labels are {', '.join(said.classes) or 'none'}.")
        return np.asarray(said.probabilities[:, said.classes.index(label)])
    answers = scorer.answers(rows)
    if output not in answers:
        raise CannotAsk(f"{model} gives no {output}; its outputs are {', '.join(answers)}.")
    if output == "prediction":
        return scorer.predictions(answers).values
    return np.asarray(answers[output][:, 0], dtype=np.float64)


def _like(said: Said, rows: pd.DataFrame, fed: Fed) -> "pd.Series[Any]":
    """Answers as the column that they take the place of holds them."""
    column = rows[fed.column]
    if not pd.api.types.is_numeric_dtype(column.dtype):
        return pd.Series(label_text(said), index=rows.index, dtype=object)
    numbers = pd.to_numeric(pd.Series(said, index=rows.index), errors="coerce")
    if numbers.isna().all() and len(numbers):
        raise CannotAsk(f"{fed.column} holds numbers, and {fed.model} answers {said[0]!r}.")
    return numbers


def agrees(column: "pd.Series[Any]", said: Said) -> npt.NDArray[np.bool_]:
    """(n,) whether a column holds what was answered: numbers within TOLERANCE of their size, labels as text."""
    if said.dtype == object:
        return np.asarray(label_text(column) == said)
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(np.isclose(numbers, said, rtol=TOLERANCE, atol=0.0, equal_nan=True))
