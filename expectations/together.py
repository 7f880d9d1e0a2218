"""Limits on many metrics as few questions: what has the same limits stands in one column, each in a row of its own.

Great Expectations takes milliseconds for an expectation, however little it is about. If every row of a column is within
the limits, each metric is; if not, each is asked alone, so that what is found is told of the one that it is found of.
"""

from collections.abc import Sequence

import pandas as pd

from expectations.expectation import Expectation

BETWEEN = "expect_column_values_to_be_between"
# With any other word, such as `mostly`, many rows do not say the same as each of them.
LIMITS = frozenset({"column", "min_value", "max_value", "strict_min", "strict_max"})
Limits = tuple[tuple[str, object], ...]


def stacked(
    row: pd.DataFrame, suite: Sequence[Expectation]
) -> tuple[pd.DataFrame, dict[int, Expectation], dict[int, list[int]]]:
    """(columns, the question about each, whom of the suite each stands for), by number; `row` has one row of floats.

    What shares its limits with nobody is in none of them.
    """
    sharing = {limits: members for limits, members in _by_limits(suite).items() if len(members) > 1}
    columns, asked, members = {}, {}, dict(enumerate(sharing.values()))
    for at, limits in enumerate(sharing):
        columns[str(at)] = pd.Series([row[suite[one].kwargs["column"]].iloc[0] for one in members[at]])
        asked[at] = Expectation(type=BETWEEN, kwargs={"column": str(at), **dict(limits)})
    # Shorter columns end in missing values, of which nothing is asked.
    return pd.DataFrame(columns), asked, members


def _by_limits(suite: Sequence[Expectation]) -> dict[Limits, list[int]]:
    found: dict[Limits, list[int]] = {}
    for at, item in enumerate(suite):
        if item.type == BETWEEN and item.kwargs.keys() <= LIMITS:
            limits = tuple(sorted((name, value) for name, value in item.kwargs.items() if name != "column"))
            found.setdefault(limits, []).append(at)
    return found
