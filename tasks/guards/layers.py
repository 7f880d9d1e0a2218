"""The guards as nodes: few and vectorised, since each node costs about a microsecond whatever it does.

Every function writes into a `GuardWriter` and returns names of tensors; n is the number of records.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto

from tasks.conversion.tree_ensemble import write_trees
from tasks.conversion.writer import ML
from tasks.guards.plan import INFINITE, KINDS, Domain, Floats, Oddity, Plan
from tasks.guards.writer import GuardWriter

# A code table larger than this is not worth its memory: then each column gets a LabelEncoder of its own.
MOST_TABLE_CELLS = 1_000_000


@dataclass(frozen=True)
class Layer:
    """Tensors that a layer wrote: flags in the order of `Plan.flags`, and what the detector is given."""

    flags: list[str]
    features: list[str]


def write_numbers(w: GuardWriter, domain: Domain, numbers: str, names: Sequence[str], kind: int) -> Layer:
    """`numbers` (n, P) double made safe. NaN goes on where training saw some, else the typical value does; an infinite
    number becomes the nearer end of its interval; any other goes on as it is, in `names`, of the core's `kind`: a name
    for each column, or one for the whole matrix."""
    missing = w.add("IsNaN", numbers)
    full = w.add("Where", missing, _row(w, domain.typical), numbers)
    inside = w.add("Min", w.add("Max", full, _row(w, domain.low)), _row(w, domain.high))
    outside = w.add("Not", w.add("Equal", inside, full))
    safe = w.add("Where", w.add("IsInf", full), inside, full)
    flagged = missing
    if domain.may_miss.any():
        flagged = w.add("And", missing, w.constant(~domain.may_miss.reshape(1, -1)))
        safe = w.add("Where", missing, _row(w, np.where(domain.may_miss, np.nan, domain.typical)), safe)
    safe = w.add("Cast", safe, to=TensorProto.FLOAT) if kind == TensorProto.FLOAT else safe
    split_columns(w, safe, names)
    return Layer([flagged, outside], [inside])


def write_texts(w: GuardWriter, domain: Domain, inputs: Sequence[str], replaced: Mapping[str, str]) -> Layer:
    """Texts [n, 1] each: a code for every known category; those that the core cannot take get their commonest one.

    `replaced` gives, of such columns, the name of the tensor that the core takes.
    """
    texts = w.add("Concat", *inputs, axis=1) if len(inputs) > 1 else inputs[0]
    codes = _write_codes(w, domain, inputs, texts)
    missing, unknown = w.add("IsInf", codes), w.add("IsNaN", codes)
    strange = w.add("Or", missing, unknown)
    usual = np.array([_mean_code(known, code) for known, code in zip(domain.known, domain.codes, strict=True)])
    features = w.add("Where", strange, _row(w, usual), codes)
    if replaced:
        commonest = [max(known, key=lambda text: known[text]) for known in domain.known]
        chosen = w.constant(np.array([[name in replaced for name in domain.texts]]))
        usual_texts = w.constant(np.array([commonest], dtype=object))
        safe = w.add("Where", w.add("And", strange, chosen), usual_texts, texts)
        split_columns(w, safe, [replaced.get(name, f"{w.prefix}unused_{name}") for name in domain.texts])
    return Layer([missing, unknown], [features])


def _mean_code(known: Mapping[str, int], codes: Mapping[str, float]) -> float:
    return sum(codes[text] * count for text, count in known.items()) / max(sum(known.values()), 1)


def _write_codes(w: GuardWriter, domain: Domain, inputs: Sequence[str], texts: str) -> str:
    """(n, T) double: a category's code, NaN for an unknown one, infinite for a missing one that training never saw.

    One LabelEncoder over all columns' words and one table, not one for each column.
    """
    tables = [{"": INFINITE, **codes} for codes in domain.codes]
    words = sorted({text for table in tables for text in table})
    width = len(words) + 1
    if width * len(tables) > MOST_TABLE_CELLS:
        encoded = [label_encoder(w, name, table, np.nan) for name, table in zip(inputs, tables, strict=True)]
        return w.add("Concat", *encoded, axis=1)
    place = {word: at for at, word in enumerate(words)}
    cells = np.full((len(tables), width), np.nan)
    for at, table in enumerate(tables):
        cells[at, [place[word] for word in table]] = list(table.values())
    index = label_encoder(w, texts, place, width - 1)
    shifted = w.add("Add", index, w.constant(np.arange(len(tables), dtype=np.int64).reshape(1, -1) * width))
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
    """(n, 1) double, `anomaly_score`: the log odds that the combination is one of exchanged values."""
    weights, shift = w.constant(oddity.weights), _row(w, -oddity.center @ oddity.weights)
    residuals = w.add("Abs", w.add("Gemm", z, weights, shift))
    return write_trees(w, oddity.trees, w.add("Concat", z, residuals, axis=1), output="anomaly_score")


def write_answers(w: GuardWriter, plan: Plan, flags: Sequence[str]) -> None:
    """`flags` [n, K], and all that is said of them: one multiplication counts, for each answer, what is against it."""
    kinds = [kind for kind, _ in plan.flags()]
    against = {
        **{kind: (kind,) for kind in KINDS},
        "in_domain": ("missing", "outside", "unknown"),
        "in_range": ("range",),
        "confident": ("confidence",),
        "trusted": KINDS,
    }
    counts = np.array([[kind in told for told in against.values()] for kind in kinds], dtype=np.float32)
    together = w.add("Concat", *flags, axis=1, output="flags")
    found = w.add("MatMul", w.add("Cast", together, to=TensorProto.FLOAT), w.constant(counts))
    clear = w.add("Less", found, w.constant(np.array([0.5], dtype=np.float32)))
    by_kind, answers = f"{w.prefix}clear_kinds", ("in_domain", "in_range", "confident", "trusted")
    w.split(clear, [by_kind, *answers], [len(KINDS), 1, 1, 1, 1])
    bits = (2.0 ** np.arange(len(KINDS))).astype(np.float32).reshape(-1, 1)
    # All bits, less those of the kinds that are clear.
    mask = w.add("Gemm", w.add("Cast", by_kind, to=TensorProto.FLOAT), w.constant(-bits), w.constant(bits.sum(axis=0)))
    w.add("Cast", mask, to=TensorProto.INT64, output="reasons")


def split_columns(w: GuardWriter, matrix: str, names: Sequence[str]) -> None:
    """(n, k) into k tensors (n, 1)."""
    if len(names) == 1:
        w.add("Identity", matrix, output=names[0])
    else:
        w.split(matrix, names, [1] * len(names))


def write_nothing(w: GuardWriter, any_input: str, is_text: bool) -> str:
    """(n, 1) bool, all false."""
    same = w.add("Equal", any_input, any_input) if is_text else w.add("IsNaN", any_input)
    return w.add("Xor", same, same)


def _row(w: GuardWriter, values: Floats) -> str:
    return w.constant(np.asarray(values, dtype=np.float64).reshape(1, -1))
