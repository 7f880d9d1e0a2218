"""The findings as JUnit XML: every continuous-integration service can read them as tests."""

from itertools import groupby
from xml.etree import ElementTree as Tree

from expectations.verdicts import Finding, Outcome

# What an outcome is among tests. A warning is a test that passed, and says so in its output.
ELEMENT = {Outcome.FAILED: "failure", Outcome.INCONCLUSIVE: "failure", Outcome.ERRORED: "error"}
# Characters that no XML may hold.
ALLOWED = frozenset("\t\n\r")


def junit_xml(release: str, findings: list[Finding]) -> bytes:
    """One suite for each step and one case for each expectation, in UTF-8."""
    root = Tree.Element("testsuites", {"name": _clean(release), **_counts(findings)})
    for step, mine in groupby(sorted(findings, key=lambda one: one.step), key=lambda one: one.step):
        held = list(mine)
        suite = Tree.SubElement(root, "testsuite", {"name": _clean(step), **_counts(held)})
        for finding in held:
            _case(suite, finding)
    Tree.indent(root)
    return bytes(Tree.tostring(root, encoding="utf-8", xml_declaration=True))


def _case(suite: Tree.Element, finding: Finding) -> None:
    case = Tree.SubElement(suite, "testcase", classname=_clean(finding.step), name=_clean(finding.expectation))
    told = f"expected {finding.expected or '–'}, found {finding.found or '–'}"
    if element := ELEMENT.get(finding.outcome):
        problem = Tree.SubElement(case, element, message=_clean(told), type=finding.outcome.value)
        problem.text = _clean(f"{told}\n{finding.remedy}")
    elif finding.outcome is Outcome.NOT_APPLICABLE:
        Tree.SubElement(case, "skipped", message=_clean(finding.found))
    elif finding.outcome is Outcome.WARNED:
        Tree.SubElement(case, "system-out").text = _clean(f"warning: {told}")


def _counts(findings: list[Finding]) -> dict[str, str]:
    elements = [ELEMENT.get(one.outcome, "") for one in findings]
    skipped = sum(one.outcome is Outcome.NOT_APPLICABLE for one in findings)
    return {
        "tests": str(len(findings)),
        "failures": str(elements.count("failure")),
        "errors": str(elements.count("error")),
        "skipped": str(skipped),
    }


def _clean(text: str) -> str:
    return "".join(letter for letter in text if letter in ALLOWED or (letter >= " " and letter not in "\ufffe\uffff"))
