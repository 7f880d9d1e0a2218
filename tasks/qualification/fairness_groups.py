"""Who is compared: the groups of each protected attribute, and of each pair of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from expectations.options.fairness import Fairness
from tasks.qualification.case import Case
from tasks.qualification.levels import Codes, Cut, banded_cut, column_of, cut_of, merged_cut

# A column of so few values has a group for each, also if they are numbers; a category has at most so many.
DISTINCT, MOST_GROUPS = 8, 20


@dataclass(frozen=True)
class Attribute:
    """A protected column in groups: `codes` (n,) of the test rows, `train` (m,) of training's, `words` for each code.

    Of a pair, `train` is empty.
    """

    name: str
    words: tuple[str, ...]
    codes: Codes
    train: Codes
    pair: bool = False

    def present(self) -> list[int]:
        """The codes that test rows have."""
        return [int(code) for code in np.unique(self.codes)]


def protected(roles: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The columns with that role."""
    return [name for name, given in roles.items() if "protected" in given]


def attributes_of(case: Case, asked: Fairness) -> list[Attribute]:
    """Each protected column in its groups, whether the model is given it or not. Raises CannotAsk for an absent one."""
    found = []
    for name in protected(case.roles):
        train, test = column_of(case, name, "data.roles")
        cut = _cut(name, train, asked)
        found.append(Attribute(name, cut.words, cut.codes(test), cut.codes(train)))
    return found


def _cut(name: str, train: Any, asked: Fairness) -> Cut:
    groups = asked.groups.get(name)
    if isinstance(groups, tuple):
        return banded_cut(name, groups)
    return merged_cut(name, groups) if groups else cut_of(name, train, asked.bands, MOST_GROUPS, distinct=DISTINCT)


def pairs_of(attributes: list[Attribute]) -> list[Attribute]:
    """Their intersections, two by two."""
    return [_both(one, other) for one, other in combinations(attributes, 2)]


def _both(one: Attribute, other: Attribute) -> Attribute:
    words = tuple(f"{a} and {b}" for a in one.words for b in other.words)
    codes = one.codes * len(other.words) + other.codes
    return Attribute(f"{one.name} and {other.name}", words, codes, np.zeros(0, dtype=np.int64), pair=True)
