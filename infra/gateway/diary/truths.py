"""Ground truth that callers bring, by request id and row: what it must be, and how it is written down."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from infra.gateway.contract import Turned
from infra.gateway.diary.pages import TIME, texts
from infra.runtime import label_text

FIELDS = ("request_id", "row", "truth", "value")
LONGEST_ID = 200
MOST_TOLD = 10


@dataclass(frozen=True, slots=True)
class Truth:
    """What became of one row: a label as text, or a number as `number` too. `value` is what it was worth."""

    request_id: str
    row: int
    truth: str
    number: float | None = None
    value: float | None = None


def read_truths(truths: Sequence[Mapping[str, Any]], classes: Collection[str]) -> list[Truth]:
    """All of them; `classes` of the model, none for a regression.

    Raises Turned (400) naming everything that is wrong, and then none of them is taken.
    """
    found, problems = [], []
    for at, one in enumerate(truths):
        try:
            found.append(_truth(one, frozenset(classes)))
        except ValueError as error:
            problems.append(f"feedback {at}: {error}")
    if problems:
        more = f" And {len(problems) - MOST_TOLD} more." if len(problems) > MOST_TOLD else ""
        raise Turned(400, " ".join(problems[:MOST_TOLD]) + more)
    return found


def _truth(one: Mapping[str, Any], classes: frozenset[str]) -> Truth:
    if not isinstance(one, Mapping) or set(one) - set(FIELDS):
        raise ValueError(f"expected {', '.join(FIELDS)}, found {str(one)[:100]}.")
    request_id, row, value = one.get("request_id"), one.get("row", 0), one.get("value")
    if not isinstance(request_id, str) or not 0 < len(request_id) <= LONGEST_ID:
        raise ValueError(
            f"request_id: expected a text of 1 to {LONGEST_ID} characters, found {str(request_id)[:100]!r}."
        )
    if isinstance(row, bool) or not isinstance(row, int) or not 0 <= row < 1 << 31:
        raise ValueError(f"row: expected the row's number from 0 on, found {str(row)[:100]!r}.")
    if value is not None and not _is_finite(value):
        raise ValueError(f"value: expected a finite number, found {str(value)[:100]!r}.")
    worth = None if value is None else float(value)
    if classes:
        return Truth(request_id, row, _label(one.get("truth"), classes), None, worth)
    number = _number(one.get("truth"))
    return Truth(request_id, row, repr(number), number, worth)


def _label(truth: Any, classes: frozenset[str]) -> str:
    label = str(label_text([truth])[0]) if isinstance(truth, str | int | float) else ""
    if label not in classes:
        there = ", ".join(sorted(classes)[:20])
        raise ValueError(f"truth: expected one of {there}, found {str(truth)[:100]!r}.")
    return label


def _number(truth: Any) -> float:
    if not _is_finite(truth):
        raise ValueError(f"truth: expected a finite number, found {str(truth)[:100]!r}.")
    return float(truth)


def _is_finite(value: Any) -> bool:
    try:
        return not isinstance(value, bool | str) and math.isfinite(value)
    except (TypeError, OverflowError):
        return False


def truths_page(taken: Sequence[tuple[float, str, str, Truth]]) -> pa.RecordBatch:
    """A row each of (Unix seconds, model, source, truth)."""
    times, models, sources, truths = zip(*taken, strict=True)
    return pa.RecordBatch.from_pydict(
        {
            "time": pa.array((np.array(times) * 1e6).astype(np.int64), TIME),
            "request_id": texts([one.request_id for one in truths]),
            "row": pa.array([one.row for one in truths], pa.int32()),
            "model": texts(models),
            "source": texts(sources),
            "truth": texts([one.truth for one in truths]),
            "truth_number": pa.array([one.number for one in truths], pa.float64()),
            "value": pa.array([one.value for one in truths], pa.float64()),
        }
    )
