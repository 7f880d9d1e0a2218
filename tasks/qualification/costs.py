"""What do errors cost, and what does running cost?"""

from expectations.records import Evidence
from tasks.check import Check, Subject, not_applicable, on_package


def measure(subject: Subject) -> Evidence:
    """TODO."""
    return not_applicable("costs", "it is not built yet")


QUESTION = "What do errors cost, and what does running cost?"
CHECK = Check("costs", measure, on_package, "Costs", QUESTION)
