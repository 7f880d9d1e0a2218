"""Better metrics for Great Expectations: what its commonest expectations count is counted in polars, all together.

Great Expectations still says which metrics an expectation needs and what follows from them. A metric that polars would
not count exactly as Great Expectations does (a row condition, another type, a limit that is no number) stays its own.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from great_expectations.execution_engine import pandas_execution_engine
from great_expectations.validator.validator import Validator

CONDITION, COUNT = ".condition", ".unexpected_count"
# Stands where Great Expectations keeps which rows are unexpected, until somebody asks for them.
COUNTED = object()
EXACT = 2**53


def measured(frame: pd.DataFrame, context: Any) -> Validator:
    """Great Expectations' validator of a frame, over an engine of its own: nothing is kept, and no row is hashed."""
    engine = PandasExecutionEngine()
    engine.load_batch_data("frame", frame)
    return Validator(execution_engine=engine, data_context=context)


class PandasExecutionEngine(pandas_execution_engine.PandasExecutionEngine):
    """Great Expectations finds its metrics by the name of the engine's class, hence this one's."""

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[Any],
        metrics: dict[Any, Any] | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> dict[Any, Any]:
        """The values by the metrics' ids. Only yes or no is answered by counting: details need the rows themselves."""
        batch: Any = self.batch_manager.active_batch_data
        frame, known, asked = batch.dataframe, metrics or {}, list(metrics_to_resolve)
        quick = (runtime_configuration or {}).get("result_format") == "BOOLEAN_ONLY"
        found = {
            one.id: COUNTED for one in asked if quick and _ends(one, CONDITION) and _unexpected(one, frame) is not None
        }
        counts = [one for one in asked if _ends(one, COUNT) and known.get(_condition(one).id) is COUNTED]
        found |= _count(counts, frame)
        rest = [one for one in asked if one.id not in found]
        self._uncover(rest, known, runtime_configuration)
        return found | (super().resolve_metrics(rest, known, runtime_configuration) if rest else {})

    def _uncover(self, rest: list[Any], known: dict[Any, Any], runtime_configuration: dict[str, Any] | None) -> None:
        """Whoever asks for more than the count gets the rows."""
        needed = {one.id: one for metric in rest for one in metric.metric_dependencies.values()}
        hidden = [one for key, one in needed.items() if known.get(key) is COUNTED]
        if hidden:
            known.update(super().resolve_metrics(hidden, known, runtime_configuration))


def _ends(metric: Any, end: str) -> bool:
    return str(metric.metric_name).endswith(end)


def _condition(metric: Any) -> Any:
    return metric.metric_dependencies["unexpected_condition"]


def _count(metrics: list[Any], frame: pd.DataFrame) -> dict[Any, int]:
    """All counts in one pass over the columns that they need."""
    if not metrics:
        return {}
    names = {str(one.metric_domain_kwargs["column"]) for one in metrics}
    table = pl.DataFrame({name: pl.from_pandas(frame[name]) for name in sorted(names)})
    asked = [_unexpected(_condition(one), frame) for one in metrics]
    counts = table.select(one.sum().alias(str(at)) for at, one in enumerate(asked) if one is not None).row(0)
    return {one.id: int(count) for one, count in zip(metrics, counts, strict=True)}


def _unexpected(metric: Any, frame: pd.DataFrame) -> pl.Expr | None:
    """Where a column's value is unexpected (a missing one is neither), or None where polars is not to be asked."""
    domain, limits = metric.metric_domain_kwargs, metric.metric_value_kwargs or {}
    name, build = domain.get("column"), CONDITIONS.get(str(metric.metric_name))
    if build is None or domain.get("row_condition") is not None or list(frame.columns).count(name) != 1:
        return None
    kind = _kind(frame[name])
    return None if kind is None else build(pl.col(name), kind, limits)


def _kind(column: "pd.Series[Any]") -> str | None:
    """int, float, bool, time or text; None for what pandas and polars may see differently."""
    if isinstance(column.dtype, pd.StringDtype):
        return "text"
    if not isinstance(column.dtype, np.dtype):
        return None
    named = {"int64": "int", "float64": "float", "bool": "bool"}
    return "time" if column.dtype.kind == "M" else named.get(str(column.dtype))


def _missing(column: pl.Expr, kind: str, limits: dict[str, Any]) -> pl.Expr | None:
    return column.is_null()


def _repeated(column: pl.Expr, kind: str, limits: dict[str, Any]) -> pl.Expr | None:
    return column.is_not_null() & column.is_duplicated()


def _outside(column: pl.Expr, kind: str, limits: dict[str, Any]) -> pl.Expr | None:
    low, high = limits.get("min_value"), limits.get("max_value")
    given = [limit for limit in (low, high) if limit is not None]
    if kind not in ("int", "float") or not given or not all(map(_exact, given)) or given != sorted(given):
        return None
    below = pl.lit(False) if low is None else column <= low if limits.get("strict_min") else column < low
    above = pl.lit(False) if high is None else column >= high if limits.get("strict_max") else column > high
    return below | above


def _strange(column: pl.Expr, kind: str, limits: dict[str, Any]) -> pl.Expr | None:
    values = limits.get("value_set")
    types = {"int": (int,), "float": (int, float), "bool": (bool,), "text": (str,)}.get(kind, ())
    if not isinstance(values, list) or not values or not all(type(value) in types for value in values):
        return None
    if kind in ("int", "float") and not all(map(_exact, values)):
        return None
    dtypes = {"int": pl.Int64(), "float": pl.Float64(), "bool": pl.Boolean(), "text": pl.String()}
    known = pl.Series(values, dtype=dtypes[kind], strict=False)
    return column.is_not_null() & ~column.is_in(known.implode())


def _exact(value: Any) -> bool:
    """Is it a number that an int64 and a float64 alike compare with exactly?"""
    return type(value) in (int, float) and math.isfinite(value) and abs(value) <= EXACT


CONDITIONS: dict[str, Callable[[pl.Expr, str, dict[str, Any]], pl.Expr | None]] = {
    "column_values.nonnull.condition": _missing,
    "column_values.unique.condition": _repeated,
    "column_values.between.condition": _outside,
    "column_values.in_set.condition": _strange,
}
