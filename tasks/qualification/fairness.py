"""Are people treated alike, whatever their protected attributes?"""

from expectations.records import Evidence
from tasks.check import Check, Subject, not_applicable, on_package


def measure(subject: Subject) -> Evidence:
    """TODO."""
    return not_applicable("fairness", "it is not built yet")


QUESTION = "Are people treated alike, whatever their protected attributes?"
CHECK = Check("fairness", measure, on_package, "Fairness", QUESTION)
