"""The guards as nodes: few, since each costs a single record half a microsecond whatever it does, and over long rows.

What is asked column by column lies column by column: a matrix (columns, n) meets a limit (columns, 1) in one sweep over
each column, which onnxruntime does ten times faster than a thousand sweeps over short rows. A limit for all of (n, 1)
is written as (1, 1) for the same reason. Every function writes into a `GuardWriter` and returns names of tensors; n is
the number of records.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto

from tasks.conversion.writer import ML
from tasks.guards.plan import INFINITE, Domain, Oddity, Plan
from tasks.guards.writer import GuardWriter

# A code table larger than this is not worth its memory: then each column gets a LabelEncoder of its own.
MOST_TABLE_CELLS = 1_000_000
# What `in_domain` says that there is nothing of.
ABOUT_COLUMNS = ("missing", "outside", "unknown")


@dataclass(frozen=True)
class Layer:
    """Tensors (columns, n) that a layer wrote: flags in the order of `Plan.flags`, and what the detector is given."""

    flags: list[str]
    features: list[str]


def write_numbers(w: GuardWriter, domain: Domain, inputs: Sequence[str], names: Sequence[str], kind: int) -> Layer:
    """Numbers [n, 1] double made safe: what is missing or infinite is no number, and the typical value goes on in its
    place, but NaN where training saw gaps. Any other goes on as it is, in `names`, of the core's `kind`: a name for
    each column, or one for the whole matrix (n, P)."""
    numbers = _stacked(w, inputs)
    missing = w.add("IsNaN", numbers)
    finite = w.add("Less", w.add("Abs", numbers), w.constant(np.array([[INFINITE]])))
    full = safe = w.add("Where", finite, numbers, w.column(domain.typical))
    flagged = missing
    if domain.may_miss.any():
        flagged = w.add("And", missing, w.constant(~domain.may_miss.reshape(-1, 1)))
        safe = w.add("Where", finite, numbers, w.column(np.where(domain.may_miss, np.nan, domain.typical)))
    inside = w.add("Min", w.add("Max", full, w.column(domain.low)), w.column(domain.high))
    # Neither unchanged nor missing.
    outside = w.add("Equal", w.add("Equal", inside, numbers), missing)
    _hand_on(w, safe, names, kind)
    return Layer([flagged, outside], [inside])


def _stacked(w: GuardWriter, columns: Sequence[str]) -> str:
    """[n, 1] each into (columns, n)."""
    together = w.add("Concat", *columns, axis=0) if len(columns) > 1 else columns[0]
    return w.add("Reshape", together, w.constant(np.array([len(columns), -1])))


def _hand_on(w: GuardWriter, matrix: str, names: Sequence[str], kind: int) -> None:
    """(P, n) to the core."""
    if len(names) > 1:
        rows = w.rows(matrix)
        w.split(w.add("Cast", rows, to=kind) if kind == TensorProto.FLOAT else rows, names, [1] * len(names))
    elif kind == TensorProto.FLOAT:
        w.add("Cast", w.rows(matrix), to=kind, output=names[0])
    else:
        w.rows(matrix, output=names[0])


def write_texts(w: GuardWriter, domain: Domain, inputs: Sequence[str], replaced: Mapping[str, str]) -> Layer:
    """Texts [n, 1] each: a code for every known category; those that the core cannot take get their commonest one.

    `replaced` gives, of such columns, the name of the tensor that the core takes.
    """
    texts = _stacked(w, inputs)
    codes = _write_codes(w, domain, inputs, texts)
    missing, unknown = w.add("IsInf", codes), w.add("IsNaN", codes)
    strange = w.add("Or", missing, unknown)
    usual = np.array([_mean_code(known, code) for known, code in zip(domain.known, domain.codes, strict=True)])
    features = w.add("Where", strange, w.column(usual), codes)
    if replaced:
        commonest = [max(known, key=lambda text: known[text]) for known in domain.known]
        chosen = w.constant(np.array([[name in replaced] for name in domain.texts]))
        usual_texts = w.constant(np.array(commonest, dtype=object).reshape(-1, 1))
        safe = w.add("Where", w.add("And", strange, chosen), usual_texts, texts)
        names = [replaced.get(name, f"{w.prefix}unused_{name}") for name in domain.texts]
        _hand_on(w, safe, names, TensorProto.STRING)
    return Layer([missing, unknown], [features])


def _mean_code(known: Mapping[str, int], codes: Mapping[str, float]) -> float:
    return sum(codes[text] * count for text, count in known.items()) / max(sum(known.values()), 1)


def _write_codes(w: GuardWriter, domain: Domain, inputs: Sequence[str], texts: str) -> str:
    """(T, n) double: a category's code, NaN for an unknown one, infinite for a missing one that training never saw.

    One LabelEncoder over all columns' words and one table, not one for each column.
    """
    tables = [{"": INFINITE, **codes} for codes in domain.codes]
    words = sorted({text for table in tables for text in table})
    width = len(words) + 1
    if width * len(tables) > MOST_TABLE_CELLS:
        encoded = [label_encoder(w, name, table, np.nan) for name, table in zip(inputs, tables, strict=True)]
        return _stacked(w, encoded)
    place = {word: at for at, word in enumerate(words)}
    cells = np.full((len(tables), width), np.nan)
    for at, table in enumerate(tables):
        cells[at, [place[word] for word in table]] = list(table.values())
    index = label_encoder(w, texts, place, width - 1)
    shifted = w.add("Add", index, w.constant(np.arange(len(tables), dtype=np.int64).reshape(-1, 1) * width))
    return w.add("Gather", w.constant(cells.reshape(-1)), shifted, axis=0)


def label_encoder(w: GuardWriter, x: str, table: Mapping[Any, float], default: float) -> str:
    """Keys, all texts or all numbers, to numbers: int64 where all values are int, else double."""
    whole = all(isinstance(value, int) for value in table.values())
    texts = all(isinstance(key, str) for key in table)
    keys = np.array(list(table), dtype=object) if texts else np.array(list(table), dtype=np.float64)
    kind = np.int64 if whole else np.float64
    return w.add(
        "LabelEncoder",
        x,
        domain=ML,
        keys_tensor=w.tensor(keys),
        values_tensor=w.tensor(np.array(list(table.values()), dtype=kind)),
        default_tensor=w.tensor(np.array([default], dtype=kind)),
    )


def write_oddity(w: GuardWriter, oddity: Oddity, z: str) -> str:
    """`anomaly_score` (n, 1) double of z (features, n): the log odds that the values come from several rows."""
    along = w.add("Gemm", w.constant(oddity.weights.T), z, w.column(oddity.shift))
    end = w.constant(np.array([[oddity.constant]]))
    return w.add("Gemm", w.add("Abs", along), w.column(oddity.slopes), end, transA=1, output="anomaly_score")


def write_answers(w: GuardWriter, plan: Plan, columns: Sequence[str], flags: Sequence[str]) -> None:
    """`flags` [n, K] from what was found (columns, n) and of each record (n, 1); `reasons`, `trusted`, `in_domain`."""
    by_column = [w.rows(w.add("Concat", *columns, axis=0))] if columns else []
    together = w.add("Concat", *by_column, *flags, axis=1, output="flags")
    kinds = plan.kinds
    of_kind = np.array([[kind == one for one in kinds] for kind, _ in plan.flags()], dtype=np.float32)
    none = w.constant(np.zeros((1, len(kinds)), dtype=np.float32))
    found = w.add("Gemm", w.add("Cast", together, to=TensorProto.FLOAT), w.constant(of_kind), none)
    # One or more is one; onnxruntime makes this and the multiplication one node.
    found = w.add("HardSigmoid", found, alpha=1.0, beta=0.0)
    mask = w.add("MatMul", found, w.constant((2.0 ** np.arange(len(kinds))).astype(np.float32).reshape(-1, 1)))
    w.add("Cast", mask, to=TensorProto.INT64, output="reasons")
    zero, domain = w.constant(np.array([[0]])), sum(1 << kinds.index(kind) for kind in ABOUT_COLUMNS)
    w.add("Equal", "reasons", zero, output="trusted")
    w.add("Equal", w.add("BitwiseAnd", "reasons", w.constant(np.array([[domain]]))), zero, output="in_domain")


def split_columns(w: GuardWriter, matrix: str, names: Sequence[str]) -> None:
    """(n, k) into k tensors (n, 1)."""
    if len(names) == 1:
        w.add("Identity", matrix, output=names[0])
    else:
        w.split(matrix, names, [1] * len(names))


def write_nothing(w: GuardWriter, any_input: str, is_text: bool) -> str:
    """(n, 1) bool, all false."""
    if not is_text:
        return w.add("Less", any_input, any_input)
    same = w.add("Equal", any_input, any_input)
    return w.add("Xor", same, same)
