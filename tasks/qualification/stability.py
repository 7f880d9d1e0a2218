"""Does a slight change of a record change the answer slightly, and does the model hold over time?"""

from expectations.records import Evidence
from tasks.check import Check, Subject, not_applicable, on_package


def measure(subject: Subject) -> Evidence:
    """TODO."""
    return not_applicable("stability", "it is not built yet")


QUESTION = "Does a slight change of a record change the answer slightly, and does the model hold over time?"
CHECK = Check("stability", measure, on_package, "Stability", QUESTION)
