"""Can every source be reached, as production would reach it? Probed each time, never remembered."""

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from expectations.errors import Away, CannotAsk
from expectations.records import Evidence, metric_rows
from expectations.spec import Data, Lookup
from expectations.verdicts import Finding, Outcome
from infra.sources import RunFunction, probe, probe_live
from tasks.snapshot import frozen_table, origin_of

# Of how many keys live and frozen values are compared.
KEYS_ASKED = 200


def measure_access(data: Data, root: Path, as_of: datetime, run_function: RunFunction) -> Evidence:
    """One record per source and check; one metric per source, the milliseconds until its first rows.

    `may_pass` says of a record that what is away is a server, which may come back; a file that is not there stays away.
    """
    rows = [
        {**row, "may_pass": source.url is not None}
        for name, source in data.sources.items()
        for row in probe(name, source, root, required_columns(data, name), as_of, run_function)
    ]
    rows += [row for lookup in data.lookups if lookup.live for row in _live(data, lookup, root, as_of, run_function)]
    spent = [
        (f"latency_ms:{r['source']}", float(r["latency_ms"]), float("nan"), float("nan"), 1, 1)
        for r in rows
        if r["check"] == "connection"
    ]
    return Evidence("access", metric_rows(spent), pd.DataFrame(rows), {"sources": len(data.sources)})


def _live(data: Data, lookup: Lookup, root: Path, as_of: datetime, run_function: RunFunction) -> list[dict[str, Any]]:
    """A live lookup asked as a gateway will ask it, of keys that the release is to freeze."""
    name, source = f"{lookup.source} (live)", data.sources[lookup.source]
    try:
        table = frozen_table(data, lookup, root, as_of, run_function, origin_of(lookup.source, source))
    except CannotAsk as error:
        told = {"source": name, "check": "agreement", "outcome": Outcome.ERRORED.value, "expected": "frozen values"}
        nothing = {"latency_ms": float("nan"), "may_pass": isinstance(error, Away)}
        return [{**told, "found": str(error), "remedy": "Mend the frozen source first.", **nothing}]
    frozen = {row[0]: row[1:] for row in table.sample(min(KEYS_ASKED, len(table)), seed=0).fill_null(math.nan).rows()}
    assert lookup.live is not None
    return [{**row, "may_pass": True} for row in probe_live(name, lookup.live, lookup.columns, frozen)]


def required_columns(data: Data, name: str) -> set[str]:
    """The columns that the spec names of a source."""
    source = data.sources[name]
    needed = {source.event_time} if source.event_time else set()
    keys = {key for join in data.joins for key in join.on if source is data.rows or join.source == name}
    keys |= {column for lookup in data.lookups if lookup.source == name for column in (lookup.key, *lookup.columns)}
    if source is data.rows:
        needed |= {data.target} | ({data.split.group} if data.split.group else set())
        sent = {*data.roles, *data.ignore, *(lookup.key for lookup in data.lookups)}
        sent |= {name for one in data.upstream for name in (one.column, *one.inputs.values())}
        sent -= {*data.looked_up}
        needed |= set() if data.joins else sent
    return needed | keys


def findings(evidence: Evidence) -> list[Finding]:
    """One per source and check. Raises CannotAsk where a source is away, Away where a server may come back."""
    rows = evidence.records.to_dict("records")
    if away := [row for row in rows if row["outcome"] == Outcome.ERRORED]:
        kind = Away if all(row["may_pass"] for row in away) else CannotAsk
        raise kind.all_of(map(_away, away))
    return [_finding(row) for row in rows]


def _away(row: Mapping[Any, Any]) -> str:
    """The sentence that a source already made of it, or one out of its parts."""
    source, found = str(row["source"]), str(row["found"]).rstrip(".")
    said = found.removeprefix(f"{source}: ")
    sentence = f"expected {row['expected']}, found {found}" if said == found else said
    return f"{source}: {sentence}. {row['remedy']}"


def _finding(row: Mapping[Any, Any]) -> Finding:
    name = f"{row['source']}: {row['check']}"
    outcome = Outcome(row["outcome"])
    return Finding("access", name, outcome, "critical", str(row["expected"]), str(row["found"]), str(row["remedy"]))
