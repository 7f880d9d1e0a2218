"""What does somebody gain by changing only what is in their control?"""

from expectations.records import Evidence
from tasks.check import Check, Subject, not_applicable, on_package


def measure(subject: Subject) -> Evidence:
    """TODO."""
    return not_applicable("gaming", "it is not built yet")


QUESTION = "What does somebody gain by changing only what is in their control?"
CHECK = Check("gaming", measure, on_package, "Gaming", QUESTION)
