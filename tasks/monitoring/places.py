"""From rows of the log to values between 0 and 1: what each measure looks at, the same for the release's own rows.

Each way takes a measure's details and the rows, and gives (n, places) float64; NaN where a row says nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from expectations.spec import ReleaseSpec
from infra.runtime import label_text
from tasks.guards.plan import KINDS, LIVE_KINDS

Floats = NDArray[np.float64]
Detail = Mapping[str, Any]
Way = Callable[[Detail, pl.DataFrame], Floats]
PREDICTION, PROBABILITIES, TRUSTED = "output.prediction", "output.probabilities", "output.trusted"
ODDITY, REASONS, FLAGS = "output.anomaly_score", "output.reasons", "output.flags"
# Of live lookups: what was told is old, or nothing was.
STALE, UNANSWERED = (1 << KINDS.index(kind) for kind in LIVE_KINDS)


def numbers(column: pl.Series) -> Floats:
    """(n,) a column as float64; NaN where it says nothing. Text that is a number is one."""
    return column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().astype(np.float64)


def texts(column: pl.Series) -> pl.Series:
    """A column as text, the same whether 1, 1.0, true or "1" was written; null where it says nothing."""
    if column.dtype == pl.Boolean:
        column = column.cast(pl.Int8)
    if column.dtype.is_float():
        whole = column.cast(pl.Int64, strict=False)
        is_whole = (whole.cast(pl.Float64) == column).fill_null(value=False)
        kept = column.fill_nan(None).cast(pl.String)
        return pl.select(pl.when(is_whole).then(whole.cast(pl.String)).otherwise(kept)).to_series()
    found = column.cast(pl.String)
    return found.set(found == "", None)


def own(rows: pl.DataFrame) -> NDArray[np.bool_]:
    """(n,) the release itself answered, and its prediction was not withheld."""
    found = rows["error"].is_null() & rows[PREDICTION].is_not_null()
    if "refused" in rows.columns:
        found &= ~rows["refused"].fill_null(value=False)
    if "answered_by" in rows.columns:
        found &= rows["answered_by"].fill_null("") != "fallback"
    if {"answered_release", "release"} <= {*rows.columns}:
        found &= rows["answered_release"].is_null() | (rows["answered_release"] == rows["release"])
    return np.asarray(found.fill_null(value=False).to_numpy(), dtype=np.bool_)


# Absolute errors from this many times the mean one on count as 1, as in a rollout.
MEAN_ERRORS = 4


def error_scale(spec: ReleaseSpec, rows: pl.DataFrame) -> float | None:
    """An absolute error that counts as 1, in the target's unit; None for classes, 1 where the own rows tell none."""
    if spec.model.task != "regression":
        return None
    watched = spec.rollout.watch.quality
    if watched and watched.scale:
        return watched.scale
    off = np.abs(numbers(rows["truth_number"]) - numbers(rows[PREDICTION]))[own(rows)]
    return MEAN_ERRORS * float(np.nanmean(off)) or 1.0 if np.isfinite(off).any() else 1.0


def at_most(detail: Detail, rows: pl.DataFrame) -> Floats:
    """Is the number at most each cut? Of several numbers a row, the last one or the greatest."""
    column = rows[detail["column"]]
    of_list = detail.get("of")
    values = numbers(column if of_list is None else column.list.last() if of_list == "last" else column.list.max())
    found = (values[:, None] <= np.array(detail["cuts"])).astype(np.float64)
    found[~_counted(detail, rows) | np.isnan(values)] = np.nan
    return found


def absent(detail: Detail, rows: pl.DataFrame) -> Floats:
    """Is the value missing?"""
    column = rows[detail["column"]]
    gone = np.isnan(numbers(column)) if detail["number"] else texts(column).is_null().to_numpy()
    return gone.astype(np.float64)[:, None]


def levels(detail: Detail, rows: pl.DataFrame) -> Floats:
    """Is the text each of the levels, or, at the last place, none of them?"""
    said = texts(rows[detail["column"]])
    place = said.replace_strict(
        {level: at for at, level in enumerate(detail["levels"])}, default=len(detail["levels"]), return_dtype=pl.Int64
    )
    found = np.zeros((len(rows), len(detail["levels"]) + 1))
    found[np.arange(len(rows)), place.fill_null(0).to_numpy()] = 1
    found[~_counted(detail, rows) | said.is_null().to_numpy()] = np.nan
    return found


def distrusted(_detail: Detail, rows: pl.DataFrame) -> Floats:
    """Does a guard say no?"""
    return numbers(~rows[TRUSTED].cast(pl.Boolean))[:, None]


def failed(_detail: Detail, rows: pl.DataFrame) -> Floats:
    """Did the release give no answer?"""
    return _once(rows["error"].is_not_null().to_numpy().astype(np.float64), rows)


def late(detail: Detail, rows: pl.DataFrame) -> Floats:
    """Did the answer take longer?"""
    took = numbers(rows["latency_ms"])
    return _once(np.where(np.isnan(took), np.nan, took > detail["limit_ms"]), rows)


def _once(values: Floats, rows: pl.DataFrame) -> Floats:
    """(n, 1) what all records of a request share: one value, not as many as it has records."""
    first = rows["row"].to_numpy() == 0 if "row" in rows.columns else True
    return np.where(first, values, np.nan)[:, None]


def lookups_failed(detail: Detail, rows: pl.DataFrame) -> Floats:
    """Was a key unknown, or a live source silent or stale?"""
    told = numbers(rows[REASONS])
    found = (np.nan_to_num(told).astype(np.int64) & (STALE | UNANSWERED)) != 0
    if detail["flags"]:
        flags = rows[FLAGS].list
        found |= np.any([flags.get(at, null_on_oob=True).fill_null(value=False) for at in detail["flags"]], axis=0)
    return np.where(np.isnan(told), np.nan, found)[:, None]


def doubt(detail: Detail, rows: pl.DataFrame) -> Floats:
    """How probable the model holds it that it is wrong: one less its confidence. Its mean is the share of wrong labels
    where chances are what they say: confidence-based performance estimation, as in NannyML's documentation."""
    return np.where(_counted(detail, rows), 1 - _confidence(rows), np.nan)[:, None]


def usual_loss(detail: Detail, rows: pl.DataFrame) -> Floats:
    """The mean loss of the release's own rows with a like prediction and a like oddity."""
    said, odd = numbers(rows[PREDICTION]), numbers(rows[ODDITY])
    at = np.searchsorted(detail["predictions"], said) * (len(detail["oddities"]) + 1)
    found = np.asarray(detail["losses"])[np.minimum(at + np.searchsorted(detail["oddities"], odd), detail["last"])]
    return np.where(_counted(detail, rows) & ~np.isnan(said) & ~np.isnan(odd), found, np.nan)[:, None]


def loss(detail: Detail, rows: pl.DataFrame) -> Floats:
    """1 for a wrong label; of numbers the absolute error as a share of `scale`, 1 at most."""
    if detail["scale"] is None:
        found = (~_correct(rows)).astype(np.float64)
    else:
        off = np.abs(numbers(rows["truth_number"]) - numbers(rows[PREDICTION])) / detail["scale"]
        found = np.where(np.isnan(off), np.nan, np.minimum(off, 1.0))
    return np.where(_counted(detail, rows) & _in_slice(detail.get("where") or {}, rows), found, np.nan)[:, None]


def outside(detail: Detail, rows: pl.DataFrame) -> Floats:
    """Is the truth outside its interval, or not in its set?"""
    if detail["classes"]:
        place = {label: at for at, label in enumerate(detail["classes"])}
        truth = np.array([place.get(str(one), -1) for one in label_text(rows["truth"].to_list())], dtype=np.int64)
        held = _matrix(rows["output.conformal_set"], len(place))
        inside = np.where(truth >= 0, held[np.arange(len(rows)), truth], 0.0) > 0
    else:
        truth_number = numbers(rows["truth_number"])
        low, high = numbers(rows["output.lower"]), numbers(rows["output.upper"])
        inside = (low <= truth_number) & (truth_number <= high)
    return np.where(_counted(detail, rows), ~inside, np.nan)[:, None]


def overconfidence(detail: Detail, rows: pl.DataFrame) -> Floats:
    """Confidence less correctness, brought from [-1, 1] to [0, 1]."""
    found = (_confidence(rows) - _correct(rows) + 1) / 2
    return np.where(_counted(detail, rows), found, np.nan)[:, None]


WAYS: Mapping[str, Way] = {
    "at most": at_most,
    "absent": absent,
    "levels": levels,
    "distrusted": distrusted,
    "failed": failed,
    "late": late,
    "lookups failed": lookups_failed,
    "doubt": doubt,
    "usual loss": usual_loss,
    "loss": loss,
    "outside": outside,
    "overconfidence": overconfidence,
}


def _counted(detail: Detail, rows: pl.DataFrame) -> NDArray[np.bool_]:
    """Of outputs, only the release's own count."""
    return own(rows) if detail.get("own") else np.ones(len(rows), dtype=np.bool_)


def _correct(rows: pl.DataFrame) -> NDArray[np.bool_]:
    truth, said = (label_text(rows[name].to_list()) for name in ("truth", PREDICTION))
    return np.asarray(truth == said, dtype=np.bool_)


def _confidence(rows: pl.DataFrame) -> Floats:
    return numbers(rows[PROBABILITIES].list.max())


def _matrix(column: pl.Series, width: int) -> Floats:
    return np.stack([numbers(column.list.get(at, null_on_oob=True).cast(pl.Float64)) for at in range(width)], axis=1)


def _in_slice(where: Mapping[str, Any], rows: pl.DataFrame) -> NDArray[np.bool_]:
    """`where` by input: {"levels": texts, null among them for missing} or {"from": …, "to": …}."""
    found = np.ones(len(rows), dtype=np.bool_)
    for name, asked in where.items():
        if "levels" in asked:
            found &= texts(rows[name]).is_in(asked["levels"], nulls_equal=True).to_numpy()
            continue
        values = numbers(rows[name])
        low, high = asked["from"], asked["to"]
        found &= (values >= (-np.inf if low is None else low)) & (values <= (np.inf if high is None else high))
    return found
