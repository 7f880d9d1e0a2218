"""What does the model give away, and did the answer leak into its training?"""

from expectations.records import Evidence
from tasks.check import Check, Subject, not_applicable, on_package


def measure(subject: Subject) -> Evidence:
    """TODO."""
    return not_applicable("leakage", "it is not built yet")


QUESTION = "What does the model give away, and did the answer leak into its training?"
CHECK = Check("leakage", measure, on_package, "Leakage", QUESTION)
