"""The table of docs/conversion.md is what a run gives: no estimator falls out of it unseen."""

import re

import pytest

from benchmarks.bench_conversion import BEGIN, CLEAN, DOCS, END, REFUSED, STOPPED, WRONG, measure
from benchmarks.conversion_cases import cases

CASES = {f"{case.kind}: {case.key}": case for case in cases()}


def told_by_the_docs():
    """(kind, name): result, from the tables."""
    found, kind = {}, ""
    kinds = {"Classifiers": "classifier", "Regressors": "regressor", "Outlier": "outlier detector"}
    for line in DOCS.read_text().split(BEGIN)[1].split(END)[0].splitlines():
        if line.startswith("### "):
            kind = kinds.get(line.split()[1], "transformer")
        elif (row := re.match(r"\| (\w+) \| ([\w ]+) \|", line)) and row[1] != "estimator":
            found[kind, row[1]] = row[2]
    return found


DOCUMENTED = told_by_the_docs()


@pytest.mark.parametrize("name", sorted(CASES))
def test_an_estimator_converts_as_the_docs_say(name):
    case = CASES[name]
    row = measure(case, with_plain=False)
    assert row.ours not in (WRONG, STOPPED)
    assert row.ours == DOCUMENTED[case.kind, case.name] == (REFUSED if row.reason else CLEAN)
    assert not row.reason or "Instead: " in row.reason


def test_the_docs_name_no_other_estimator():
    assert set(DOCUMENTED) == {(case.kind, case.name) for case in CASES.values()}


def test_a_conversion_that_is_wrong_on_unseen_rows_is_called_so(monkeypatch):
    from infra.runtime import Predictions, Scorer

    case = CASES["regressor: Ridge"]
    right = Scorer.score

    def wrong(self, rows):
        found = right(self, rows)
        return Predictions(found.values * (1 if len(rows) != len(case.held_out) else 1.001))

    monkeypatch.setattr(Scorer, "score", wrong)
    assert measure(case, with_plain=False).ours == WRONG
