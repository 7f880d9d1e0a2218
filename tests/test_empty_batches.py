"""A batch without records is answered: with nothing."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import AdaBoostRegressor, BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from infra.runtime import Scorer, estimator_predictions
from tasks.conversion.export import export

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({"a": RNG.random(120), "b": RNG.random(120)})
LABELS = pd.Series(np.where(FRAME["a"] + FRAME["b"] > 1, "yes", "no"))


@pytest.mark.parametrize(
    "model",
    [
        BaggingClassifier(n_estimators=3),
        BernoulliNB(binarize=0.5),
        ComplementNB(),
        GaussianNB(),
        MultinomialNB(),
        MLPClassifier(max_iter=20),
        KNeighborsClassifier(3),
        SVC(),
        LogisticRegression(),
    ],
    ids=lambda one: type(one).__name__,
)
@pytest.mark.parametrize("labels", [LABELS, LABELS.map({"yes": 7, "no": 3})], ids=["texts", "numbers"])
@pytest.mark.filterwarnings("ignore")
def test_no_records_have_no_answers_and_some_have_theirs(model, labels):
    fitted = model.fit(FRAME, labels)
    scorer = Scorer(export(fitted, FRAME, "m", "double"))
    assert scorer.score(FRAME.head(0)).values.shape == (0,)
    assert (scorer.score(FRAME).values == estimator_predictions(fitted, FRAME).values).all()


def test_a_median_of_regressors_is_picked_from_nothing_too():
    fitted = AdaBoostRegressor(n_estimators=5, random_state=0).fit(FRAME, FRAME["a"] * 3)
    scorer = Scorer(export(fitted, FRAME, "m", "double"))
    assert scorer.score(FRAME.head(0)).values.shape == (0,)
    assert scorer.score(FRAME).values == pytest.approx(fitted.predict(FRAME))
