"""Evidently's default drift preset on windows of traffic: each column's score, and whether it counts as drifted.

The whole report takes seconds a window, most of it for pictures. So the preset's own tests are called by the preset's
own choice (`get_stattest`); on the first windows the whole report runs beside it and must say the same.
"""

import json
import os
import sys
import warnings
from pathlib import Path

os.environ["DO_NOT_TRACK"] = "1"

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.legacy.calculations.stattests import get_stattest
from evidently.presets import DataDriftPreset

PROVEN = 2


def main(folder):
    warnings.simplefilter("ignore")
    reference = pd.read_parquet(folder / "reference.parquet")
    pools = {path.stem: pd.read_parquet(path) for path in (folder / "pools").iterdir()}
    windows = np.load(folder / "windows.npz")
    told = {name: [scores(reference, pools, name, rows) for rows in windows[name]] for name in windows.files}
    proven = [prove(reference, rows_of(pools, name, rows)) for name, rows in first(windows)]
    (folder / "scores.json").write_text(json.dumps({"scores": told, "furthest": max(proven)}))


def first(windows):
    return [(name, windows[name][0]) for name in windows.files[:PROVEN]]


def rows_of(pools, name, rows):
    """By row numbers: the clean pool's, and the fault's behind them. The truth is of other rows, as it comes late."""
    clean, fault = pools["clean"], pools[name.split("/")[0]]
    both = pd.concat([clean, fault], ignore_index=True)
    answers, truths = rows
    known = truths[truths >= 0]
    window = both.iloc[answers].reset_index(drop=True)
    window["truth"] = pd.Series(both["truth"].to_numpy()[known])
    return window


def kind(reference, name):
    return "num" if pd.api.types.is_numeric_dtype(reference[name]) else "cat"


def scores(reference, pools, name, rows):
    window = rows_of(pools, name, rows)
    return {column: score(reference[column], window[column], kind(reference, column)) for column in reference}


def score(own, now, sort):
    own, now = own.dropna(), now.dropna()
    if now.empty:
        return [0.0, False]
    found = get_stattest(own, now, sort, None)(own, now, sort, None)
    return [float(found.drift_score), bool(found.drifted)]


def prove(reference, window):
    """The greatest distance between the report's scores and those from its tests."""
    sorts = {name: kind(reference, name) for name in reference}
    definition = DataDefinition(
        numerical_columns=[name for name, sort in sorts.items() if sort == "num"],
        categorical_columns=[name for name, sort in sorts.items() if sort == "cat"],
    )
    held = [Dataset.from_pandas(rows, data_definition=definition) for rows in (window, reference)]
    told = Report([DataDriftPreset()]).run(*held).dict()["metrics"]
    away = [0.0]
    for one in told:
        for name, sort in sorts.items():
            if f"column={name}," in one["metric_name"]:
                away.append(abs(one["value"] - score(reference[name], window[name], sort)[0]))
    if len(away) != 1 + len(sorts):
        raise SystemExit(f"the report told of {len(away) - 1} columns of {len(sorts)}")
    return max(away)


main(Path(sys.argv[1]))
