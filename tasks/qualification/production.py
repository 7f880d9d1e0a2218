"""Is production what training was made for?"""

from expectations.records import Evidence
from tasks.check import Check, Subject, not_applicable, on_package


def measure(subject: Subject) -> Evidence:
    """TODO."""
    return not_applicable("production", "it is not built yet")


QUESTION = "Is production what training was made for?"
CHECK = Check("production", measure, on_package, "Data and production", QUESTION)
