"""The rows that a conversion is tried on besides all of the snapshot: where luck would hide what is wrong.

Rows on and beside the thresholds inside the model, missing values, unknown and empty texts, extremes of the types.
"""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from infra.runtime import Predictions, estimator_predictions, joined_predictions
from tasks.conversion.placement import Channel, channels, crossings, features, parts
from tasks.conversion.reach import Nodes, split_nodes

# So many nodes, four rows each; of more, an even choice, and the evidence says how many there were.
MOST_NODES = 5000
SIDES = 4
MOST_CATEGORIES = 500
REACHING_ROWS = 5000
PROBES = 8
EXTREMES = (0.0, 5e-324, 2.0**24 + 1, 2.0**31, 2.0**53, 3.4e38, 1e300)


@dataclass(frozen=True)
class Trials:
    """`rows` with what the estimator says of each, and the family of each: snapshot, boundary, missing, ...

    `facts` tell how many rows of a family the estimator itself refused; of these there is nothing to compare.
    """

    rows: pd.DataFrame
    family: npt.NDArray[Any]
    trained: Predictions
    facts: Mapping[str, Any] = field(default_factory=dict)


def on_rows(estimator: Any, frame: pd.DataFrame) -> Trials:
    """The rows of `frame` alone, with the estimator's answers."""
    return Trials(frame, np.full(len(frame), "snapshot", dtype=object), estimator_predictions(estimator, frame))


def try_out(estimator: Any, frame: pd.DataFrame) -> Trials:
    """All rows of `frame`, and those that are made for this estimator, with its answers."""
    rows, answers, family, refused = [frame], [estimator_predictions(estimator, frame)], ["snapshot"] * len(frame), {}
    # Extremes overflow here and there, and numpy says so each time.
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made, facts = trial_rows(estimator, frame)
        answered = {name: _answers(estimator, tried) for name, tried in made.items()}
    for name, (kept, answer) in answered.items():
        refused[name] = len(made[name]) - len(kept)
        if answer is not None:
            rows.append(kept)
            answers.append(answer)
            family += [name] * len(kept)
    together = pd.concat(rows, ignore_index=True) if len(rows) > 1 else frame
    told = {**facts, "refused_by_the_estimator": {name: count for name, count in refused.items() if count}}
    return Trials(together, np.array(family, dtype=object), joined_predictions(answers), told)


def _answers(estimator: Any, rows: pd.DataFrame) -> tuple[pd.DataFrame, Predictions | None]:
    """The rows that the estimator answers, and its answers; halves are tried where it refuses the whole.

    Where it refuses all of a few rows of many, the others between them are not asked: what is refused lies together.
    """
    if answer := _asked(estimator, rows):
        return rows, answer
    few = _evenly(len(rows), PROBES)
    if len(rows) == 1 or (len(rows) > PROBES and not any(_asked(estimator, rows.iloc[[at]]) for at in few)):
        return rows.head(0), None
    middle = len(rows) // 2
    halves = [_answers(estimator, part) for part in (rows.iloc[:middle], rows.iloc[middle:])]
    answered = [(kept, answer) for kept, answer in halves if answer is not None]
    if not answered:
        return rows.head(0), None
    kept = pd.concat([kept for kept, _ in answered], ignore_index=True)
    return kept, joined_predictions([answer for _, answer in answered])


def _asked(estimator: Any, rows: pd.DataFrame) -> Predictions | None:
    try:
        return estimator_predictions(estimator, rows)
    except Exception:  # noqa: BLE001  Estimators refuse values with whatever they like.
        return None


def trial_rows(estimator: Any, frame: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Rows by family (boundary, missing, category, extreme), each with the columns of `frame`, and facts about them.

    A family for which this model has nothing to try is left out.
    """
    usual = _usual_rows(frame)
    boundary, facts = boundary_rows(estimator, frame)
    found = {
        "boundary": boundary,
        "missing": _rows(usual, _missing(frame)),
        "category": _rows(usual, _categories(frame)),
        "extreme": _rows(usual, _extremes(frame)),
    }
    return {family: rows for family, rows in found.items() if len(rows)}, facts


def boundary_rows(estimator: Any, frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Four rows for each node of the model's trees: the last value below its threshold, the first that is not below,
    the last that is not above, the first above, in the other features like a row that reaches the node."""
    sample = frame.iloc[_evenly(len(frame), REACHING_ROWS)].reset_index(drop=True)
    each = parts(estimator)
    found = [_boundary_rows(transformers, model, sample, MOST_NODES // len(each)) for transformers, model in each]
    told = {key: sum(facts.get(key, 0) for _, facts in found) for key in dict.fromkeys(k for _, f in found for k in f)}
    return pd.concat([rows for rows, _ in found], ignore_index=True) if len(found) > 1 else found[0][0], told


def _boundary_rows(
    transformers: list[Any], model: Any, sample: pd.DataFrame, most: int
) -> tuple[pd.DataFrame, dict[str, int]]:
    # Histogram gradient boosting numbers its features after an encoder of its own.
    encoder = getattr(model, "_preprocessor", None)
    transformers = transformers if encoder is None else [*transformers, encoder]
    nodes = split_nodes(transformers, model, sample)
    if nodes is None or not len(nodes.feature):
        return sample.head(0), {"thresholds": 0}
    ways = channels(transformers, sample)
    chosen = _evenly(len(nodes.feature), most)
    by_block: dict[int, list[int]] = {}
    for node in chosen:
        if way := ways.get(int(nodes.feature[node])):
            by_block.setdefault(way.block.start, []).append(int(node))
    placed = [_beside(sample, nodes, np.array(at), ways) for at in by_block.values()]
    rows = pd.concat(placed, ignore_index=True) if placed else sample.head(0)
    told = {"thresholds": len(nodes.feature), "thresholds_tried": len(rows) // SIDES}
    return rows, {**told, "thresholds_never_reached": nodes.unreached}


def _beside(sample: pd.DataFrame, nodes: Nodes, at: npt.NDArray[Any], ways: Mapping[int, Channel]) -> pd.DataFrame:
    """The rows for nodes `at`, whose features all come from one block of the preprocessing."""
    # A forest asks the same question many times.
    questions = np.column_stack([nodes.feature[at], nodes.threshold[at], nodes.single[at]])
    asked, which = np.unique(questions, axis=0, return_inverse=True)
    asked_by = [ways[int(position)] for position in asked[:, 0]]
    values = _placed(sample, asked_by, asked[:, 1], asked[:, 2] == 1)[which.ravel()]
    kept = np.isfinite(values).all(axis=1)
    rows: pd.DataFrame = sample.iloc[np.repeat(nodes.row[at][kept], SIDES)].reset_index(drop=True)
    columns = np.array([ways[int(position)].column for position in nodes.feature[at][kept]], dtype=object)
    names, numbers = np.repeat(columns, SIDES), values[kept].reshape(-1)
    for name in dict.fromkeys(names):
        rows[name] = np.where(names == name, numbers, rows[name].to_numpy(dtype=np.float64))
    return rows


def _placed(sample: pd.DataFrame, ways: list[Channel], thresholds: Any, single: Any) -> npt.NDArray[np.float64]:
    """(m, 4) values of the ways' columns, on and beside the thresholds of their features."""
    feature = features(ways)
    ends = {way.column: (float(sample[way.column].min()), float(sample[way.column].max())) for way in ways}
    low, high = np.array([ends[way.column] for way in ways]).T
    width = np.maximum(high - low, 1.0)

    def asked(values: Any) -> Any:
        given = feature(values)
        return np.where(single, given.astype(np.float32), given)

    return crossings(asked, low - width, high + width, thresholds)


def _evenly(n: int, most: int) -> Any:
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(int)) if n else np.zeros(0, dtype=int)


def _usual_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Three complete rows, if there are any: at the beginning, in the middle, at the end."""
    complete = frame[frame.notna().all(axis=1)]
    source = complete if len(complete) else frame
    usual: pd.DataFrame = source.iloc[_evenly(len(source), 3)].reset_index(drop=True)
    return usual


def _rows(usual: pd.DataFrame, changes: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Each change made to one of the usual rows, in turn."""
    changed = [{**usual.iloc[at % len(usual)].to_dict(), **change} for at, change in enumerate(changes)]
    frame = pd.DataFrame(changed, columns=list(usual.columns))
    for name in usual.columns:
        number = pd.api.types.is_numeric_dtype(usual[name])
        frame[name] = frame[name].astype(np.float64) if number else frame[name].astype(usual[name].dtype)
    return frame


def _missing(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Each column that may be missing alone, several times, and all of them at once."""
    nullable = [name for name in frame.columns if frame[name].isna().any()]
    alone = [{name: None} for name in nullable for _ in range(3)]
    return [*alone, dict.fromkeys(nullable)] if nullable else []


def _categories(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Every known text once, and some that nobody knows; those behind, since many an estimator refuses them."""
    texts = [name for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name])]
    known = {name: frame[name].dropna().unique() for name in texts}
    changes = [{name: text} for name in texts for text in known[name][_evenly(len(known[name]), MOST_CATEGORIES)]]
    unknown = (" ", "\u00e9\u4e2d\U0001f6a2 unknown")
    # Where texts may be missing an empty one is no other: what a caller leaves out arrives as one.
    empty = [name for name in texts if not frame[name].isna().any()]
    return [
        *changes,
        *({name: ""} for name in empty),
        *({name: text} for text in unknown for name in texts),
        *({name: str(name) * 50} for name in texts),
    ]


def _extremes(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The ends of each number's type and of its own range, and integers that a float32 cannot hold."""
    numbers = [name for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])]
    own = [{name: end} for name in numbers for end in (float(frame[name].min()), float(frame[name].max()))]
    return [*own, *({name: sign * value} for value in EXTREMES for sign in (1.0, -1.0) for name in numbers)]
