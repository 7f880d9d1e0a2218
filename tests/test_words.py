"""Texts enter the graph as words, and are counted there as scikit-learn counts them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from infra.runtime import Scorer, estimator_predictions
from tasks.conversion.export import export
from tasks.convert import CannotConvert, convert
from tasks.parity import is_near

TEXTS = [
    "win a prize now",
    "re: our meeting",
    "re: re: lunch",
    "a  prize , a prize",
    "Élan vital !",
    "none",
    "lunch now",
]
EXACT = {"token_pattern": "[^ ]+", "lowercase": False}


def table(n=210):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"subject": rng.choice(TEXTS, n), "size": rng.normal(size=n)})
    return frame, frame["subject"].str.contains("prize") + frame["size"] / 9


def pipeline(vectoriser, model):
    return make_pipeline(make_column_transformer((vectoriser, "subject"), remainder="passthrough"), model)


@pytest.mark.parametrize(
    "vectoriser",
    [
        CountVectorizer(**EXACT),
        CountVectorizer(**EXACT, binary=True, stop_words=["a"]),
        TfidfVectorizer(**EXACT),
        TfidfVectorizer(**EXACT, sublinear_tf=True, norm="l1", min_df=2),
        TfidfVectorizer(**EXACT, use_idf=False, norm=None, max_features=4),
    ],
    ids=lambda one: f"{type(one).__name__}-{one.norm if hasattr(one, 'norm') else one.binary}",
)
def test_words_are_counted_as_scikit_learn_counts_them(vectoriser):
    frame, target = table()
    model = pipeline(vectoriser, Ridge()).fit(frame, target)
    _, evidence = convert(model, frame, "m", 1e-9)
    assert is_near(evidence, 1e-9)


def test_probabilities_of_a_text_model_are_the_same():
    frame, target = table()
    model = pipeline(TfidfVectorizer(**EXACT), LogisticRegression()).fit(frame, target > 0.5)
    _, evidence = convert(model, frame, "m", 1e-6)
    assert is_near(evidence, 1e-6)


FRAME, TARGET = table()
MODEL = pipeline(TfidfVectorizer(**EXACT), Ridge()).fit(FRAME, TARGET)
GRAPH = Scorer(export(MODEL, FRAME, "m", "double"))


@given(
    st.lists(st.text(st.sampled_from("a prizelunchnow:,\t\u00a0\u3000É\u200b\n"), max_size=30), min_size=1, max_size=5)
)
def test_any_text_is_split_where_scikit_learn_splits_it(texts):
    frame = pd.DataFrame({"subject": pd.Series(texts, dtype="str"), "size": 0.0})
    assert GRAPH.score(frame).values == pytest.approx(estimator_predictions(MODEL, frame).values, abs=1e-12)


@pytest.mark.parametrize("given", [{}, {"ngram_range": (1, 2), **EXACT}, {"analyzer": "char", **EXACT}])
def test_what_the_standard_cannot_split_is_refused_with_what_works(given):
    frame, target = table()
    model = pipeline(TfidfVectorizer(**given), Ridge()).fit(frame, target)
    with pytest.raises(CannotConvert, match=r'TfidfVectorizer\(token_pattern="\[\^ \]\+", lowercase=False\)'):
        convert(model, frame, "m", 1e-5)
