"""Where do data and dependencies come from, and may they be used?"""

from expectations.records import Evidence
from tasks.check import Check, Subject, not_applicable, on_package


def measure(subject: Subject) -> Evidence:
    """TODO."""
    return not_applicable("provenance", "it is not built yet")


QUESTION = "Where do data and dependencies come from, and may they be used?"
CHECK = Check("provenance", measure, on_package, "Provenance", QUESTION)
