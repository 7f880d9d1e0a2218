"""What is usual of a release: its own rows, scored by its package, and the same figures of them as of live ones."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from expectations.errors import CannotAsk
from infra.evidence_store import get_json
from infra.packages import open_package
from infra.runtime import label_text
from tasks.job import read_part
from tasks.monitoring.periods import Meaning, Period, measure_periods, period_from_json
from tasks.monitoring.reference import ReferenceRows, reference_of
from tasks.monitoring.served import Served
from tasks.rollout.plan import MEAN_ERRORS
from tasks.split import TEST, TRAIN

# More of its own rows make nothing sharper that is held against live ones.
MOST_ROWS = 20_000


@dataclass(frozen=True)
class Usual:
    """What figures mean, and what they are on the release's own test rows."""

    meaning: Meaning
    figures: Period

    def as_json(self) -> dict[str, Any]:
        """`usual_from_json` is the inverse."""
        return {"meaning": asdict(self.meaning), "figures": self.figures.as_json()}


def usual_from_json(values: Mapping[str, Any]) -> Usual:
    """What `Usual.as_json` gave."""
    told = values["meaning"]
    meaning = Meaning(told["counted"], tuple(told["classes"]), told["scale"])
    return Usual(meaning, period_from_json(values["figures"]))


def own_rows(served: Served) -> ReferenceRows:
    """The release's test rows as the log would have them, with their truth, and the inputs of training's.

    Raises CannotAsk where the store lacks its data.
    """
    if "manifest" not in served.verdict["blobs"]:
        raise CannotAsk(f"{served.release.id}: expected its test rows in the store, found none: it cannot be watched.")
    manifest = get_json(served.store, served.verdict["blobs"]["manifest"])
    test, train = (_evenly(read_part(served.store, manifest, part)) for part in (TEST, TRAIN))
    scorer, target = open_package(served.store, served.release.package_digest), test[served.spec.data.target]
    truth = target.to_numpy(dtype=np.float64) if served.spec.model.task == "regression" else label_text(target)
    return _with_latencies(served, reference_of(scorer, test, truth, train))


def _with_latencies(served: Served, own: ReferenceRows) -> ReferenceRows:
    """With what its dossier measured; null where it measured fewer."""
    measured, n = served.records("latency").get("latency_ms", pd.Series(dtype=float)).tolist(), len(own.rows)
    if not measured:
        return own
    column = pl.Series([*measured, *[None] * n][:n], dtype=pl.Float64)
    return replace(own, rows=own.rows.with_columns(latency_ms=column))


def _evenly(rows: pd.DataFrame) -> pd.DataFrame:
    if len(rows) <= MOST_ROWS:
        return rows
    return rows.iloc[np.linspace(0, len(rows) - 1, MOST_ROWS).astype(int)].reset_index(drop=True)


def usual_of(served: Served, own: ReferenceRows) -> Usual:
    """The figures of its own rows. Of latency there is none here: its dossier has measured it."""
    meaning = Meaning(_counted(served, own.rows), tuple(map(str, own.signature["classes"])), _scale(served))
    asked = own.rows.with_columns(time=pl.lit(0).cast(pl.Datetime("us", "UTC")), latency_ms=pl.lit(0.0))
    periods = measure_periods(asked, asked, meaning)
    return Usual(meaning, periods[0] if periods else Period(0))


def _counted(served: Served, rows: pl.DataFrame) -> str | None:
    """The class whose share is shown: the positive, else the commonest."""
    model = served.spec.model
    if model.task == "regression":
        return None
    if model.positive is not None:
        return str(label_text([model.positive])[0])
    truths = rows["truth"].value_counts(sort=True)
    return str(truths["truth"][0]) if len(truths) else ""


def _scale(served: Served) -> float | None:
    """The absolute error that counts as 1; None of a classifier, and where nothing says how large errors are."""
    asked, measured = served.spec.rollout.watch.quality, served.verdict.get("metrics", {}).get("mae")
    if served.spec.model.task != "regression":
        return None
    if asked and asked.scale:
        return asked.scale
    return MEAN_ERRORS * measured[0] if measured and measured[0] else None
