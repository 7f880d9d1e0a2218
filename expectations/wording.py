"""Expectations in the words of a person: what was expected, how a number is written, what to do next."""

from expectations.expectation import METRIC, Expectation
from expectations.meanings import MEND, Meaning, meaning_of
from expectations.suites.comparison import DROP
from expectations.verdicts import Outcome

SUPPLY = "Bring what is missing, or lower the claim; cannot tell is not yes."
GATHER = "Gather more records, or lower the claim; cannot tell is not yes."


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def remedy_of(item: Expectation, outcome: Outcome) -> str:
    """What to do next; nothing where it held."""
    known = _known(item)
    return {
        Outcome.INCONCLUSIVE: GATHER,
        Outcome.ERRORED: "Mend the expectation in the release spec; it could not be asked.",
        Outcome.FAILED: known.do if known else MEND,
    }.get(outcome, "")


def _known(item: Expectation) -> Meaning | None:
    return meaning_of(str(item.kwargs.get("metric"))) if item.type == METRIC else None


def name_of(item: Expectation) -> str:
    """The short name of an expectation, unique enough to find it in a table."""
    subject = item.kwargs.get("metric") or item.kwargs.get("column") or ""
    return str(subject) if item.type == METRIC else f"{item.type}({subject})"


def words(item: Expectation) -> str:
    """An expectation as a person would say it."""
    subject = str(item.kwargs.get("metric") or item.kwargs.get("column") or "table")
    if subject.startswith(DROP) and isinstance(item.kwargs.get("max_value"), int | float):
        return f"surely at most {item.kwargs['max_value']:.0%} worse than {subject.removeprefix(DROP)}"
    what = {
        METRIC: "",
        "expect_column_mean_to_be_between": "mean of ",
        "expect_column_values_to_not_be_null": "never missing: ",
    }.get(item.type, f"{item.type.removeprefix('expect_').replace('_', ' ')}: ")
    least = "more than" if item.kwargs.get("strict_min") else "at least"
    limits = (
        [f"{least} {number(item.kwargs['min_value'])}"] if isinstance(item.kwargs.get("min_value"), int | float) else []
    )
    limits += (
        [f"at most {number(item.kwargs['max_value'])}"] if isinstance(item.kwargs.get("max_value"), int | float) else []
    )
    mostly = f" for {item.kwargs['mostly']:.0%}" if "mostly" in item.kwargs else ""
    said = f"{' and '.join(limits)}{mostly}"
    if known := _known(item):
        return f"{known.says}: {said}"
    return f"{what}{subject} {said}".strip()
