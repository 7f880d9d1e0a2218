"""Who takes the model's outputs, what becomes of them, and whose outputs does it take itself?"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from expectations.graph import STANDING, Place, feeds_of, place_of
from expectations.records import Evidence, digest_of, metric_rows
from expectations.upstream_spec import consumed
from tasks.check import Check, Subject, not_applicable, on_package
from tasks.drawing import Plot
from tasks.qualification.case import sampled
from tasks.qualification.interactions_downstream import NAN, Requalified, Row
from tasks.qualification.interactions_served import releases_of, requalified, served_now
from tasks.qualification.interactions_upstream import ROWS_NEEDED, Confirmed, Undeclared, confirm, undeclared
from tasks.qualification.interval_plot import intervals

# Where a column comes from is told by far fewer rows than there may be.
MOST_ROWS = 2_000


def measure(subject: Subject) -> Evidence:
    """Columns that are other models' outputs, and each model downstream on the candidate's outputs."""
    job, state = subject.job, subject.job.ledger().state()
    name, mine = job.spec.model.name, consumed(job.spec.data.upstream)
    place = place_of(feeds_of(state, {name: mine}), name)
    rows = sampled(subject.data(), MOST_ROWS, job.spec.seed)
    declared = [confirm(fed, rows, releases_of(job, state, fed)) for fed in mine]
    others = set(job.features(rows).columns) - {fed.column for fed in mine}
    found, asked = undeclared(rows, sorted(others), served_now(job, state))
    if not (declared or asked or place.downstream):
        return not_applicable("interactions", _alone(len(state.models)))
    return measure_interactions(place, declared, found, requalified(subject, state, place), asked, len(rows))


def _alone(serving: int) -> str:
    return (
        "no model takes its outputs, its spec declares no upstream, and of the "
        f"{serving} model(s) that serve none has its inputs among these columns."
    )


def measure_interactions(
    place: Place,
    declared: Iterable[Confirmed],
    found: Iterable[Undeclared],
    below: Iterable[Requalified],
    asked: int,
    rows: int,
) -> Evidence:
    """One row for each model downstream, the worst first, and the shares of rows that confirm where columns come from.

    `asked` is how many models that serve had their inputs among the columns of these `rows`.
    """
    declared, found, below = list(declared), list(found), list(below)
    metrics: list[Row] = [(f"confirmed:{one.fed.column}", one.share, NAN, NAN, *_enough(one)) for one in declared]
    metrics += [("undeclared_columns", float(len(found)), NAN, NAN, rows, 0)] if asked else []
    metrics += [(f"undeclared:{one.column} = {one.model}", one.share, NAN, NAN, rows, 0) for one in found]
    metrics += [row for one in below for row in one.rows]
    told = pd.DataFrame([dict(one.told) for one in below])
    if "gain" in told:
        told = told.sort_values("gain", na_position="first", kind="stable", ignore_index=True)
    facts = {
        **{key: list(value) for key, value in asdict(place).items() if key != "model"},
        "declared": [_declared(one) for one in declared],
        "undeclared": [asdict(one) for one in found],
        "served_models_asked": asked,
        "rows_looked_at": rows,
        "downstream_labels": {str(one.told["model"]): one.told["label"] for one in below},
        "downstream_asked": {str(one.told["model"]): one.told["release"] for one in below},
        "method": "paired bootstrap of the loss on each model's own test rows, before and after",
    }
    return Evidence("interactions", metric_rows(metrics), told, facts)


def _enough(one: Confirmed) -> tuple[int, int]:
    """Too few rows say nothing; why nothing could be asked is told by the missing value."""
    return (one.rows, 0) if one.why_not else (one.rows, ROWS_NEEDED)


def _declared(one: Confirmed) -> dict[str, Any]:
    return {
        "column": one.fed.column,
        "model": one.fed.model,
        "output": one.fed.output,
        "rows_made_by": dict(one.made_by),
        "why_not": one.why_not,
    }


def plots(evidence: Evidence, _spec: Mapping[str, Any]) -> list[Plot | None]:
    """What each model downstream gains or loses."""
    if "gain" not in evidence.records:
        return []
    rows = evidence.records.rename(columns={"gain_from": "lower", "gain_to": "upper"})
    title, axis = "What models downstream gain from the new outputs", "share of their loss; below 0 they lose"
    return [intervals(rows, "model", "gain", title, axis)]


def _depends_on(subject: Subject) -> dict[str, Any]:
    """The package, and all that serves or is on its way to."""
    state = subject.job.ledger().state()
    standing = sorted((one.id, one.status) for one in state.releases.values() if one.status in STANDING)
    return {**on_package(subject), "standing": digest_of(standing)}


QUESTION = "Whose outputs does it take, who takes its own, and what becomes of them?"
CHECK = Check("interactions", measure, _depends_on, "Interactions", QUESTION, plots)
