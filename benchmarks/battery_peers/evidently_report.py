"""Evidently's presets with their own tests: those that failed."""

import os
import re

os.environ["DO_NOT_TRACK"] = "1"

from case import answer
from evidently import BinaryClassification, DataDefinition, Dataset, Report
from evidently.presets import ClassificationPreset, DataDriftPreset, DataSummaryPreset

NUMBER = re.compile(r"(?<![\w.])-?\d[\d.]*(e[+-]?\d+)?(?![\w])")


def find(case):
    """Test rows against training rows, with the model's answers."""
    definition = DataDefinition(
        numerical_columns=[name for name in case.features if name not in case.categories],
        categorical_columns=[*case.categories],
        classification=[
            BinaryClassification(
                target=case.target, prediction_labels="said", prediction_probas="chance", pos_label=case.positive
            )
        ],
    )
    current, reference = (
        Dataset.from_pandas(_answered(case, rows), data_definition=definition) for rows in (case.test, case.train)
    )
    report = Report([DataSummaryPreset(), DataDriftPreset(), ClassificationPreset()], include_tests=True)
    told = report.run(current, reference).dict()
    failed = [one["name"] for one in told["tests"] if str(one["status"]).endswith(("FAIL", "ERROR"))]
    # A test is named by its limit too, which hangs on the table: the same issue of two tables is to have one name.
    return sorted({NUMBER.sub("#", name) for name in failed})


def _answered(case, rows):
    chances = case.model.predict_proba(rows[case.features])
    place = list(case.model.classes_).index(case.positive)
    return rows.assign(said=case.model.predict(rows[case.features]), chance=chances[:, place])


answer(find)
