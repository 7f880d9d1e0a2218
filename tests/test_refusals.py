import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import NMF
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.manifold import Isomap
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import all_estimators

from tasks.conversion.refusals import REFUSED, estimators_inside, reason_of, refusals
from tasks.convert import CannotConvert, convert


class Doubling(StandardScaler):
    """A class of somebody's own."""


def test_it_is_told_before_any_training():
    untrained = GridSearchCV(make_pipeline(MinMaxScaler(), NMF(2), LogisticRegression()), {})
    assert refusals(untrained) == [
        "NMF cannot be converted to ONNX: it solves an optimisation anew for every record. "
        "Instead: PCA or TruncatedSVD."
    ]


def test_all_that_is_refused_is_told_at_once():
    columns = make_column_transformer((TfidfVectorizer(), "note"), (Isomap(), ["a", "b"]))
    told = refusals(make_pipeline(columns, ClassifierChain(LogisticRegression())))
    assert sorted(sentence.split()[0] for sentence in told) == ["ClassifierChain", "Isomap", "TfidfVectorizer"]


def test_a_class_of_ones_own_is_refused_by_its_name():
    (told,) = refusals(make_pipeline(Doubling(), Ridge()))
    assert told.startswith("Doubling is a class of test_refusals")


def test_what_converts_is_not_refused():
    assert refusals(make_pipeline(StandardScaler(), LogisticRegression())) == []


def test_every_name_in_the_table_is_an_estimator_and_says_what_to_use_instead():
    known = {name for name, _ in all_estimators()}
    assert set(REFUSED) <= known
    assert all(why and instead for why, instead in REFUSED.values())


def test_conversion_says_the_same_sentence():
    frame = pd.DataFrame({"a": np.linspace(0, 1, 40), "b": np.linspace(1, 3, 40)})
    model = make_pipeline(NMF(1), Ridge()).fit(frame, frame["a"])
    with pytest.raises(CannotConvert) as error:
        convert(model, frame, "m", 1e-5)
    assert list(error.value.problems) == refusals(model)


def test_a_failure_of_megabytes_is_told_in_a_line():
    told = reason_of(RuntimeError("x" * 2_000_000), Ridge())
    assert len(told) < 500
    assert told.endswith("Instead: HistGradientBoostingRegressor, RandomForestRegressor or Ridge.")


def test_an_estimator_that_holds_itself_twice_is_walked_once():
    inner = LogisticRegression()
    assert [type(one) for one in estimators_inside(make_pipeline(inner, inner))].count(LogisticRegression) == 1


def test_a_candidate_that_was_never_trained_is_told_what_to_return():
    frame = pd.DataFrame({"a": np.linspace(0, 1, 40)})
    with pytest.raises(CannotConvert, match=r"Pipeline that was never trained\. Instead: end with `return model\.fit"):
        convert(make_pipeline(StandardScaler(), Ridge()), frame, "m", 1e-5)
