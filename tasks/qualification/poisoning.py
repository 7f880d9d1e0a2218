"""Which training records and sources are suspect, and how much hangs on them?"""

from expectations.records import Evidence
from tasks.check import Check, Subject, not_applicable, on_package


def measure(subject: Subject) -> Evidence:
    """TODO."""
    return not_applicable("poisoning", "it is not built yet")


QUESTION = "Which training records and sources are suspect, and how much hangs on them?"
CHECK = Check("poisoning", measure, on_package, "Poisoning", QUESTION)
