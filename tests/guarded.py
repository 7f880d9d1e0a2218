"""Guarded packages for the tests, and the tables that they are made of."""

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from expectations.spec import Guards, ReleaseSpec
from infra.runtime import Scorer, label_text
from tasks.conversion.export import export
from tasks.guards.build import Rows, build_guards
from tasks.guards.core import Core

SPEC = ReleaseSpec.model_validate(
    {
        "model": {"name": "m", "task": "regression", "owner": "o@example.com"},
        "candidate": {"train": "train:fit"},
        "data": {"target": "y", "sources": {"rows": {"path": "rows.csv"}}},
    }
)


def guarded(estimator, parts, target, asked=None):
    """(package, core, what was chosen) of an estimator, trained on the first of (train, calibration)."""
    package, graph, chosen = guarded_files(estimator, parts, target, asked)
    return Scorer(package), Scorer(graph), chosen


def guarded_files(estimator, parts, target, asked=None):
    """The same with the bytes of package and core."""
    train, calibration = (Rows(part.drop(columns=target), truth(part[target])) for part in parts[:2])
    fitted = estimator.fit(features(parts[0], target), parts[0][target])
    graph = export(fitted, features(parts[0], target), "m", "double")
    core = Core(graph, Scorer(graph).signature, hasattr(fitted, "predict_proba"))
    package, chosen = build_guards(core, train, calibration, asked or Guards())
    return package, graph, chosen


def features(part, target):
    return part.drop(columns=[target, "ignored"], errors="ignore")


def truth(column):
    return column.to_numpy(float) if column.dtype.kind == "f" else label_text(column)


def three(frame, seed=0, shares=(0.5, 0.75)):
    u = np.random.default_rng(1000 + seed).random(len(frame))
    chosen = (u < shares[0], (u >= shares[0]) & (u < shares[1]), u >= shares[1])
    return [frame[mask].reset_index(drop=True) for mask in chosen]


def cars(n=1200, seed=1):
    """Recent cars are light, old ones heavy."""
    rng = np.random.default_rng(seed)
    year = rng.uniform(1990, 2020, n)
    frame = pd.DataFrame({"year": year, "weight kg": 2500 - 45 * (year - 1990) + rng.normal(0, 100, n)})
    frame["make"] = rng.choice(["Saab", "Fiat", "Seat"], n)
    return frame.assign(price=20.0 * (year - 1980) + frame["weight kg"] / 10 + rng.normal(0, 20, n))


def encoded(model, texts=("make",), handle_unknown="ignore"):
    columns = [("t", OneHotEncoder(handle_unknown=handle_unknown), list(texts))]
    return make_pipeline(ColumnTransformer(columns, remainder=StandardScaler()), model)


def labelled(loader):
    data = loader(as_frame=True)
    return data.data.assign(**{"class": np.array([f"class {label}" for label in data.target], dtype=object)})
