"""Giskard's scan: one line for each kind of issue and the feature that it names."""

import os

os.environ["GSK_DISABLE_ANALYTICS"] = "True"

import giskard
from case import answer


def find(case):
    """The issues of a scan with everything that needs no language model."""
    data = giskard.Dataset(case.test, target=case.target, cat_columns=case.categories, validation=False)
    model = giskard.Model(
        lambda rows: case.model.predict_proba(rows[case.features]),
        model_type="classification",
        classification_labels=list(case.model.classes_),
        feature_names=case.features,
    )
    report = giskard.scan(model, data, verbose=False, raise_exceptions=False)
    return [f"{issue.group.name}: {', '.join(map(str, issue.features or []))}" for issue in report.issues]


answer(find)
