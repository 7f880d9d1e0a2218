"""What do the answers depend on?"""

from expectations.records import Evidence
from tasks.check import Check, Subject, not_applicable, on_package


def measure(subject: Subject) -> Evidence:
    """TODO."""
    return not_applicable("explanations", "it is not built yet")


QUESTION = "What do the answers depend on?"
CHECK = Check("explanations", measure, on_package, "Explanations", QUESTION)
