"""How small a plausible change turns the decision?"""

from expectations.records import Evidence
from tasks.check import Check, Subject, not_applicable, on_package


def measure(subject: Subject) -> Evidence:
    """TODO."""
    return not_applicable("robustness", "it is not built yet")


QUESTION = "How small a plausible change turns the decision?"
CHECK = Check("robustness", measure, on_package, "Robustness", QUESTION)
