"""For whom is the model worse?"""

from expectations.records import Evidence
from tasks.check import Check, Subject, not_applicable, on_package


def measure(subject: Subject) -> Evidence:
    """TODO."""
    return not_applicable("slices", "it is not built yet")


QUESTION = "For whom is the model worse?"
CHECK = Check("slices", measure, on_package, "Slices", QUESTION)
