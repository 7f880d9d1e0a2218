"""Is production what training was made for?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from expectations.records import Evidence, metric_rows
from expectations.suites.data import MOVED
from expectations.tiers import SURELY
from tasks.check import Check, Subject, not_applicable, on_package
from tasks.data_checks import compared_column, sure_distance
from tasks.drawing import Plot, bars
from tasks.qualification.areas import sure_share
from tasks.qualification.case import Case, case_of, sampled
from tasks.qualification.columns import is_number
from tasks.qualification.production_rows import Recent, moment_of, recent_rows
from tasks.qualification.telling_apart import REQUIRED, Row, apart_rows

MOST_TRAIN = 20_000
NAN = float("nan")
# Each column asks four questions of many records: drift, values never seen, values outside, and more gaps.
QUESTIONS = 4
LEAST_DOUBT = 0.05


def measure(subject: Subject) -> Evidence:
    """Training rows of the release beside what production was asked before it."""
    case = case_of(subject)
    recent = recent_rows(subject, list(case.scorer.sent))
    if not len(recent.rows) and not recent.hidden:
        return not_applicable("production", f"there is no production data yet: no row in {recent.words}.")
    return measure_production(case, recent)


def depends_on(subject: Subject) -> dict[str, Any]:
    """The package, and until when production is looked at."""
    return {**on_package(subject), "until": moment_of(subject).isoformat()}


def measure_production(case: Case, recent: Recent) -> Evidence:
    """Drift per feature as an effect size, and whether a classifier tells production from training.

    Drift is the Kolmogorov-Smirnov distance of numbers, the total variation of categories; with each what it surely is
    at least, of all questions together.
    """
    train = sampled(case.train, MOST_TRAIN, case.seed)
    texts = [name for name in recent.rows.columns if not is_number(train[name])]
    old, new = (_alike(frame, texts) for frame in (pl.from_pandas(train[recent.rows.columns]), recent.rows))
    chance = SURELY / max(QUESTIONS * len(new.columns) + 1, 1)
    rows: list[Row] = [("production_rows", float(len(new)), NAN, NAN, len(new), 0)]
    needed = max(REQUIRED, _required(len(old), chance))
    for name in new.columns if len(new) and len(old) else []:
        rows += compared_column(old[name], new[name])
        # Too few rows are told once, not for every column.
        rows += _surely(old[name], new[name], chance) if len(new) >= needed else []
    told, giving = apart_rows(old.to_pandas(), new.to_pandas(), chance, case.seed, needed)
    facts = {
        "production_rows": len(new),
        "training_rows": len(old),
        "from": recent.words,
        "not_compared": list(recent.hidden),
        "why_not": "hashed, left out, looked up or not there" if recent.hidden else "",
        "chance_of_false_alarm": SURELY,
        "seed": case.seed,
        "sampled": case.sampled,
        "method": "Kolmogorov-Smirnov and total variation distances; adversarial validation by gradient boosting",
    }
    return Evidence("production", metric_rows([*rows, *told]), _by_column(rows, giving), facts)


def _alike(frame: pl.DataFrame, texts: list[str]) -> pl.DataFrame:
    """Numbers as float64, texts as text; what is missing is null, however it was sent."""
    return frame.select(
        pl.when(pl.col(name).cast(pl.String) == "").then(None).otherwise(pl.col(name).cast(pl.String)).alias(name)
        if name in texts
        else pl.col(name).cast(pl.Float64, strict=False).fill_nan(None)
        for name in frame.columns
    )


def _surely(old: pl.Series, new: pl.Series, chance: float) -> list[Row]:
    """What surely moved at least: the distance, the share of values that training never saw, the share of new gaps."""
    name, n, held = new.name, len(new), new.drop_nulls()
    required = _required(old.len() - old.null_count(), chance)
    strange = _strange(old.drop_nulls(), held)
    gaps = sure_share(new.null_count(), n, chance / 2)
    gaps -= 1 - sure_share(len(old) - old.null_count(), len(old), chance / 2)
    # A column that lost all its values is found by its gaps.
    held_n = len(held) or n
    return [
        (f"surely_drifted:{name}", sure_distance(old, new, chance), NAN, NAN, held_n, required),
        (f"surely_never_seen:{name}", sure_share(strange, len(held), chance), NAN, NAN, held_n, 0),
        (f"surely_more_missing:{name}", max(0.0, gaps), NAN, NAN, n, 0),
    ]


def _strange(old: pl.Series, new: pl.Series) -> int:
    """How many values are outside of training's interval, or of a category that it never saw."""
    if not len(old) or not len(new):
        return 0
    if new.dtype == pl.String:
        return int((~new.is_in(old.unique().implode())).sum())
    return int(((new < old.min()) | (new > old.max())).sum())


def _required(trained: int, chance: float) -> int:
    """How many rows it takes to see a drift of twice the limit, beside so many training rows."""
    limit = MOVED["drift"]
    left = limit - float(np.sqrt(np.log(4 / chance) / (2 * trained))) if trained else 0.0
    return int(np.ceil(np.log(4 / chance) / (2 * max(left, LEAST_DOUBT) ** 2)))


def _by_column(rows: list[Row], giving: Mapping[str, float]) -> pd.DataFrame:
    """One row per column, the most drifted first: what moved, and how much it gives production away."""
    kinds = ("drift", "surely_drifted", "out_of_range", "unknown_categories", "null_growth")
    columns: dict[str, dict[str, Any]] = {}
    for metric, value, *_ in rows:
        kind, _, name = metric.partition(":")
        if kind in kinds:
            columns.setdefault(name, {"column": name, **dict.fromkeys(kinds, NAN)})[kind] = value
    table = pd.DataFrame(list(columns.values()), columns=["column", *kinds])
    table["gives_away"] = [giving.get(name, NAN) for name in table["column"]]
    return table.sort_values("drift", ascending=False, kind="stable", ignore_index=True)


def plots(evidence: Evidence, spec: Mapping[str, Any]) -> list[Plot | None]:
    """How far each feature moved, and which tell production from training."""
    return [
        bars(evidence.metrics, "drift:", "How far each feature moved", "distance, 0 to 1", {}),
        bars(evidence.metrics, "gives_away:", "What tells production from training", "area lost without it", {}),
    ]


QUESTION = "Is production what training was made for?"
CHECK = Check("production", measure, depends_on, "Data and production", QUESTION, plots)
