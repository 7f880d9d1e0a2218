"""Does a probability of 0.8 mean eight of ten, and in every group?"""

from expectations.records import Evidence
from tasks.check import Check, Subject, not_applicable, on_package


def measure(subject: Subject) -> Evidence:
    """TODO."""
    return not_applicable("calibration", "it is not built yet")


QUESTION = "Does a probability of 0.8 mean eight of ten, and in every group?"
CHECK = Check("calibration", measure, on_package, "Calibration", QUESTION)
