"""What `seatrial init` writes: a spec with every key explained, a training function, people, the next commands."""

import difflib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from expectations.errors import CannotAsk
from expectations.risk import PLACEHOLDER, QUESTIONS
from expectations.spec import Task

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
SUFFIXES = (".csv", ".csv.gz", ".parquet")
MOST_CLASSES = 20

SPEC = """\
# What this release is and what must hold. `seatrial check release.yaml` says what is wrong, line by line.
model:
  name: {name}  # The name under which versions follow each other
  task: {task}  # regression, binary or multiclass{positive}
  owner: you@example.org  # The person who answers for the model: put a real one
  developers: []  # Who built it; none of them can approve it
  description: ""  # What it predicts, and for whom
candidate:
  train: train:train  # module:function beside this file; or skops: model.skops, a trained estimator
data:
  sources:  # The first source holds the rows that are predicted
    rows:
      path: {path}  # CSV or Parquet, relative to this file{path_note}
      null_values: [""]  # CSV texts that mean missing
      origin: ""  # Where the data comes from
      licence: ""  # What it may be used for
  target: {target}  # The column to predict
  ignore: []  # Columns that are no features: ids, dates, free text
  split:  # Rows that training never sees
    test: 0.25  # Their share; the model is measured on them
    calibration: 0.15  # And these set the thresholds of the guards
    by: hash  # Equal rows stay on one side; time needs event_time in the source
cost:  # What errors cost{cost}
comparison:
  margin: 0.02  # This share of the champion's loss counts as equivalent
risk:
  tier: 2  # How much is at stake: 1 little, 4 severe; `seatrial tiers` shows what each asks for
  reach: few  # Many (thousands, the public) raises the tier
  pace: slow  # A world that changes within weeks is fast, and raises the tier
  chained: []  # Models, or decisions without a person, that take its outputs; any raises the tier
  answers:  # The uncomfortable questions: from tier 2 on a release stops until each is answered
{answers}
"""
ANSWERS = "\n".join(f"    {key}: {json.dumps(PLACEHOLDER)}  # {question}" for key, question in QUESTIONS.items())
COSTS = {
    "regression": "\n  under: 1  # Per unit that the prediction is too low\n  over: 1  # Per unit that it is too high",
    "binary": "; for instance matrix: {actual: {predicted: cost}}\n  unit: errors  # What a cost of 1 means",
    "multiclass": "; for instance matrix: {actual: {predicted: cost}}\n  unit: errors  # What a cost of 1 means",
}

PEOPLE = """\
# Who may decide in a store. A risk officer brings it into the ledger, and signs:
#   seatrial identity apply identities.yaml --store ./store --as NAME --key ~/.ssh/id_ed25519
people:
  - name: rita@example.org  # Put real names; those of `model.developers` are the same
    roles: [risk officer]  # developer, owner, validator, risk officer, auditor
    keys: []  # The lines of their .pub files, as `ssh-keygen -t ed25519` makes them
  - name: vera@example.org
    roles: [validator]
    keys: []
"""

TRAIN = '''\
"""Trains {name}. Called by the release with the training rows only; change it as you like."""

from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import {estimator}
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def train(features, target):
    """A fitted pipeline. Its columns are told apart by their dtypes."""
    return make_pipeline(columns(features), {estimator}(random_state=0)).fit(features, target)


def columns(features):
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    texts = make_column_selector(dtype_exclude=["number", "bool"])(features)
    # Texts stay without an imputer: one cannot be converted to ONNX. A missing text is no category of its own either,
    # since ONNX would not know it again: like an unknown one, it is none of the known.
    known = [sorted(features[name].dropna().unique()) for name in texts]
    return ColumnTransformer(
        [
            ("numbers", numbers, make_column_selector(dtype_include="number")),
            ("flags", "passthrough", make_column_selector(dtype_include="bool")),
            ("texts", OneHotEncoder(categories=known, handle_unknown="ignore"), texts),
        ]
    )
'''

README = """\
# {name}

`release.yaml` says what this release is and what must hold, `train.py` trains the candidate.
Read both, change what is not true, then, in this folder:

```sh
seatrial check release.yaml                      # is the spec sound, is the data there?
seatrial release release.yaml --store ./store    # train, convert, measure, judge; writes the dossier
seatrial status {name} --store ./store           # what waits for whom
```

Fill `identities.yaml`: who may decide, and their public keys. `seatrial identity apply` brings it into the store.
"""


@dataclass(frozen=True)
class _Target:
    """What the data says of the column to predict."""

    path: str
    name: str
    task: str
    positive: Any = None


def write_project(folder: Path, name: str, data: Path | None, target: str | None, task: str | None) -> list[Path]:
    """Writes release.yaml, train.py, identities.yaml and README.md into `folder`; returns their paths.

    The data is not copied: the spec refers to it by a path relative to `folder`. Without a task it is told from the
    target. Raises CannotAsk, before anything is written, where a file exists or the data does not answer.
    """
    files = [folder / file for file in ("release.yaml", "train.py", "identities.yaml", "README.md")]
    problems = [*_name_problems(name), *_task_problems(task), *_target_problems(data, target)]
    problems += [
        f"{file} exists already: move it away, or take another name." for file in files if os.path.lexists(file)
    ]
    if problems:
        raise CannotAsk.all_of(problems)
    what = _read_target(folder, data, target, task) if data and target else _placeholder(target, task)
    spec, train = _spec_text(name, what, placeholder=data is None), _train_text(name, what.task)
    texts = [spec, train, PEOPLE, README.format(name=name)]
    return _write(folder, files, texts)


def _write(folder: Path, files: list[Path], texts: list[str]) -> list[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in zip(files, texts, strict=True):
            with file.open("x", encoding="utf-8") as out:
                out.write(text)
    except OSError as error:
        raise CannotAsk(
            f"{folder}: cannot be written: {error.strerror}. Choose a folder that you may write to."
        ) from None
    return files


def _name_problems(name: str) -> list[str]:
    if NAME.fullmatch(name):
        return []
    better = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("._-")[:63]
    hint = f"for instance {better!r}" if better else "for instance 'house-price'"
    return [f"{name!r} is no model name: expected small letters, digits, dots and dashes, at most 63; {hint}."]


def _task_problems(task: str | None) -> list[str]:
    known = get_args(Task)
    return [] if task is None or task in known else [f"{task!r} is no task; expected one of {', '.join(known)}."]


def _target_problems(data: Path | None, target: str | None) -> list[str]:
    """Is the data a readable table with that column?"""
    if data is None:
        return []
    if not data.name.endswith(SUFFIXES):
        return [f"{data}: expected a table that ends in {', '.join(SUFFIXES)}."]
    columns = _columns(data)
    if target is None:
        return [f"{data}: which column is to be predicted? Give a target: {_some(columns)}."]
    return [] if target in columns else [f"{data} has no column {target!r}. {_nearest(target, columns)}"]


def _nearest(target: str, columns: list[str]) -> str:
    lower = {column.lower(): column for column in columns}
    near = [lower[name] for name in difflib.get_close_matches(target.lower(), lower, n=3)]
    return f"The nearest: {', '.join(map(repr, near))}." if near else f"There are {_some(columns)}."


def _some(names: list[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _columns(data: Path) -> list[str]:
    if not data.name.endswith(".parquet"):
        return [str(name) for name in _read(data, nrows=0).columns]
    return [str(name) for name in _read(data).columns]


def _read(data: Path, **options: Any) -> pd.DataFrame:
    """The table as the release will read it: in a CSV, only the empty text means missing."""
    try:
        if data.name.endswith(".parquet"):
            table: pd.DataFrame = pd.read_parquet(data, **options)
        else:
            table = pd.read_csv(data, keep_default_na=False, na_values=[""], **options)
        return table
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0][:200]
        raise CannotAsk(f"{data}: cannot be read as a table: {why}. Give a CSV or Parquet file that opens.") from None


def _read_target(folder: Path, data: Path, target: str, task: str | None) -> _Target:
    option = {"columns": [target]} if data.name.endswith(".parquet") else {"usecols": [target]}
    values = _read(data, **option)[target].dropna()
    if values.nunique() < 2:
        raise CannotAsk(
            f"{data}: {target!r} holds {values.nunique()} distinct values; there is nothing to learn below two."
        )
    told = task or detect_task(values)
    if told == "regression" and not pd.api.types.is_numeric_dtype(values):
        raise CannotAsk(f"{data}: {target!r} holds {values.dtype}, not numbers; the task cannot be regression.")
    if told == "binary" and values.nunique() != 2:
        raise CannotAsk(
            f"{data}: {target!r} holds {values.nunique()} distinct values; a binary task needs exactly two."
        )
    path = Path(os.path.relpath(data.resolve(), folder.resolve())).as_posix()
    return _Target(path, target, told, _rarer(values) if told == "binary" else None)


def detect_task(values: "pd.Series[Any]") -> str:
    """The task that a target without nulls asks for: two values binary, measured or many numbers regression."""
    if values.nunique() == 2:
        return "binary"
    if not pd.api.types.is_numeric_dtype(values):
        return "multiclass"
    # Whole numbers with nulls among them are read as floats, and stay whole.
    measured = pd.api.types.is_float_dtype(values) and bool((values % 1 != 0).any())
    return "regression" if measured or values.nunique() > MOST_CLASSES else "multiclass"


def _rarer(values: "pd.Series[Any]") -> Any:
    """The value that occurs less often; of equally frequent ones the greater, so 1 rather than 0."""
    counts = values.value_counts()
    value = max(label for label in counts.index if counts[label] == counts.min())
    plain = value.item() if hasattr(value, "item") else value
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain


def _placeholder(target: str | None, task: str | None) -> _Target:
    return _Target("data.csv", target or "target", task or "regression", 1 if task == "binary" else None)


def _spec_text(name: str, what: _Target, *, placeholder: bool) -> str:
    positive = f"\n  positive: {_scalar(what.positive)}  # The label that counts as positive"
    return SPEC.format(
        name=_scalar(name),
        task=what.task,
        positive=positive if what.task == "binary" else "",
        path=_scalar(what.path),
        path_note="; a placeholder, put your own" if placeholder else "",
        target=_scalar(what.name),
        cost=COSTS[what.task],
        answers=ANSWERS,
    )


def _scalar(value: Any) -> str:
    """A YAML scalar that reads back as the same value: `no`, `1.0` and `a: b` stay the texts that they are."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][\w./-]*|\.\.?/[\w./-]+", value) and not _reserved(value):
        return value
    return json.dumps(value if isinstance(value, str | bool | int | float) else str(value), ensure_ascii=False)


def _reserved(text: str) -> bool:
    return text.lower() in ("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan")


def _train_text(name: str, task: str) -> str:
    kind = "Regressor" if task == "regression" else "Classifier"
    return TRAIN.format(name=name, estimator=f"GradientBoosting{kind}")
