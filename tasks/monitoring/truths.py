"""What is measured once the truth is known: losses, of all and of slices, and whether chances are what they say."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from expectations.options.slices import Declared
from expectations.spec import ReleaseSpec
from infra.gateway.diary.columns import columns_of
from tasks.monitoring.measures import RARE, Found, Measure, NotApplicable, NotMeasured, measured, one_way
from tasks.monitoring.places import PREDICTION, PROBABILITIES, error_scale, texts
from tasks.monitoring.reference import ReferenceRows

# A slice of fewer own rows tells nothing of its usual loss.
FEWEST = 50
OWN = ("error", PREDICTION)


def quality_measures(spec: ReleaseSpec, reference: ReferenceRows) -> Found:
    """The mean loss."""
    return [_loss(spec, reference, "the loss", {})], []


def _loss(spec: ReleaseSpec, reference: ReferenceRows, label: str, where: Mapping[str, Any]) -> Measure:
    scale = error_scale(spec, reference.rows)
    needs = ["truth" if scale is None else "truth_number", *OWN, *where]
    return one_way("loss", {"own": True, "scale": scale, "where": where}, label, needs)


def slice_measures(spec: ReleaseSpec, reference: ReferenceRows) -> Found:
    """The mean loss of each slice that is declared, and of each level of a protected column. Raises NotApplicable where
    there is neither."""
    found: list[Measure] = []
    why: list[str] = []
    for name, where in _wanted(spec, reference, why):
        try:
            measure = _loss(spec, reference, f"the loss where {name}", where)
            there = int((~np.isnan(measured(measure, reference.rows))).sum())
        except NotMeasured as error:
            why.append(f"{name}: {error}")
            continue
        if there < FEWEST:
            why.append(f"{name}: {there} of the release's own rows, and {FEWEST} are needed.")
        else:
            found.append(measure)
    if not found and not why:
        raise NotApplicable("no slice is declared, and no column is protected.")
    return found, why


def _wanted(spec: ReleaseSpec, reference: ReferenceRows, why: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Slices whose columns the log holds in clear; of the others `why` says so."""
    written = columns_of(reference.signature, spec.data.model_dump(mode="json"), spec.serving.log).inputs
    clear = {one.column: reference.rows[f"input.{one.column}"] for one in written if one.way == "clear"}
    wanted = []
    for declared in spec.checks.slices.declared:
        lacking = sorted({*declared.where} - {*clear})
        if lacking:
            why.append(f"{declared.name}: the log does not hold {', '.join(lacking)} in clear.")
        else:
            wanted.append((declared.name, _conditions(declared, clear)))
    for column in (name for name, roles in spec.data.roles.items() if "protected" in roles):
        if column not in clear:
            why.append(f"{column}: the log does not hold it in clear.")
            continue
        wanted += [
            (f"{column} is {level}", {f"input.{column}": {"levels": [level]}}) for level in _levels(clear[column])
        ]
    return wanted


def _levels(values: pl.Series) -> list[str]:
    said = texts(values).drop_nulls()
    shares = said.value_counts(normalize=True, name="share").filter(pl.col("share") >= RARE)
    return sorted(str(one) for one in shares[said.name])


def _conditions(declared: Declared, clear: Mapping[str, pl.Series]) -> dict[str, Any]:
    return {f"input.{name}": _condition(asked, clear[name]) for name, asked in declared.where.items()}


def _condition(asked: Any, values: pl.Series) -> dict[str, Any]:
    """As the check of slices reads it: a list of two about a number column is from and to."""
    if isinstance(asked, list | tuple) and len(asked) == 2 and values.dtype.is_numeric():
        return {"from": asked[0], "to": asked[1]}
    several = asked if isinstance(asked, list | tuple) else [asked]
    return {"levels": [None if one is None else str(texts(pl.Series([one]))[0]) for one in several]}


def calibration_measures(spec: ReleaseSpec, reference: ReferenceRows) -> Found:
    """Truths outside their interval or set, and confidence against correctness, both ways."""
    columns, classes = {*reference.rows.columns}, list(reference.signature["classes"])
    found, promised = [], 1 - spec.guards.coverage
    held = ("output.conformal_set",) if classes else ("output.lower", "output.upper")
    if columns >= {*held}:
        needs = ["truth" if classes else "truth_number", *held, *OWN]
        words = "truths outside their set" if classes else "truths outside their interval"
        found.append(one_way("outside", {"own": True, "classes": classes}, words, needs, promised))
    if classes and PROBABILITIES in columns:
        labels = ("more confident than right", "less confident than right")
        needs_sure = ("truth", PROBABILITIES, *OWN)
        found.append(Measure("overconfidence", {"own": True}, labels, (0, 0), (False, True), needs_sure, scale=0.5))
    return found, [] if found else ["The package says neither how sure it is nor between which numbers the truth lies."]
