"""What becomes of the models downstream when this one changes: each is asked again, on its own test rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.errors import CannotAsk
from infra.runtime import Predictions
from tasks.compare import LOSSES, default_metric, measure_comparison
from tasks.cost import Price
from tasks.qualification.case import Case
from tasks.qualification.feeding import Links, refreshed
from tasks.qualification.reliance import measure_reliance, shares
from tasks.quality import score_records

NAN = float("nan")
Row = tuple[str, float, float, float, int, int]
# So many records tell what share of a model's answers hangs on a column, within a few points.
RELIANCE_ROWS = 300


@dataclass(frozen=True)
class Downstream:
    """A model that hangs on another: its own test rows (n, all columns of its data), their truth, and what its spec
    calls a loss. `steps` is how many models away it is; `columns` are those of its inputs that hang on the other.
    """

    model: str
    release: str
    owner: str
    steps: int
    columns: tuple[str, ...]
    test: pd.DataFrame
    target: str
    actual: npt.NDArray[Any]
    price: Price
    positive: str | None
    metric: str | None
    margin: float


@dataclass(frozen=True)
class Requalified:
    """What one model downstream makes of the new answers; `told` is its row of the report."""

    rows: tuple[Row, ...]
    told: Mapping[str, Any]


def cannot_tell(model: str, about: Mapping[str, Any], why_not: str) -> Requalified:
    """A model downstream that could not be asked: never a yes."""
    row = (f"downstream:{model}", NAN, NAN, NAN, 0, 0)
    return Requalified((row,), {**about, "label": "inconclusive", "why_not": why_not})


def requalify(one: Downstream, before: Links, after: Links, hanging: tuple[str, ...], required: int) -> Requalified:
    """Paired, on the same rows: what the model loses and gains when the answers that it is fed with change.

    `downstream:MODEL` is its gain, as a share of its loss, above the margin that its own spec calls equivalent.
    """
    try:
        frames = [refreshed(links, one.model, one.test, hanging) for links in (before, after)]
        said = [links[one.model].scorer.score(frame) for links, frame in zip((before, after), frames, strict=True)]
    except CannotAsk as error:
        return cannot_tell(one.model, _about(one), str(error))
    scored = [score_records(one.actual, answers, one.price, one.positive) for answers in said]
    metric = one.metric or default_metric(scored)
    if not all(LOSSES[metric] in frame for frame in scored):
        return cannot_tell(one.model, _about(one), f"its records have no {metric}")
    found = measure_comparison(scored[0], scored[1], metric, one.margin, required, {})
    gain = _gain(scored, LOSSES[metric], found.metrics.iloc[0])
    facts = {key: found.facts[key] for key in ("metric", "margin")}
    values = {"before": found.facts["champion_value"], "after": found.facts["candidate_value"]}
    label = "equivalent" if gain == (0.0, 0.0, 0.0) else found.facts["label"]
    interval = dict(zip(("gain", "gain_from", "gain_to"), gain, strict=True))
    told = {**_about(one), "label": label, **facts, **values, **interval, **_moved(one, frames, said)}
    above = (gain[0] + one.margin, gain[1] + one.margin, gain[2] + one.margin)
    rows = (
        (f"downstream:{one.model}", *above, len(one.test), required),
        (f"downstream_gain:{one.model}", *gain, len(one.test), required),
    )
    return Requalified(rows, {**told, "share_of_answers": _share(one, before), "why_not": ""})


def _about(one: Downstream) -> dict[str, Any]:
    return {
        "model": one.model,
        "release": one.release,
        "owner": one.owner,
        "steps": one.steps,
        "columns": ", ".join(one.columns),
        "test_rows": len(one.test),
    }


def _gain(scored: list[pd.DataFrame], loss: str, row: "pd.Series[Any]") -> tuple[float, float, float]:
    """The relative gain; nothing where no record changed, also where there was no loss at all."""
    if np.array_equal(scored[0][loss], scored[1][loss]):
        return 0.0, 0.0, 0.0
    gain = float(row["value"]), float(row["lower"]), float(row["upper"])
    return gain if np.isfinite(gain).all() else (NAN, NAN, NAN)


def _moved(one: Downstream, frames: list[pd.DataFrame], said: list[Predictions]) -> dict[str, float]:
    """How far the columns moved (numbers in standard deviations, else the share of other values), and the answers."""
    moved = [_distance(frames[0][name], frames[1][name]) for name in one.columns]
    # Answers as columns, so that both are told in the same unit.
    answers = [pd.Series(one_said.values) for one_said in said]
    return {"columns_moved": max(moved, default=0.0), "answers_moved": _distance(answers[0], answers[1])}


def _distance(old: "pd.Series[Any]", new: "pd.Series[Any]") -> float:
    if not (pd.api.types.is_numeric_dtype(old.dtype) and pd.api.types.is_numeric_dtype(new.dtype)):
        return float((old.astype(str).to_numpy() != new.astype(str).to_numpy()).mean())
    spread = float(old.std())
    return float((new - old).abs().mean() / spread) if spread > 0 else NAN


def _share(one: Downstream, links: Links) -> float:
    """Of all movement of its answers when its inputs are shuffled in turn, the share of these columns."""
    scorer, target = links[one.model].scorer, one.test[one.target]
    rows = one.test[list(scorer.sent)]
    case = Case(scorer, rows, target, rows, target, candidate=lambda: None, positive=one.positive)
    reliance = measure_reliance(case.smaller(RELIANCE_ROWS), 1)
    held = shares(reliance.moved.mean(axis=0).mean(axis=0))
    return float(sum(share for name, share in zip(reliance.names, held, strict=True) if name in one.columns))
