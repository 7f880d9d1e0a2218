"""Deepchecks' full suite: the checks whose conditions did not hold."""

import os

os.environ["DEEPCHECKS_DISABLE_LATEST"] = "true"
os.environ["DISABLE_LATEST_VERSION_CHECK"] = "true"

from case import answer
from deepchecks.tabular import Dataset
from deepchecks.tabular.suites import full_suite


def find(case):
    """Names of checks that failed or warned."""
    train, test = (
        Dataset(rows[[*case.features, case.target]], label=case.target, cat_features=case.categories)
        for rows in (case.train, case.test)
    )
    result = full_suite().run(train, test, case.model)
    return [one.get_header() for one in (*result.get_not_passed_checks(fail_if_warning=True),)]


answer(find)
