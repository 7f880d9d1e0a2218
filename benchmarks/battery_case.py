"""What the battery's speed is measured on: 10,000 records of 30 columns, and a forest of 200 trees, at tier 4."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from expectations.risk import QUESTIONS
from tasks import steps
from tasks.check import TEST, TRAIN, Subject
from tasks.job import open_job

ROWS, NUMBERS, TREES, TARGET, POSITIVE = 10_000, 24, 200, "repaid", "yes"
TRAINING = f"""
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def forest(features, target):
    numbers, texts = make_column_selector(dtype_include="number"), make_column_selector(dtype_exclude="number")
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer((StandardScaler(), numbers), (encoder, texts))
    model = RandomForestClassifier({TREES}, min_samples_leaf=3, random_state=0)
    return make_pipeline(columns, model).fit(features, target)
"""


def table() -> pd.DataFrame:
    """24 numbers, 6 categories and a label that 5 of them tell of."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{at}": rng.normal(size=ROWS).round(4) for at in range(NUMBERS)})
    for at in range(5):
        frame[f"c{at}"] = rng.choice(list("abcdefgh")[: 3 + at], ROWS)
    frame["group"] = rng.choice(["a", "b"], ROWS)
    odds = frame["x0"] - frame["x1"] + 0.5 * frame["x2"] * frame["x3"] + (frame["c0"] == "a")
    return frame.assign(**{TARGET: np.where(rng.random(ROWS) < 1 / (1 + np.exp(-odds)), POSITIVE, "no")})


def spec() -> dict[str, Any]:
    """The release spec: every check has something to ask of."""
    roles = {"group": ["protected"], "x4": ["actor_controlled"], "c0": ["actor_controlled"]}
    source = {"path": "loans.parquet", "origin": "made for a benchmark", "licence": "CC0-1.0"}
    answers = {name: f"Made up for a benchmark ({name}); nobody is refused a loan by it, ever." for name in QUESTIONS}
    return {
        "model": {"name": "loans", "task": "binary", "owner": "owner@example.com", "positive": POSITIVE},
        "candidate": {"train": "train:forest"},
        "data": {"target": TARGET, "as_of": "2026-01-01", "sources": {"loans": source}, "roles": roles},
        "risk": {"tier": 4, "answers": answers},
    }


def write(folder: Path) -> None:
    """The project, as a team would have it."""
    table().to_parquet(folder / "loans.parquet", index=False)
    (folder / "train.py").write_text(TRAINING)
    (folder / "release.yaml").write_text(yaml.safe_dump(spec()))


def packaged(folder: Path) -> Subject:
    """The release up to its guarded package; what was done before is taken from the store."""
    job = open_job(folder / "release.yaml", str(folder / "store"), None)
    subject = Subject(job, steps.take_snapshot.fn(job))
    subject = Subject(job, subject.manifest, steps.make_candidate.fn(subject))
    subject = Subject(job, subject.manifest, subject.trained, steps.convert_and_package.fn(subject))
    return Subject(job, subject.manifest, subject.trained, steps.guard_package.fn(subject))


def for_peers(subject: Subject, folder: Path, train: str) -> Path:
    """The same rows and the same training as files that any peer reads."""
    folder.mkdir(parents=True, exist_ok=True)
    target, data = subject.job.spec.data.target, subject.job.spec.data
    for name, part in (("train", TRAIN), ("test", TEST)):
        subject.part(part).drop(columns=list(data.ignore), errors="ignore").to_csv(folder / f"{name}.csv", index=False)
    (folder / "train.py").write_text((subject.job.file.root / "train.py").read_text())
    told = {"target": target, "positive": subject.job.positive, "ignore": [], "train": train}
    (folder / "case.json").write_text(json.dumps(told))
    return folder
