"""The release's own rows, as the prediction log would have written them down."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from expectations.spec import ReleaseSpec
from infra.runtime import Scorer, label_text
from tasks.monitoring.places import TRUSTED


@dataclass(frozen=True, eq=False)
class ReferenceRows:
    """What a release says of itself: columns as the log names them (`input.…`, `output.…`, `error`), `truth` (text) and
    `truth_number`.

    `rows`: test rows, which training never saw, with every output; `latency_ms` where it was measured. `more`: further
    rows for the inputs alone (training's). `signature`: the package's.
    """

    rows: pl.DataFrame
    signature: Mapping[str, Any]
    more: pl.DataFrame = field(default_factory=pl.DataFrame)


def reference_of(
    scorer: Scorer, test: pd.DataFrame, truth: npt.ArrayLike, train: pd.DataFrame | None = None
) -> ReferenceRows:
    """From the package and its own rows: `test` and `train` features as a caller sends them, `truth` (n,) of `test`."""
    said = {f"output.{name}": _column(values) for name, values in scorer.answers(test).items()}
    numeric = not scorer.signature["classes"]
    known = np.asarray(truth, dtype=np.float64) if numeric else np.full(len(test), np.nan)
    told = pl.DataFrame(
        {
            **_inputs(scorer, test),
            **said,
            "error": pl.Series([None] * len(test), dtype=pl.String),
            "truth": pl.Series([str(one) for one in label_text(truth)], dtype=pl.String),
            "truth_number": known,
        }
    )
    more = pl.DataFrame() if train is None else pl.DataFrame(_inputs(scorer, train))
    return ReferenceRows(told, scorer.signature, more)


def as_served(spec: ReleaseSpec, reference: ReferenceRows) -> ReferenceRows:
    """Where answers that no guard trusts are withheld, or another gives them, they are no answers of this release."""
    if spec.serving.on_distrust == "flag" or TRUSTED not in reference.rows.columns:
        return reference
    return replace(reference, rows=reference.rows.with_columns(refused=~pl.col(TRUSTED)))


def _inputs(scorer: Scorer, frame: pd.DataFrame) -> dict[str, pl.Series]:
    """As the graph takes them, which is as the log writes them."""
    fed = scorer.feed(frame)
    items = [item for item in scorer.signature["inputs"] if "live" not in item]
    return {f"input.{item['column']}": _column(fed[item["input"]]) for item in items}


def _column(values: npt.NDArray[Any]) -> pl.Series:
    """(n, 1) as plain values, (n, k) as lists."""
    flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if flat.dtype == object:
        return pl.Series([None if one is None else str(one) for one in flat.tolist()], dtype=pl.String)
    return pl.Series(flat.tolist()) if flat.ndim > 1 else pl.Series(flat)
