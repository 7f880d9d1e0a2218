"""The five types that every source's columns become: int64, float64, string, bool and timestamp[us] (UTC)."""

from datetime import UTC, datetime

import pyarrow as pa

from expectations.errors import CannotAsk
from expectations.spec import Source
from infra.sources.urls import first_line


def naive_utc(moment: datetime) -> datetime:
    """The moment without its zone, in UTC, as every timestamp here is; a naive one is taken to be UTC."""
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def normalised(name: str, table: pa.Table, missing: pa.DataType | None = None) -> pa.Table:
    """The same rows in the five types; a column without any value is text, or `missing`.

    Raises CannotAsk naming the columns of any other type.
    """
    kinds = {f.name: (missing or pa.string()) if pa.types.is_null(f.type) else kind_of(f.type) for f in table.schema}
    problems = [
        f"{name}: column {f.name} is {f.type}, which no model takes; leave it out in the query."
        for f in table.schema
        if kinds[f.name] is None
    ]
    if problems:
        raise CannotAsk.all_of(problems)
    # Only times may lose something: what is finer than a microsecond.
    columns = {c: table.column(c).cast(kind, safe=not pa.types.is_timestamp(kind)) for c, kind in kinds.items()}
    return pa.table(columns) if columns else table


def kind_of(found: pa.DataType) -> pa.DataType | None:
    """The one of the five types that holds this one, or None."""
    types = pa.types
    if types.is_dictionary(found):
        return kind_of(found.value_type)
    if types.is_integer(found):
        return pa.int64()
    if types.is_floating(found) or types.is_decimal(found):
        return pa.float64()
    if types.is_string(found) or types.is_large_string(found) or types.is_string_view(found):
        return pa.string()
    if types.is_timestamp(found) or types.is_date(found):
        return pa.timestamp("us")
    return found if types.is_boolean(found) else None


def timed(name: str, source: Source, table: pa.Table) -> pa.Table:
    """The table with its event_time as a time, which SQLite knows as text. Raises CannotAsk where it is none."""
    if source.event_time is None or source.event_time not in table.column_names:
        return table
    index, column = table.column_names.index(source.event_time), table.column(source.event_time)
    return table.set_column(index, source.event_time, _as_time(name, source.event_time, column))


def _as_time(name: str, label: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type) or pa.types.is_null(column.type):
        return column.cast(pa.timestamp("us"))
    found = str(column.type)
    if pa.types.is_string(column.type):
        for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
            try:
                return column.cast(kind).cast(pa.timestamp("us"))
            except pa.ArrowInvalid as error:
                found = first_line(error)
    raise CannotAsk(f"{name}: expected times in event_time {label}, found: {found}. Write them as 2026-01-31 12:00:00.")
