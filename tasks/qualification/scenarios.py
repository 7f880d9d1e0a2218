"""What does the package say of records that were made to provoke it?"""

from expectations.records import Evidence
from tasks.check import Check, Subject, not_applicable, on_package


def measure(subject: Subject) -> Evidence:
    """TODO."""
    return not_applicable("scenarios", "it is not built yet")


QUESTION = "What does the package say of records that were made to provoke it?"
CHECK = Check("scenarios", measure, on_package, "Scenarios", QUESTION)
