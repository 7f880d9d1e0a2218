"""What is measured of the inputs: each column's distribution, and what is missing of it."""

import polars as pl

from expectations.spec import ReleaseSpec
from infra.gateway.diary.columns import Input, columns_of
from tasks.monitoring.measures import Found, Measure, at_cuts, at_levels, is_number
from tasks.monitoring.places import numbers
from tasks.monitoring.reference import ReferenceRows


def input_measures(spec: ReleaseSpec, reference: ReferenceRows) -> Found:
    """Deciles of numbers, levels of texts, and the missing share, of each input that is written down in clear."""
    written = columns_of(reference.signature, spec.data.model_dump(mode="json"), spec.serving.log).inputs
    clear = [one for one in written if one.way == "clear"]
    kept_back = _kept_back(reference, clear)
    why = [f"Not measured, as the log does not hold them in clear: {', '.join(kept_back)}."] if kept_back else []
    asked = spec.monitoring.alarms.inputs
    ignored = [one for one in clear if asked and one.column in asked.ignore]
    if ignored:
        why.append(f"Not measured, as the spec says: {', '.join(one.column for one in ignored)}.")
    return [measure for one in clear if one not in ignored for measure in _of(one, _values(reference, one))], why


def _kept_back(reference: ReferenceRows, clear: list[Input]) -> list[str]:
    shown = {one.column for one in clear}
    sent = (item["column"] for item in reference.signature["inputs"] if "live" not in item)
    return sorted(name for name in sent if name not in shown)


def _values(reference: ReferenceRows, one: Input) -> pl.Series:
    name = f"input.{one.column}"
    more = reference.more
    return pl.concat([frame[name] for frame in (reference.rows, more) if name in frame.columns])


def _of(one: Input, values: pl.Series) -> list[Measure]:
    column, number = f"input.{one.column}", is_number(values)
    ways = (f"{one.column} is missing more often", f"{one.column} is missing less often")
    absent = {"column": column, "number": values.dtype.is_numeric()}
    missing = Measure("absent", absent, ways, (0, 0), (False, True), (column,))
    if number:
        return [at_cuts(column, one.column, numbers(values), {}), missing]
    return [at_levels(column, one.column, values, {}), missing]
