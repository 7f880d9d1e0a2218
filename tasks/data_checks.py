"""Is this data what the model was made for? Aggregates over whole columns, in polars; the suites judge them."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from expectations.records import Evidence, metric_rows
from tasks.check import TEST, TRAIN, Check, Subject
from tasks.job import read_data

Row = tuple[str, float, float, float, int, int]
NAN = float("nan")
# Texts of which more than this share are seen once are no categories.
DISTINCT = 0.5


def measure(subject: Subject) -> Evidence:
    """Against the champion's data, or the training part against the test part where nothing serves yet."""
    job, manifest = subject.job, subject.champion_manifest()
    if manifest:
        old, new = read_data(job.store(), manifest), subject.data()
    else:
        old, new = subject.part(TRAIN), subject.part(TEST)
    ignored = [job.spec.data.rows.event_time] if job.spec.data.rows.event_time else []
    before, now = (pl.from_pandas(frame.drop(columns=ignored, errors="ignore")) for frame in (old, new))
    return measure_data(before, now, job.spec.data.target, job.positive, job.spec.model.task != "regression")


def _depends_on(subject: Subject) -> dict[str, Any]:
    against = subject.champion_manifest()
    content = {"data": subject.manifest["content_digest"]}
    return {**content, "against": against["content_digest"] if against else None}


CHECK = Check("data", measure, _depends_on)


def measure_data(
    reference: pl.DataFrame, current: pl.DataFrame, target: str, positive: str | None, classify: bool
) -> Evidence:
    """How `current` differs from `reference`, column by column, and what it is by itself.

    Drift is an effect size that does not grow with the sample: the Kolmogorov-Smirnov distance of numbers (with the
    Dvoretzky-Kiefer-Wolfowitz interval), the total variation distance of categories.
    """
    n = len(current)
    rows = [*_whole(reference, current, target), *_target(current, target, positive, classify)]
    for name in current.columns:
        if name in reference.columns and name != target and n and len(reference):
            rows += compared_column(reference[name], current[name])
    return Evidence("data", metric_rows(rows), _profile(current), {"reference_rows": len(reference), "rows": n})


def _whole(reference: pl.DataFrame, current: pl.DataFrame, target: str) -> list[Row]:
    n = len(current)
    shared = [name for name in current.columns if name in reference.columns]
    counts: dict[str, float] = {
        "rows": n,
        "missing_columns": len(set(reference.columns) - set(current.columns)),
        "changed_types": sum(reference[name].dtype != current[name].dtype for name in shared),
        "empty_columns": sum(current[name].null_count() == n for name in current.columns) if n else 0,
        f"nulls:{target}": current[target].null_count(),
        "duplicate_rows": 1 - current.n_unique() / n if n else NAN,
    }
    counts |= dict.fromkeys(_named(reference, current, shared), 1)
    return [(name, float(value), NAN, NAN, n, 0) for name, value in counts.items()]


def _named(reference: pl.DataFrame, current: pl.DataFrame, shared: list[str]) -> list[str]:
    """Which columns are lost, of another type or empty: a count alone would send a person looking."""
    n = len(current)
    return [
        *(f"missing:{name}" for name in reference.columns if name not in current.columns),
        *(f"changed_type:{name}" for name in shared if reference[name].dtype != current[name].dtype),
        *(f"empty:{name}" for name in current.columns if n and current[name].null_count() == n),
    ]


def _target(current: pl.DataFrame, target: str, positive: str | None, classify: bool) -> list[Row]:
    if not classify:
        return []
    labels = current[target].drop_nulls().cast(pl.String)
    rows: list[Row] = [("classes", float(labels.n_unique()), NAN, NAN, len(current), 0)]
    if positive is not None:
        held = int((labels == positive).sum()) or int(
            (current[target].drop_nulls().cast(pl.Int64, strict=False).cast(pl.String) == positive).sum()
        )
        rows.append(("positives", float(held), NAN, NAN, len(current), 0))
    return rows


def compared_column(reference: pl.Series, current: pl.Series) -> list[Row]:
    """How one column differs from the reference's: nulls, values never seen, and drift. Both have rows."""
    name, n = current.name, len(current)
    null_growth = current.null_count() / n - reference.null_count() / len(reference)
    old, new = reference.drop_nulls(), current.drop_nulls()
    rows: list[Row] = [(f"null_growth:{name}", null_growth, NAN, NAN, n, 0)]
    if not len(old) or not len(new) or old.dtype != new.dtype:
        return rows
    if old.dtype == pl.String and old.n_unique() > DISTINCT * len(old):
        # Written by somebody, or a key: each value is new, and only its length can be held against those of before.
        lengths = _kolmogorov(old.str.len_chars(), new.str.len_chars())
        return [*rows, (f"drift:{name} (length)", *lengths, n, 0)]
    if old.dtype == pl.String:
        strange = _share(~new.is_in(old.unique().implode()))
        return [
            *rows,
            (f"unknown_categories:{name}", strange, NAN, NAN, n, 0),
            (f"drift:{name}", *_variation(old, new), n, 0),
        ]
    if not old.dtype.is_numeric():
        return rows
    outside = _share((new < old.min()) | (new > old.max()))
    return [*rows, (f"out_of_range:{name}", outside, NAN, NAN, n, 0), (f"drift:{name}", *_kolmogorov(old, new), n, 0)]


def _share(flags: pl.Series) -> float:
    return int(flags.sum()) / len(flags)


def _kolmogorov(old: pl.Series, new: pl.Series) -> tuple[float, float, float]:
    left, right = np.sort(old.to_numpy()), np.sort(new.to_numpy())
    grid = np.concatenate([left, right])
    far = np.searchsorted(left, grid, "right") / len(left) - np.searchsorted(right, grid, "right") / len(right)
    return _around(float(np.abs(far).max()), len(left), len(right))


def _variation(old: pl.Series, new: pl.Series) -> tuple[float, float, float]:
    left, right = old.value_counts(normalize=True), new.value_counts(normalize=True)
    both = left.join(right, on=old.name, how="full", coalesce=True, suffix="_new").fill_null(0.0)
    return _around(float((both["proportion"] - both["proportion_new"]).abs().sum()) / 2, len(old), len(new))


def sure_distance(reference: pl.Series, current: pl.Series, chance: float) -> float:
    """What the drift of a column surely is at least, but for this chance; 0 where there is nothing to compare.

    Of numbers by Dvoretzky, Kiefer, Wolfowitz (1956). Of categories the distance of two samples is too large by chance
    alone, at most by half the sum of each share's deviation, and moves round that by McDiarmid's inequality (1989).
    """
    old, new = reference.drop_nulls(), current.drop_nulls()
    if not len(old) or not len(new) or old.dtype != new.dtype:
        return 0.0
    if old.dtype.is_numeric():
        distance, _, _ = _kolmogorov(old, new)
        doubt = sum(float(np.sqrt(np.log(4 / chance) / (2 * size))) for size in (len(old), len(new)))
        return max(0.0, distance - doubt)
    distance, _, _ = _variation(old, new)
    doubt = float(np.sqrt(np.log(1 / chance) / 2 * (1 / len(old) + 1 / len(new))))
    return max(0.0, distance - _of_chance(old) - _of_chance(new) - doubt)


def _of_chance(values: pl.Series) -> float:
    shares = values.value_counts(normalize=True)["proportion"].to_numpy()
    return float(np.sqrt(shares * (1 - shares) / len(values)).sum() / 2)


def _around(distance: float, n: int, m: int) -> tuple[float, float, float]:
    half = sum(float(np.sqrt(np.log(2 / 0.025) / (2 * size))) for size in (n, m))
    return distance, max(0.0, distance - half), min(1.0, distance + half)


def _profile(frame: pl.DataFrame) -> pd.DataFrame:
    """One row per column: type, share of nulls, distinct values, least and greatest."""
    return pd.DataFrame([_describe(frame[name]) for name in frame.columns])


def _describe(column: pl.Series) -> dict[str, Any]:
    held = len(column) - column.null_count()
    return {
        "column": column.name,
        "type": str(column.dtype),
        "nulls_share": column.null_count() / len(column) if len(column) else NAN,
        "distinct": column.n_unique(),
        "min": str(column.min()) if held else "",
        "max": str(column.max()) if held else "",
    }
