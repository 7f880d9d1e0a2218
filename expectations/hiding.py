"""Whose values a dossier does not show: columns that the spec marks as protected or sensitive."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

HIDDEN_ROLES = frozenset({"protected", "sensitive"})
NOT_SHOWN = "not shown"
# Of a column's profile: what one record of it says.
OF_ONE_RECORD = ("min", "max")


def hidden_columns(data: Mapping[str, Any]) -> frozenset[str]:
    """The names, of the part `data` of a spec as JSON; with a target among them also what a record says of it."""
    roles = data.get("roles") or {}
    hidden = {name for name, given in roles.items() if HIDDEN_ROLES & set(given)}
    return frozenset(hidden | ({"actual"} if data.get("target") in hidden else set()))


def names_hidden(kwargs: Mapping[str, Any], hidden: Iterable[str]) -> bool:
    """Whether an expectation's arguments name one of the columns, alone or in a list."""
    names = set(hidden)
    lists = (value if isinstance(value, list | tuple) else [value] for value in kwargs.values())
    return any(isinstance(one, str) and one in names for values in lists for one in values)


def without_values(rows: pd.DataFrame, hidden: Iterable[str]) -> pd.DataFrame:
    """The rows to be shown: a hidden column's values are not in them, nor its least and greatest in a profile."""
    names = set(hidden)
    shown = rows.assign(**{str(name): NOT_SHOWN for name in rows.columns if name in names})
    if "column" in rows.columns:
        for edge in (name for name in OF_ONE_RECORD if name in rows.columns):
            shown[edge] = rows[edge].astype(object).mask(rows["column"].isin(names), NOT_SHOWN)
    return shown
