"""What does the model give away, and did the answer leak into its training?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from expectations.hiding import HIDDEN_ROLES, NOT_SHOWN
from expectations.options.leakage import Leakage
from expectations.records import Evidence, metric_rows
from expectations.serving_spec import Serving
from expectations.tiers import SURELY
from tasks.check import TEST, TRAIN, Check, Subject, on_package
from tasks.drawing import Plot, bars
from tasks.qualification.case import MOST_TEST, MOST_TRAIN, Case, case_of, sampled
from tasks.qualification.extraction import copy_rows
from tasks.qualification.held_records import held_records
from tasks.qualification.matrix import Flags, encoding_of
from tasks.qualification.membership import by_heart_rows, gap_rows, membership_rows, told_of
from tasks.qualification.shared_rows import Row, Tables, duplicate_rows, future_rows, key_rows
from tasks.qualification.telltale import alone_rows

MOST_SHOWN = 500


def measure(subject: Subject) -> Evidence:
    """The package as its spec serves it, and the frozen rows, ignored columns too."""
    spec, case = subject.job.spec, case_of(subject)
    train = sampled(subject.part(TRAIN), MOST_TRAIN, spec.seed)
    test = sampled(subject.part(TEST), MOST_TEST, spec.seed)
    tables = Tables(
        train=train,
        test=test,
        features=tuple(case.train.columns),
        target=spec.data.target,
        event_time=spec.data.rows.event_time,
        random=spec.data.split.by == "hash" and spec.data.split.group is None,
        known_ahead=spec.checks.leakage.known_ahead,
    )
    return measure_leakage(case, spec.checks.leakage, spec.serving, tables)


def measure_leakage(case: Case, asked: Leakage, serving: Serving, tables: Tables) -> Evidence:
    """Extraction, membership, records by heart, telling features, rows on both sides, and values from the future.

    `tables` holds the rows of the case, in its order, with the columns that are no features.
    """
    encoding = encoding_of(case.train)
    told = told_of(case, serving)
    held = held_records(case.candidate())
    doubled, which = duplicate_rows(tables, encoding, case.seed)
    rows: list[Row] = [
        *copy_rows(case, encoding, serving),
        *membership_rows(told),
        *gap_rows(case),
        *by_heart_rows(told),
        _held_row(held, len(case.train)),
        *alone_rows(case, encoding, asked.known_strong),
        *doubled,
        *key_rows(tables, case.seed),
        *future_rows(tables),
    ]
    facts = {
        "training_rows": len(case.train),
        "test_rows": len(case.test),
        "callers_get": serving.outputs,
        "shadow": told.words,
        "holds_records": [{"part": name, "rows": n} for name, n in held],
        "sampled": case.sampled,
        "seed": case.seed,
        "chance_of_false_alarm": SURELY,
        "future": "asked" if tables.event_time else "no event_time, so no row has a moment that a value could be after",
        "keys": "asked" if tables.random else "rows are split by group or by time",
        "method": "extraction: Tramèr 2016; membership: Yeom 2018, Watson 2022; target leakage: Kaufman 2012",
    }
    return Evidence("leakage", metric_rows(rows), _records(case, tables, which), facts)


def _held_row(held: list[tuple[str, int]], n: int) -> Row:
    most = max((count for _, count in held), default=0)
    return "records_inside_the_model", min(1.0, most / n) if n else np.nan, np.nan, np.nan, n, 0


def _records(case: Case, tables: Tables, doubled: Flags) -> pd.DataFrame:
    """The test rows that training holds too, with their answer."""
    rows = np.flatnonzero(doubled)[:MOST_SHOWN]
    shown = tables.test[[*tables.features, tables.target]].iloc[rows].reset_index(drop=True)
    hidden = [name for name in shown.columns if HIDDEN_ROLES & set(case.roles.get(str(name), ()))]
    shown = shown.assign(**{str(name): NOT_SHOWN for name in hidden})
    shown.insert(0, "test_row", rows)
    return shown.assign(also_in="training")


def plots(evidence: Evidence, spec: Mapping[str, Any]) -> list[Plot | None]:
    """How good a copy is, by queries; what each feature tells alone; how well members are told."""
    metrics = evidence.metrics
    return [
        bars(metrics, "copy:", "How often a copy agrees, by the number of queries", "share of test records", {}),
        bars(metrics, "alone:", "What each feature tells alone", "area under the ROC curve, or R²", {}),
        bars(metrics, "membership_auc:", "How well an attack tells members", "area under the ROC curve", {}),
    ]


QUESTION = "What does the model give away, and did the answer leak into its training?"
CHECK = Check("leakage", measure, on_package, "Leakage", QUESTION, plots)
