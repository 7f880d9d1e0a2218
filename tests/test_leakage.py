import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted.base import Planted
from planted.leakage import FAULTS
from planted.run import against, findings_of, subject_of
from qualified import case, parted, values
from sklearn.compose import make_column_transformer
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from expectations.judge import judge
from expectations.options.leakage import Leakage
from expectations.serving_spec import Serving
from expectations.spec import ReleaseSpec
from expectations.suites.leakage import leakage_suite
from infra.runtime import Predictions
from tasks.qualification.answers_seen import seen_by_callers
from tasks.qualification.areas import advantage, area, caught, interval, sure_area, sure_share, surely_above
from tasks.qualification.held_records import held_records
from tasks.qualification.leakage import measure_leakage, plots
from tasks.qualification.matrix import encoding_of
from tasks.qualification.shared_rows import Tables, duplicate_rows, future_rows, key_rows


def spec(tier=3, task="binary", **leakage):
    return ReleaseSpec.model_validate(
        {
            "model": {"name": "m", "task": task, "owner": "o", "positive": "yes" if task == "binary" else None},
            "candidate": {"train": "t:f"},
            "data": {"target": "y", "sources": {"s": {"path": "s.csv"}}},
            "risk": {"tier": tier},
            "checks": {"leakage": leakage},
        }
    )


def judged(evidence, its=None):
    suite = leakage_suite(its or spec(), [str(name) for name in evidence.metrics["metric"]])
    return {f.expectation: f.outcome.value for f in judge(evidence, suite, strict=True)}


def against_it(evidence, its=None):
    return {name: outcome for name, outcome in judged(evidence, its).items() if outcome != "passed"}


def numbers(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n), "c": rng.normal(size=n)})
    return frame.assign(y=np.where(frame["a"] - frame["b"] + rng.normal(0, 1, n) > 0, "yes", "no"))


def tables(one, **more):
    train, test = one.train.assign(answer=one.known), one.test.assign(answer=one.target)
    return Tables(train, test, tuple(one.train.columns), "answer", **more)


def measured(frame, estimator=None, asked=None, serving=None, **more):
    estimator = estimator or make_pipeline(StandardScaler(), LogisticRegression())
    classes = frame["y"].dtype.kind != "f"
    one = case(estimator, parted(frame), "y", positive="yes" if classes and set(frame["y"]) <= {"yes", "no"} else None)
    return measure_leakage(one, asked or Leakage(), serving or Serving(), tables(one, **more))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)
def test_a_leak_is_found(fault, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    found = against(findings_of(subject_of(fault, tmp_path), "leakage"))
    assert any(fault.says in one.expectation for one in found), found


@pytest.mark.parametrize(("seed", "train"), [(0, "boosting"), (1, "forest"), (2, "logistic")])
def test_a_clean_table_leaks_nothing(seed, train, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    clean = Planted("clean", "leakage", "", train=train)
    assert against(findings_of(subject_of(clean, tmp_path, seed), "leakage")) == []


def test_the_more_queries_the_better_the_copy_and_answers_teach_more_than_the_truth():
    found = values(measured(numbers()))["value"]
    assert found["copy:100"] <= found["copy:1000"] + 0.02
    assert found["copy:100"] > found["copy_from_truth:100"]
    assert found["copy:1800"] > 0.97


@pytest.mark.parametrize("outputs", ["all", "rounded", "label"])
def test_a_secret_logic_must_not_be_copied(outputs):
    evidence = measured(numbers(), serving=Serving(outputs=outputs))
    assert against_it(evidence) == {}
    assert against_it(evidence, spec(logic="secret"))["surely_copied:1800"] == "failed"
    assert evidence.facts["callers_get"] == outputs


def test_callers_of_labels_see_no_probability():
    said = Predictions(np.array(["no"], dtype=object), np.array([[0.777, 0.223]]), ("no", "yes"))
    assert seen_by_callers(said, Serving(outputs="label")).probabilities is None
    assert seen_by_callers(said, Serving(outputs="rounded")).probabilities.tolist() == [[0.78, 0.22]]
    assert seen_by_callers(Predictions(np.array([1.234])), Serving(outputs="label")).values.tolist() == [1.23]


def test_of_numbers_a_copy_is_told_and_nearest_neighbours_are_found():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=3000), "b": rng.normal(size=3000)})
    frame = frame.assign(y=frame["a"] + rng.normal(0, 1, 3000))
    its = spec(task="regression")
    clean = measured(frame, LinearRegression())
    assert against_it(clean, its) == {}
    assert values(clean).loc["copy:100", "value"] > 0.9
    found = against_it(measured(frame, KNeighborsRegressor(1)), its)
    assert {"records_inside_the_model", "surely_by_heart", "surely_membership_auc"} <= set(found)


def test_many_classes_and_mixed_columns_are_asked_alike():
    rng = np.random.default_rng(0)
    frame = numbers(2500).assign(town=rng.choice(["Ulm", "Bonn"], 2500))
    frame["y"] = np.select([frame["a"] > 0.7, frame["b"] > 0], ["x", "y"], "z")
    columns = make_column_transformer((StandardScaler(), ["a", "b", "c"]), (OneHotEncoder(), ["town"]))
    evidence = measured(frame, make_pipeline(columns, LogisticRegression()))
    assert against_it(evidence, spec(task="multiclass")) == {}
    assert all(plot.alt for plot in plots(evidence, {}) if plot)


def test_too_few_records_cannot_tell():
    found = judged(measured(numbers(120)))
    assert found["surely_membership_caught_at_1pct"] == "inconclusive"
    assert found["surely_membership_auc"] == "inconclusive"


@pytest.mark.parametrize(
    ("estimator", "held"),
    [
        (make_pipeline(StandardScaler(), KNeighborsClassifier(3)), 60),
        (BaggingClassifier(KNeighborsClassifier(3), n_estimators=2, random_state=0), 60),
        (LogisticRegression(), 0),
        (RandomForestClassifier(3), 0),
    ],
)
def test_records_in_a_model_are_found_however_deep(estimator, held):
    frame = numbers(60)
    found = held_records(estimator.fit(frame[["a", "b"]], frame["y"]))
    assert max((n for _, n in found), default=0) == held


def test_support_vectors_are_records_too():
    frame = numbers(80)
    assert held_records(SVC().fit(frame[["a", "b"]], frame["y"]))[0][0] == "SVC"


def test_a_shadow_that_cannot_be_trained_is_told_and_stops():
    class Once(LogisticRegression):
        def fit(self, features, target):
            if len(features) < 1800:
                raise ValueError("too few for me")
            return super().fit(features, target)

    one = case(make_pipeline(StandardScaler(), LogisticRegression()), parted(numbers()), "y", positive="yes")
    stubborn = type(one)(**{**one.__dict__, "candidate": Once})
    evidence = measure_leakage(stubborn, Leakage(), Serving(), tables(one))
    assert "too few for me" in evidence.facts["shadow"]
    assert judged(evidence)["surely_by_heart"] == "inconclusive"


def test_a_strong_feature_that_a_person_knows_is_not_asked():
    frame = numbers().assign(code=lambda rows: (rows["y"] == "yes") * 1.0)
    assert against_it(measured(frame))["surely_too_good:code"] == "failed"
    known = measured(frame, asked=Leakage(known_strong=("code",)))
    assert "alone:code" not in values(known).index


def test_two_features_that_tell_the_same_are_both_too_good():
    frame = numbers().assign(code=lambda rows: (rows["y"] == "yes") * 1.0, again=lambda rows: rows["code"] * 3)
    assert {"surely_too_good:code", "surely_too_good:again"} <= set(against_it(measured(frame)))


def rows(n=400, seed=0, **more):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"a": rng.normal(size=n), "b": rng.integers(0, 9, n), "y": rng.choice(["u", "v"], n)}).assign(
        **more
    )


@pytest.mark.parametrize(("copied", "share"), [(0, 0.0), (40, 0.1), (400, 1.0)])
def test_the_share_of_duplicates_is_the_share_that_was_copied(copied, share):
    train, test = rows(seed=1), rows(seed=2)
    test = pd.concat([train.head(copied), test.iloc[copied:]])
    pair = Tables(train, test, ("a", "b"), "y")
    found, which = duplicate_rows(pair, encoding_of(train[["a", "b"]]), 0)
    assert dict((name, value) for name, value, *_ in found)["duplicates"] == share
    assert which.sum() == copied


def test_coarse_values_meet_by_chance_and_that_is_no_duplicate():
    rng = np.random.default_rng(0)
    train, test = (pd.DataFrame({"a": rng.integers(0, 4, 500), "b": rng.integers(0, 4, 500), "y": "u"}) for _ in "12")
    found, _ = duplicate_rows(Tables(train, test, ("a", "b"), "y"), encoding_of(train[["a", "b"]]), 0)
    values_of = {name: value for name, value, *_ in found}
    assert values_of["duplicates"] == 1.0
    assert values_of["surely_duplicates"] == values_of["surely_near_duplicates"] == 0.0


@pytest.mark.parametrize(
    ("later", "share"),
    [
        (lambda when: when + pd.Timedelta(days=1), 1.0),
        (lambda when: when - pd.Timedelta(days=1), 0.0),
        (lambda when: when, 0.0),
        (lambda when: (when + pd.Timedelta(days=1)).dt.strftime("%Y-%m-%dT%H:%M:%S"), 1.0),
        (lambda when: when.dt.year + 1, 1.0),
        (lambda when: when.dt.year, 0.0),
        (lambda when: (when - pd.Timestamp(0)).dt.total_seconds() + 60, 1.0),
        (lambda when: ((when - pd.Timestamp(0)).dt.total_seconds() - 60) * 1000, 0.0),
    ],
)
def test_a_value_after_the_event_is_from_the_future(later, share):
    when = pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(400) * 3, unit="D"))
    both = rows(when=when, known=later(when))
    found = future_rows(Tables(both, both.head(0), ("a", "b", "known"), "y", "when"))
    assert [(name, value) for name, value, *_ in found if name.startswith("later")] == [
        ("later_than_event:known", share)
    ]


def test_what_is_no_time_or_known_ahead_is_not_asked():
    when = pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(400), unit="D"))
    both = rows(when=when, due=when + pd.Timedelta(days=30), words="2020", flag=True)
    asked = Tables(both, both.head(0), ("a", "b", "due", "words", "flag"), "y", "when", known_ahead=("due",))
    assert future_rows(asked) == []
    assert future_rows(Tables(both, both.head(0), ("a", "due"), "y")) == []


def test_a_key_on_both_sides_is_told_unless_rows_are_split_by_it():
    who = np.random.default_rng(0).integers(0, 120, 800)
    frame = rows(800, a=np.random.default_rng(1).normal(size=120)[who].round(3), who=[f"p{one}" for one in who])
    pair = Tables(frame.head(600), frame.tail(200), ("a", "b"), "y")
    assert [name for name, *_ in key_rows(pair, 0)][:1] == ["key_on_both_sides:who"]
    assert key_rows(Tables(frame.head(600), frame.tail(200), ("a", "b"), "y", random=False), 0) == []


def test_a_whole_number_that_is_a_feature_is_no_key():
    frame = rows(800, size=np.random.default_rng(0).integers(0, 200, 800))
    assert key_rows(Tables(frame.head(600), frame.tail(200), ("a", "b", "size"), "y"), 0) == []


numbers_of_scores = st.lists(st.integers(0, 20), min_size=2, max_size=40)


@given(numbers_of_scores, numbers_of_scores)
def test_the_area_is_scikit_learns_and_inside_its_interval(yes, no):
    value, low, high = area(np.array(yes, float), np.array(no, float))
    assert value == pytest.approx(roc_auc_score([1] * len(yes) + [0] * len(no), yes + no))
    assert low <= value <= high
    assert sure_area(value, len(yes), len(no), 0.005) <= value


@given(st.integers(1, 400), st.floats(0, 1))
def test_a_sure_share_is_never_more_than_the_share(n, share):
    hits = int(share * n)
    assert sure_share(hits, n, 0.005) <= hits / n
    low, high = interval(hits, n)[1:]
    assert 0 <= low <= hits / n <= high <= 1


def test_a_threshold_of_one_percent_is_sure_once_there_are_enough():
    assert surely_above(549, 0.01, 0.004) == -1
    assert surely_above(550, 0.01, 0.004) == 0
    far, near = np.full(100, 9.0), np.linspace(0, 1, 1000)
    assert caught(far, near, 0.01, 0.005) > 0.9
    assert caught(near, near, 0.01, 0.005) < 0.02
    assert caught(far, near[:100], 0.01, 0.005) == 0.0
    assert advantage(far, near)[0] == 1.0


def test_one_percent_is_seldom_surpassed():
    """Of 400 samples of two groups that are alike, hardly one says that more than 2 % are surely caught."""
    rng = np.random.default_rng(0)
    found = [caught(rng.normal(size=600), rng.normal(size=600), 0.01, 0.05) > 0.01 for _ in range(400)]
    assert np.mean(found) <= 0.05
