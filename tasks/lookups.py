"""Lookup tables: one row for each key, frozen with the release, joined to its rows, and kept inside its package."""

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from expectations.errors import CannotAsk
from expectations.spec import Lookup
from tasks.content_digest import ContentDigest

# Numbers enter a package as doubles.
MOST_WHOLE = 2**53


def lookup_blob(source: str) -> str:
    """What a frozen table is called among a release's blobs."""
    return f"lookup {source}"


def checked_table(lookup: Lookup, event_time: str | None, table: pl.DataFrame) -> pl.DataFrame:
    """Key and columns (float64), sorted by key. With an event time the latest row of each key counts.

    Raises CannotAsk with every reason why the table is none.
    """
    lost = [name for name in (lookup.key, *lookup.columns) if name not in table.columns]
    if lost or table.is_empty():
        found = f"the columns {', '.join(table.columns)}" if lost else "no row that was known as of the release"
        expected = f"the columns {', '.join(lost)}" if lost else "one row for each key"
        raise CannotAsk(f"the lookup {lookup.source}: expected {expected}, found {found}.")
    if event_time is not None:
        table = table.filter(pl.col(event_time) == pl.col(event_time).max().over(lookup.key))
    if problems := [f"the lookup {lookup.source}: {words}" for words in _problems(lookup, table)]:
        raise CannotAsk.all_of(problems)
    return table.select(lookup.key, pl.col(list(lookup.columns)).cast(pl.Float64)).sort(lookup.key)


def _problems(lookup: Lookup, table: pl.DataFrame) -> list[str]:
    key, found = table[lookup.key], []
    if key.dtype != pl.String and not key.dtype.is_integer():
        found.append(
            f"the key {lookup.key} is {key.dtype}; keys are texts or whole numbers, so make it one of them there and "
            "in the rows."
        )
    elif empty := int((key.cast(pl.String).fill_null("") == "").sum()):
        found.append(f"{empty} row(s) have no {lookup.key}; leave them out.")
    twice = key.filter(key.is_duplicated() & key.is_not_null()).unique().sort()
    if len(twice):
        named = ", ".join(map(str, twice.head(3)))
        found.append(f"{len(twice)} key(s) stand more than once, such as {named}; leave one row for each {lookup.key}.")
    if key.dtype.is_integer() and (key.cast(pl.Int128).abs() > MOST_WHOLE).any():
        found.append(
            f"the key {lookup.key} holds numbers beyond 2**53, which callers cannot send exactly; make it text."
        )
    for name in lookup.columns:
        if not table[name].dtype.is_numeric():
            found.append(f"the column {name} is {table[name].dtype}; only numbers can be looked up.")
        elif table[name].is_infinite().any():
            found.append(f"the column {name} holds an infinite number; leave it missing.")
    return found


def join_lookup(rows: pl.DataFrame, table: pl.DataFrame, lookup: Lookup) -> tuple[pl.DataFrame, int]:
    """The rows in their order with what is looked up, the default where the key is unknown; and how many keys were
    known. Raises CannotAsk where the key is no text column of the rows, or a column stands there already."""
    if lookup.key not in rows.columns:
        raise CannotAsk(f"the lookup {lookup.source} expects the column {lookup.key} in the rows, which is not there.")
    if clash := sorted(set(rows.columns) & set(lookup.columns)):
        raise CannotAsk(f"the lookup {lookup.source} brings {', '.join(clash)}, which the rows have already; rename.")
    sent, held = rows[lookup.key].dtype, table[lookup.key].dtype
    if sent != held and not rows.is_empty():
        raise CannotAsk(
            f"the lookup {lookup.source}: the key {lookup.key} is {sent} in the rows and {held} there; make it "
            f"{'text' if held == pl.String else 'whole numbers'} in both."
        )
    found = "__found"
    joined = rows.cast({lookup.key: held}).join(
        table.with_columns(pl.lit(True).alias(found)), on=lookup.key, how="left", maintain_order="left"
    )
    filled = [
        pl.when(pl.col(found).is_null()).then(pl.lit(lookup.default.get(name), pl.Float64)).otherwise(pl.col(name))
        for name in lookup.columns
    ]
    named = [one.alias(name) for one, name in zip(filled, lookup.columns, strict=True)]
    return joined.with_columns(named).drop(found), int(joined[found].is_not_null().sum())


def keep_lookup(lookup: Lookup, table: pl.DataFrame, out: Path) -> dict[str, Any]:
    """Writes the frozen table, and returns what the manifest says of it."""
    arrow = table.to_arrow()
    pq.write_table(arrow, out)
    digest = ContentDigest()
    digest.update(arrow)
    return {**lookup.model_dump(), "rows": len(table), "content_digest": digest.hexdigest()}
