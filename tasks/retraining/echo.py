"""Was this data made by the model's own answers? Then it learns itself: what it refused is never seen to be good."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from expectations.records import Evidence, metric_rows
from infra.packages import open_package
from infra.prediction_log import LogReader, read_feedback, with_truth
from tasks.check import TRAIN, Check, Subject, not_applicable, on_package_and_champion
from tasks.job import read_part
from tasks.qualification.areas import interval, sure_share
from tasks.qualification.columns import is_number
from tasks.qualification.production_rows import moment_of
from tasks.retraining.recent import BACK, new_rows

Row = tuple[str, float, float, float, int, int]
NAN = float("nan")
CHANCE = 1e-3
REQUIRED = 100
MOST_ROWS = 200_000
# Numbers are told by where they lie among all answers: in so many parts.
PARTS = 4


def measure(subject: Subject) -> Evidence:
    """New rows beside what gateways were asked, and which answers a truth came back of."""
    serving, before = subject.champion(), subject.champion_manifest()
    if serving is None or before is None:
        return not_applicable("echo", "nothing served yet, so no model had a part in this data.")
    job, until = subject.job, moment_of(subject)
    sent = list(open_package(job.store(), serving.package_digest).sent)
    log = LogReader(job.store(), "predictions", job.spec.model.name, until - BACK[-1], until)
    asked = log.some(MOST_ROWS, job.spec.seed).filter(~pl.col("shadow").fill_null(False) & pl.col("error").is_null())
    if not len(asked):
        return not_applicable("echo", "gateways wrote nothing down, so no model had a part in this data that is known.")
    names = [name for name in sent if f"input.{name}" in asked.columns]
    inputs = asked.select([f"input.{name}" for name in names]).rename({f"input.{name}": name for name in names})
    old = pl.from_pandas(read_part(job.store(), before, TRAIN))
    truths = read_feedback(job.store(), job.spec.model.name, until - BACK[-1], until)
    return measure_echo(new_rows(subject), old, inputs, with_truth(asked, truths), subject.manifest["rows"])


def measure_echo(
    new: pl.DataFrame, old: pl.DataFrame, inputs: pl.DataFrame, answered: pl.DataFrame, rows: int
) -> Evidence:
    """How much of the data the model had a part in.

    `new`: rows that came since the champion's data; `old`: its training rows; `inputs` (k, c): what was sent, whose
    columns both have; `answered`: the log with `truth`. `rows`: of the whole snapshot.
    """
    told: list[Row] = []
    if len(new) and inputs.columns:
        told += _scored(new, old, inputs, rows)
    groups = _labels(answered)
    if len(groups):
        told.append(_gap(groups))
    if not told:
        return not_applicable("echo", "no row is new, and no truth came back of an answer.")
    facts = {"new_rows": len(new), "rows": rows, "asked": len(answered), "matched_by": inputs.columns}
    return Evidence("echo", metric_rows(told), groups.to_pandas() if len(groups) else pd.DataFrame(), facts)


def _scored(new: pl.DataFrame, old: pl.DataFrame, inputs: pl.DataFrame, rows: int) -> list[Row]:
    """Rows whose features the model was asked about. What rows from before it served share with the log is chance."""
    by_chance = len(_met(old, inputs))
    least = 1 - sure_share(len(old) - by_chance, len(old), CHANCE) if len(old) else 0.0
    met = len(_met(new, inputs))
    surely = max(0.0, sure_share(met, len(new), CHANCE) - least)
    share, lower, upper = interval(met, len(new))
    return [
        ("scored_before", surely, NAN, NAN, len(new), REQUIRED),
        ("scored_share", share, lower, upper, len(new), 0),
        ("scored_by_chance", by_chance / len(old) if len(old) else NAN, NAN, NAN, len(old), 0),
        ("new_share", len(new) / rows if rows else NAN, NAN, NAN, rows, 0),
    ]


def _met(rows: pl.DataFrame, inputs: pl.DataFrame) -> pl.DataFrame:
    """The rows that were asked about, by all columns that are there in clear."""
    numbers = {name for name in inputs.columns if is_number(rows[name].to_pandas())}
    mine, theirs = (_alike(frame.select(inputs.columns), numbers) for frame in (rows, inputs))
    return mine.join(theirs.unique(), on=inputs.columns, how="semi", nulls_equal=True)


def _alike(frame: pl.DataFrame, numbers: set[str]) -> pl.DataFrame:
    """What is missing is null, and a number is a double, however it was sent."""
    return frame.select(
        pl.col(name).cast(pl.Float64, strict=False).fill_nan(None)
        if name in numbers
        else pl.when(pl.col(name).cast(pl.String) == "").then(None).otherwise(pl.col(name).cast(pl.String)).alias(name)
        for name in frame.columns
    )


def _labels(answered: pl.DataFrame) -> pl.DataFrame:
    """For each class that was answered, or part of the answers: how many there were, and of how many a truth came."""
    if "output.prediction" not in answered.columns or not answered["truth"].is_not_null().any():
        return pl.DataFrame()
    said = answered.filter(pl.col("output.prediction").is_not_null())
    groups = said.select(answer=_kinds(said["output.prediction"]), told=pl.col("truth").is_not_null())
    found = groups.group_by("answer").agg(answers=pl.len(), labelled=pl.col("told").sum()).sort("answer")
    return found.with_columns(share=pl.col("labelled") / pl.col("answers"))


def _kinds(predictions: pl.Series) -> pl.Series:
    if not predictions.dtype.is_float() or predictions.n_unique() <= PARTS:
        return predictions.cast(pl.String)
    cuts = np.unique(np.quantile(predictions.to_numpy(), np.arange(1, PARTS) / PARTS))
    part = np.searchsorted(cuts, predictions.to_numpy(), "left")
    return pl.Series([f"{at + 1} of {len(cuts) + 1}, the lowest first" for at in part])


def _gap(groups: pl.DataFrame) -> Row:
    """How much more often a truth surely comes of one kind of answer than of another."""
    counted = groups.filter(pl.col("answers") >= REQUIRED)
    chance = CHANCE / max(2 * len(counted), 1)
    ends = [
        (sure_share(told, n, chance), 1 - sure_share(n - told, n, chance))
        for n, told in counted.select("answers", "labelled").iter_rows()
    ]
    gap = max(0.0, max(low for low, _ in ends) - min(high for _, high in ends)) if len(ends) > 1 else NAN
    least = int(groups["answers"].min() or 0)  # type: ignore[arg-type]
    return ("label_gap", gap, NAN, NAN, int(counted["answers"].sum()) if len(ends) > 1 else least, REQUIRED)


def _depends_on(subject: Subject) -> dict[str, Any]:
    until = moment_of(subject).isoformat()
    return {**on_package_and_champion(subject), "data": subject.manifest["content_digest"], "until": until}


CHECK = Check("echo", measure, _depends_on)
