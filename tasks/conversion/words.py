"""Words of a text as columns: counts and tf-idf of texts that are split at spaces, with operators of the standard.

ONNX splits at a given separator and not by a regular expression, and lowers letters as the machine's locale says. So
what is converted exactly is `token_pattern="[^ ]+"` with `lowercase=False`; the data source lowers and separates.
"""

from typing import Any

import numpy as np

from tasks.conversion.converter import Converter
from tasks.conversion.ops import Ops, columns_converter

SPLITS = "[^ ]+"
NEEDED: dict[str, tuple[Any, ...]] = {
    "token_pattern": (SPLITS,),
    "lowercase": (False,),
    "analyzer": ("word",),
    "ngram_range": ((1, 1), [1, 1]),
    "strip_accents": (None,),
    "preprocessor": (None,),
    "tokenizer": (None,),
}


def converters() -> list[Converter]:
    """Counts of words, and their tf-idf."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

    return [
        columns_converter(kind, _write, lambda model: len(model.vocabulary_))
        for kind in (CountVectorizer, TfidfVectorizer)
    ]


def why_not(model: Any) -> tuple[str, str] | None:
    """(why it has no form in ONNX, what to use instead) of a vectoriser, trained or not; None where it has one."""
    given = model.get_params(deep=False)
    wrong = [name for name, allowed in NEEDED.items() if given.get(name) not in allowed]
    if not wrong:
        return None
    found = ", ".join(f"{name}={given.get(name)!r}" for name in wrong)
    instead = f'{type(model).__name__}(token_pattern="{SPLITS}", lowercase=False), texts lowered in the data source'
    return f"takes words from a text in a way that the ONNX standard has not ({found})", instead


def _write(ops: Ops, model: Any, columns: list[tuple[str, bool]]) -> str:
    if told := why_not(model):
        raise NotImplementedError(f"{type(model).__name__} {told[0]}. Instead: {told[1]}.")
    [(column, is_text)] = columns
    if not is_text:
        raise NotImplementedError(f"{type(model).__name__}: expected a column of texts, found numbers.")
    return _weighted(ops, model, _counts(ops, model, column))


def _counts(ops: Ops, model: Any, column: str) -> str:
    """(n, words) how often each word of the vocabulary stands in each text."""
    words = sorted(model.vocabulary_, key=model.vocabulary_.__getitem__)
    # Nothing has no counts: a text more, for a batch without one, and a space at the end of each, for empty ones.
    texts = ops("Concat", ops("Reshape", column, [-1]), _texts(ops, [""]), axis=0)
    tokens, _ = ops.two("StringSplit", ops("StringConcat", texts, _texts(ops, [" "])), delimiter=" ")
    counts = ops(
        "TfIdfVectorizer",
        tokens,
        mode="TF",
        min_gram_length=1,
        max_gram_length=1,
        max_skip_count=0,
        ngram_counts=[0],
        ngram_indexes=list(range(len(words))),
        pool_strings=words,
    )
    return ops.number(ops("Slice", counts, [0], [-1], [0]))


def _texts(ops: Ops, texts: list[str]) -> str:
    return ops("Constant", value_strings=texts)


def _weighted(ops: Ops, model: Any, counts: str) -> str:
    if model.binary:
        counts = ops("Min", counts, 1.0)
    if getattr(model, "sublinear_tf", False):
        seen = ops("Greater", counts, 0.0)
        counts = ops("Where", seen, ops("Add", ops("Log", ops("Max", counts, 1.0)), 1.0), 0.0)
    if getattr(model, "use_idf", False):
        counts = ops("Mul", counts, np.asarray(model.idf_, dtype=np.float64).reshape(1, -1))
    norm = getattr(model, "norm", None)
    if norm is None:
        return counts
    squares = ops.sum(ops("Mul", counts, counts))
    length = ops("Sqrt", squares) if norm == "l2" else ops.sum(ops("Abs", counts))
    # A text without a known word has the length 0, and stays as it is.
    return ops("Div", counts, ops("Where", ops("Equal", length, 0.0), 1.0, length))
