import numpy as np
import pandas as pd
import pytest
from cleanlab.filter import find_label_issues
from hypothesis import given
from hypothesis import strategies as st
from planted.base import Planted
from planted.poisoning import CLEAN_WITH_SOURCES, FAULTS
from planted.run import against, findings_of, subject_of
from pydantic import ValidationError
from qualified import case, parted, values
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from expectations.errors import CannotAsk
from expectations.judge import judge
from expectations.options.poisoning import Poisoning
from expectations.spec import ReleaseSpec
from expectations.suites.poisoning import poisoning_suite
from tasks.qualification.influence import flipped
from tasks.qualification.poisoning import measure_poisoning, plots
from tasks.qualification.stand_in import Goal, group_folds
from tasks.qualification.suspects import confident_labels, neighbours, of_labels


def spec(tier=3, task="binary", **poisoning):
    return ReleaseSpec.model_validate(
        {
            "model": {"name": "m", "task": task, "owner": "o", "positive": "yes" if task == "binary" else None},
            "candidate": {"train": "t:f"},
            "data": {"target": "y", "sources": {"s": {"path": "s.csv"}}},
            "risk": {"tier": tier},
            "checks": {"poisoning": poisoning},
        }
    )


def judged(evidence, its=None):
    suite = poisoning_suite(its or spec(), [str(name) for name in evidence.metrics["metric"]])
    return {f.expectation: f.outcome.value for f in judge(evidence, suite, strict=True)}


def numbers(n=3000, seed=0):
    """Two numbers decide a label with little doubt."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n)})
    return frame.assign(y=np.where(2 * frame["a"] - frame["b"] + rng.normal(0, 0.4, n) > 0, "yes", "no"))


def labelled(frame, **more):
    return case(make_pipeline(StandardScaler(), LogisticRegression()), parted(frame), "y", positive="yes", **more)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)
def test_poison_is_found(fault, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    found = against(findings_of(subject_of(fault, tmp_path), "poisoning"))
    assert any(fault.says in one.expectation for one in found), found


@pytest.mark.parametrize("seed", range(3))
def test_a_clean_table_with_sources_raises_no_alarm(seed, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    assert against(findings_of(subject_of(CLEAN_WITH_SOURCES, tmp_path, seed), "poisoning")) == []


def test_without_a_source_in_the_spec_labels_alone_are_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    findings = findings_of(subject_of(Planted("clean", "poisoning", ""), tmp_path), "poisoning")
    assert [one.expectation for one in findings] == ["surely_contradicted_where_surest"]


def test_a_source_that_is_no_column_is_told_with_those_that_are(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    fault = Planted("clean", "poisoning", "", spec={"checks": {"poisoning": {"source": "shop"}}})
    with pytest.raises(
        CannotAsk, match=r"checks\.poisoning\.source: expected a column, found 'shop'; there are income"
    ):
        findings_of(subject_of(fault, tmp_path), "poisoning")


def test_planted_noise_is_ranked_first():
    frame, rng = numbers(), np.random.default_rng(1)
    wrong = rng.random(len(frame)) < 0.08
    noisy = frame.assign(y=np.where(wrong, np.where(frame["y"] == "yes", "no", "yes"), frame["y"]))
    evidence = measure_poisoning(labelled(noisy), Poisoning())
    planted = set(np.flatnonzero(wrong[: int(0.6 * len(frame))]))
    shown = evidence.records["row"].tolist()
    caught = planted & set(shown)
    assert len(caught) / len(planted) > 0.85
    assert len(planted & set(shown[:100])) / 100 > 0.9
    assert values(evidence).loc["noise:yes", "value"] == pytest.approx(0.08, abs=0.05)
    assert all(plot.alt for plot in plots(evidence, {}) if plot)


@given(st.integers(2, 5), st.integers(0, 10_000))
def test_suspects_are_those_of_cleanlab(classes, seed):
    """Of several confident classes cleanlab takes the likeliest of all, the paper the likeliest of these."""
    rng = np.random.default_rng(seed)
    odds = np.exp(rng.normal(size=(120, classes)) * 1.5)
    chances = odds / odds.sum(axis=1, keepdims=True)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, 120 - classes)])
    theirs = find_label_issues(labels, chances, filter_by="confident_learning", n_jobs=1)
    confident, likely = confident_labels(chances, labels), chances.argmax(axis=1)
    over = chances >= [chances[labels == label, label].mean() for label in range(classes)]
    same_rule = (over.sum(axis=1) < 2) | (confident == likely)
    ours = (confident >= 0) & (confident != labels) & (likely != labels)
    assert (ours == theirs)[same_rule].all()
    assert same_rule.mean() > 0.8


def test_of_numbers_what_is_far_from_what_the_others_say_is_suspect():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=1500), "b": rng.normal(size=1500)})
    frame = frame.assign(y=3 * frame["a"] + rng.normal(0, 0.3, 1500))
    frame.loc[[5, 50, 500], "y"] += 20
    evidence = measure_poisoning(case(LinearRegression(), parted(frame), "y"), Poisoning())
    assert set(evidence.records["row"][:3]) == {5, 50, 500}
    assert set(judged(evidence, spec(task="regression")).values()) == {"passed"}
    assert "The suspect records" in [plot.title for plot in plots(evidence, {}) if plot]


def test_of_numbers_a_quarter_of_values_from_elsewhere_is_found():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=1500)}).assign(y=lambda rows: 3 * rows["a"] + rng.normal(0, 0.3, 1500))
    chosen = rng.random(1500) < 0.25
    frame.loc[chosen, "y"] = rng.permutation(frame.loc[chosen, "y"].to_numpy()) + 5
    evidence = measure_poisoning(case(LinearRegression(), parted(frame), "y"), Poisoning())
    assert judged(evidence, spec(task="regression"))["surely_contradicted_where_surest"] == "failed"


def test_many_classes_are_asked_alike():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=2000), "b": rng.normal(size=2000)})
    frame["y"] = np.select([frame["a"] > 0.7, frame["b"] > 0], ["x", "y"], "z")
    evidence = measure_poisoning(labelled(frame), Poisoning())
    assert set(judged(evidence, spec(task="multiclass")).values()) == {"passed"}
    assert {"noise:x", "noise:y", "noise:z"} <= set(values(evidence).index)


def test_too_few_records_cannot_tell():
    evidence = measure_poisoning(labelled(numbers(120)), Poisoning())
    assert judged(evidence)["surely_contradicted_where_surest"] == "inconclusive"
    assert judged(evidence, spec(tier=2))["surely_contradicted_where_surest"] == "warned"


@pytest.mark.parametrize(("value", "outcome"), [(0.1, "passed"), (np.nextafter(0.1, 1), "failed")])
def test_the_limit_itself_still_holds(value, outcome):
    evidence = measure_poisoning(labelled(numbers(1200)), Poisoning())
    evidence.metrics.loc[evidence.metrics["metric"] == "surely_contradicted_where_surest", "value"] = value
    assert judged(evidence)["surely_contradicted_where_surest"] == outcome


def test_a_spec_may_ask_for_more_and_not_for_less():
    evidence = measure_poisoning(labelled(numbers(1200)), Poisoning())
    evidence.metrics.loc[evidence.metrics["metric"] == "surely_contradicted_where_surest", "value"] = 0.05
    assert judged(evidence, spec(contradicted=0.04))["surely_contradicted_where_surest"] == "failed"
    with pytest.raises(ValidationError, match=r"less than or equal to 0\.1"):
        spec(contradicted=0.4)


def test_gaps_truth_values_and_constants_are_no_trouble():
    rng = np.random.default_rng(0)
    frame = numbers(1500).assign(flag=lambda rows: rows["a"] > 0, constant=1.0, empty=np.nan)
    one = labelled(numbers(1500))
    features = frame.drop(columns="y").head(900).assign(a=lambda rows: rows["a"].where(rng.random(len(rows)) < 0.7))
    evidence = measure_poisoning(type(one)(**{**one.__dict__, "train": features}), Poisoning())
    assert np.isfinite(values(evidence).loc["suspects", "value"])


def test_hidden_values_are_not_shown_and_hidden_sources_are_numbered():
    frame = numbers(2000)
    source = pd.Series(np.where(np.arange(1200) % 3 == 0, "Ulm", "Bonn"), name="town")
    one = labelled(frame, roles={"a": ("sensitive",), "town": ("protected",)})
    evidence = measure_poisoning(one, Poisoning(), source, pd.Series(["Ulm"] * len(one.test), name="town"))
    assert set(evidence.records["feature a"]) <= {"not shown"}
    assert set(evidence.facts["sources"]) == {"source 1", "source 2"}
    assert not evidence.metrics["metric"].str.contains("Ulm").any()


def test_what_cannot_be_trained_without_a_source_is_inconclusive():
    class Stubborn(LogisticRegression):
        def fit(self, features, target):
            if len(features) not in (500, 1200):
                raise ValueError("I want all rows")
            return super().fit(features, target)

    frame = numbers(2000)
    one = labelled(frame)
    stubborn = type(one)(**{**one.__dict__, "candidate": lambda: Stubborn()})
    source = pd.Series(np.where(np.arange(1200) % 3 == 0, "Ulm", "Bonn"), name="town")
    test = pd.Series(np.where(np.arange(len(one.test)) % 3 == 0, "Ulm", "Bonn"), name="town")
    evidence = measure_poisoning(stubborn, Poisoning(cpu_seconds=600), source, test)
    assert judged(evidence)["surely_better_without:Ulm"] == "inconclusive"
    assert "I want all rows" in evidence.facts["could_not_be_trained"][0]


def test_sources_too_small_to_tell_of_are_one():
    one = labelled(numbers(3000))
    source = pd.Series([f"shop {at % 600}" if at % 2 else "main" for at in range(1800)], name="shop")
    test = pd.Series(["main"] * len(one.test), name="shop")
    evidence = measure_poisoning(one, Poisoning(), source, test)
    assert evidence.facts["sources"] == {"all smaller sources": 900, "main": 900}


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=60))
def test_no_group_is_in_two_folds(groups):
    folds = group_folds(np.array(groups, dtype=object))
    assert len({(group, fold) for group, fold in zip(groups, folds, strict=True)}) == len(set(groups))


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=30))
def test_numbers_turned_round_twice_are_themselves(given_values):
    target, mine = pd.Series(given_values, dtype=float), np.arange(len(given_values)) % 2 == 0
    turned_once = flipped(target, mine, classifies=False)
    assert (turned_once[~mine] == target[~mine]).all()
    assert np.allclose(2 * target.median() - turned_once[mine], target[mine], atol=1e-6)


def test_a_row_is_not_its_own_neighbour():
    points = np.zeros((30, 2))
    assert not (neighbours(points, 0) == np.arange(30)[:, None]).any()
    assert neighbours(np.zeros((1, 2)), 0).shape == (1, 0)


def test_rows_are_suspect_by_confidence_and_not_by_being_hard():
    told = np.array([[0.9, 0.1], [0.2, 0.8], [0.05, 0.95], [0.45, 0.55]])
    one = of_labels(told, Goal(np.array([0, 1, 0, 0]), 2), np.zeros((4, 0), dtype=np.int64), ("no", "yes"))
    assert one.suspect.tolist() == [False, False, True, False]
