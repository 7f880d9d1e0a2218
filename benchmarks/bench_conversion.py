"""Which estimators of scikit-learn convert, and which conversions are silently wrong? `make bench-conversion`.

Each is trained, converted by Seatrial and by plain skl2onnx, and both graphs score rows that nobody saw. Clean: no
label differs and no number by a relative 1e-5. Writes the tables of docs/conversion.md, between their marks.
"""

import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.conversion_cases import Case, cases
from benchmarks.results import Claim, write_results
from infra.runtime import Predictions, Scorer, estimator_predictions, label_text, open_session
from tasks.conversion.trials import Trials
from tasks.convert import CannotConvert, convert
from tasks.parity import is_near, measure_parity

TOLERANCE = 1e-5
CLEAN, REFUSED, STOPPED, WRONG, UNTRAINED = (
    "clean",
    "refused",
    "stopped at parity",
    "silently wrong",
    "cannot be trained",
)
DOCS = Path(__file__).parents[1] / "docs" / "conversion.md"
BEGIN, END = "<!-- the tables below are written by make bench-conversion -->", "<!-- end of the tables -->"
HEADINGS = {
    "classifier": "Classifiers",
    "regressor": "Regressors",
    "outlier detector": "Outlier detectors",
    "transformer": "Transformers (a ridge regression behind each)",
}


@dataclass(frozen=True)
class Row:
    """What became of one case: ours, why if it was refused, and what plain skl2onnx gave."""

    kind: str
    name: str
    key: str
    ours: str
    reason: str
    plain: str


def main() -> None:
    """Runs every case, shows progress, writes the tables and the claims."""
    rows = measured(cases(), jobs=2)
    counts = {kind: Counter(worst_of(rows, kind).values()) for kind in HEADINGS}
    plain = {kind: Counter(worst_of(rows, kind, ours=False).values()) for kind in HEADINGS}
    for kind, heading in HEADINGS.items():
        print(f"{heading}: ours {_told(counts[kind])}; plain skl2onnx {_told(plain[kind])}")
    for row in rows:
        if row.ours != CLEAN:
            print(f"  {row.key}: {row.ours}. {row.reason}")
    write_tables(rows)
    goals = {"classifier": ">= 42 of 44", "regressor": ">= 53 of 55"}
    claims: list[Claim] = []
    for kind, goal in goals.items():
        claims += [
            _claim(f"{kind}s_clean", counts[kind][CLEAN], goal),
            _claim(f"plain_{kind}s_clean", plain[kind][CLEAN], "stated"),
        ]
    claims += [
        _claim("classifiers_silently_wrong", counts["classifier"][WRONG], "0"),
        _claim("regressors_silently_wrong", counts["regressor"][WRONG], "0"),
        _claim("plain_classifiers_silently_wrong", plain["classifier"][WRONG], "stated"),
        _claim("plain_regressors_silently_wrong", plain["regressor"][WRONG], "stated"),
    ]
    print(write_results("conversion", ("scikit-learn", "skl2onnx", "onnxruntime", "numpy"), claims))


def _claim(name: str, value: int, goal: str) -> Claim:
    return {"name": name, "value": value, "unit": "estimators", "goal": goal}


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {result}" for result, count in counts.most_common())


def measured(some: Sequence[Case], jobs: int = 1) -> list[Row]:
    """One row for each case, in their order. With `jobs` > 1 in so many processes."""
    if jobs == 1:
        return [measure(case) for case in some]
    rows: list[Row] = []
    with ProcessPoolExecutor(jobs) as pool:
        for row in pool.map(_by_place, range(len(some))):
            rows.append(row)
            sys.stderr.write(f"\r{len(rows):4d} of {len(some)}  {row.key[:60]:60}")
    sys.stderr.write("\n")
    return rows


def _by_place(place: int) -> Row:
    # A case holds functions, which no process can be sent; each makes the same list.
    return measure(_all_cases()[place])


@cache
def _all_cases() -> list[Case]:
    return cases()


def measure(case: Case, with_plain: bool = True) -> Row:
    """Trains one estimator and holds both conversions against it, on rows of the training and on new ones."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            model = case.make().fit(case.features, case.target)
            trained = estimator_predictions(model, case.held_out)
        except Exception as error:  # noqa: BLE001  Some want targets or data that no release has.
            return Row(case.kind, case.name, case.key, UNTRAINED, f"{type(error).__name__}: {error}"[:160], UNTRAINED)
        ours, reason = _ours(case, model, trained)
        plain = _plain(case, model, trained) if with_plain else ""
        return Row(case.kind, case.name, case.key, ours, reason, plain)


def _ours(case: Case, model: Any, trained: Predictions) -> tuple[str, str]:
    try:
        graph, evidence = convert(model, case.features, "m", TOLERANCE)
    except CannotConvert as error:
        return REFUSED, " ".join(error.problems)
    if not is_near(evidence, TOLERANCE):
        return STOPPED, "the graph differs on rows that were tried; a release stops there"
    return (CLEAN, "") if _same(case, trained, Scorer(graph).score(case.held_out)) else (WRONG, "")


def _same(case: Case, trained: Predictions, exported: Predictions) -> bool:
    trials = Trials(case.held_out, np.full(len(case.held_out), "snapshot", dtype=object), trained)
    return is_near(measure_parity(trials, exported, TOLERANCE), TOLERANCE)


def _plain(case: Case, model: Any, trained: Predictions) -> str:
    """As its documentation shows it: float32, one matrix, or one column of text each."""
    from skl2onnx import to_onnx

    texts = [name for name in case.features if not pd.api.types.is_numeric_dtype(case.features[name])]
    try:
        first = case.features.head(1) if texts or case.name == "ColumnTransformer" else _matrix(case.features.head(1))
        options = {"zipmap": False} if case.kind == "classifier" else None
        session = open_session(to_onnx(model, first, options=options).SerializeToString())
        inputs = [one.name for one in session.get_inputs()]
        if len(inputs) == 1 and not texts:
            feed = {inputs[0]: _matrix(case.held_out)}
        else:
            feed = {
                name: case.held_out[[name]].to_numpy(dtype=None if name not in texts else object) for name in inputs
            }
        answers = session.run(None, feed)
    except Exception:  # noqa: BLE001  It raises anything.
        return REFUSED
    values = np.asarray(answers[0]).ravel()
    if not trained.classes:
        return CLEAN if _same(case, trained, Predictions(values.astype(np.float64))) else WRONG
    labels = np.array(label_text(values), dtype=object)
    chances = None if trained.probabilities is None else np.asarray(answers[1], dtype=np.float64)
    try:
        return CLEAN if _same(case, trained, Predictions(labels, chances, trained.classes)) else WRONG
    except ValueError:
        return WRONG


def _matrix(frame: pd.DataFrame) -> Any:
    return frame.to_numpy(dtype=np.float32)


def worst_of(rows: Sequence[Row], kind: str, ours: bool = True) -> dict[str, str]:
    """The result of each estimator: clean only where all of its variants are; wrong where any is."""
    order = (WRONG, STOPPED, REFUSED, UNTRAINED, CLEAN)
    found: dict[str, str] = {}
    for row in rows:
        if row.kind == kind:
            told = row.ours if ours else row.plain
            found[row.name] = min(found.get(row.name, CLEAN), told, key=order.index)
    return found


def tables(rows: Sequence[Row]) -> str:
    """The tables, in Markdown."""
    parts = []
    for kind, heading in HEADINGS.items():
        ours, plain = worst_of(rows, kind), worst_of(rows, kind, ours=False)
        clean, plainly = Counter(ours.values())[CLEAN], Counter(plain.values())[CLEAN]
        why = {row.name: row.reason for row in rows if row.kind == kind and row.reason}
        lines = [f"| {name} | {ours[name]} | {plain[name]} | {why.get(name, '')} |" for name in sorted(ours)]
        head = f"### {heading}\n\n{clean} of {len(ours)} clean, against {plainly} for plain skl2onnx.\n"
        parts.append(
            "\n".join([head, "| estimator | Seatrial | plain skl2onnx | why not |", "|---|---|---|---|", *lines])
        )
    return "\n\n".join(parts)


def write_tables(rows: Sequence[Row]) -> None:
    """Puts the tables between their marks in docs/conversion.md."""
    text = DOCS.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    DOCS.write_text(f"{before}{BEGIN}\n\n{tables(rows)}\n\n{END}{after}")


if __name__ == "__main__":
    main()
