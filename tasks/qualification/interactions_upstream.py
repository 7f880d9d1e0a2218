"""Is a declared column what another model answers, and is there one that nobody declared?"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from expectations.errors import CannotAsk
from expectations.state import Fed
from expectations.suites.interactions import SAME
from expectations.upstream_spec import PROBABILITY
from infra.runtime import Scorer
from tasks.qualification.feeding import agrees, as_theirs, output_of

NAN = float("nan")
# Fewer rows than this say nothing of where a column comes from.
ROWS_NEEDED = 30


@dataclass(frozen=True)
class Served:
    """A release that serves, or served: its package, and what its model was trained to tell."""

    model: str
    release: str
    open: Callable[[], Scorer]
    target: str = ""


@dataclass(frozen=True)
class Confirmed:
    """How many rows of a column which release gave; `why_not` where nobody can say."""

    fed: Fed
    rows: int = 0
    made_by: Mapping[str, int] = field(default_factory=dict)
    why_not: str = ""

    @property
    def share(self) -> float:
        """Of the rows; NaN where it could not be asked."""
        return NAN if self.why_not or not self.rows else sum(self.made_by.values()) / self.rows


def confirm(fed: Fed, rows: pd.DataFrame, releases: Iterable[Served]) -> Confirmed:
    """Which of an upstream model's releases gave each row of a declared column; the first that agrees counts."""
    if fed.column not in rows.columns:
        return Confirmed(fed, why_not=f"{fed.column} is no column of the data")
    open_rows, made_by, wrong = np.ones(len(rows), dtype=bool), {}, ""
    asked = 0
    for one in releases:
        try:
            said = output_of(one.open(), as_theirs(rows, fed), fed.output, fed.model)
        except CannotAsk as error:
            wrong = wrong or str(error)
            continue
        asked += 1
        agreed = open_rows & agrees(rows[fed.column], said)
        if agreed.any():
            made_by[one.release] = int(agreed.sum())
        open_rows &= ~agreed
        if not open_rows.any():
            break
    nothing = f"no release {fed.version or ''} of {fed.model} ever served here".replace("  ", " ")
    return Confirmed(fed, len(rows), made_by, "" if asked else wrong or nothing)


@dataclass(frozen=True)
class Undeclared:
    """A column that holds what a model answers, though the spec does not say so."""

    column: str
    model: str
    output: str
    share: float


def undeclared(rows: pd.DataFrame, features: Iterable[str], served: Iterable[Served]) -> tuple[list[Undeclared], int]:
    """Features that equal a served model's output, and how many models had their inputs among the columns."""
    found: list[Undeclared] = []
    names, asked = list(features), 0
    for one in served:
        scorer = one.open()
        if not set(scorer.sent) <= set(rows.columns):
            continue
        asked += 1
        # The truth that a model was trained on may well equal its answers.
        others = [name for name in names if name != one.target and rows[name].nunique() > 1]
        found += [u for output in _outputs(scorer) for u in _equal(rows, others, one.model, output, scorer)]
    return found, asked


def _outputs(scorer: Scorer) -> list[str]:
    return ["prediction", *(f"{PROBABILITY}{label}" for label in scorer.signature["classes"])]


def _equal(rows: pd.DataFrame, names: list[str], model: str, output: str, scorer: Scorer) -> list[Undeclared]:
    try:
        said = output_of(scorer, rows, output, model)
    except CannotAsk:
        return []
    labels = said.dtype == object
    shares = {name: float(agrees(rows[name], said).mean()) for name in names if labels or _is_number(rows[name])}
    # A good classifier agrees with the truth on most rows: labels count as its own where all of them are.
    return [Undeclared(n, model, output, s) for n, s in shares.items() if (s == 1.0 if labels else s > SAME)]


def _is_number(column: "pd.Series[Any]") -> bool:
    return bool(pd.api.types.is_float_dtype(column.dtype) or pd.api.types.is_integer_dtype(column.dtype))
