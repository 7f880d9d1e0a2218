"""What the guards of one model know: learned once, written into the graph, told in its metadata."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.conversion.tree_ensemble import Tree

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
# The bits of `reasons`, the lowest first.
KINDS = ("missing", "outside", "unknown", "odd", "range", "confidence")
INFINITE = float("inf")


@dataclass(frozen=True)
class Lookup:
    """A frozen table: for each key, `values` (keys, columns); for a key that it does not hold, `default`."""

    source: str
    on: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    values: Floats
    default: tuple[float, ...]


@dataclass(frozen=True)
class Domain:
    """What training saw of each column.

    `low`, `high`, `typical` and `may_miss` go with `numbers`; `known` holds for each of `texts` the rows seen of each
    category, `codes` the number that stands for it. `free` are texts with too many values to be categories.
    """

    numbers: tuple[str, ...]
    low: Floats
    high: Floats
    typical: Floats
    may_miss: Flags
    texts: tuple[str, ...]
    known: tuple[Mapping[str, int], ...]
    codes: tuple[Mapping[str, float], ...]
    free: tuple[str, ...]
    margin: float = 0.0


@dataclass(frozen=True)
class Oddity:
    """How strange a combination z (n, features) is: `abs(z @ weights + shift) @ slopes + constant`."""

    weights: Floats
    shift: Floats
    slopes: Floats
    constant: float


@dataclass(frozen=True)
class Limits:
    """Where each guard says no. Infinite ones never do.

    `quantile` is conformal: half a width, or of a classifier how unlikely a class of the set may be; `by_group` has
    the groups with one of their own.
    """

    odd_above: float = INFINITE
    low: float = -INFINITE
    high: float = INFINITE
    quantile: float = INFINITE
    by_group: Mapping[Any, float] = field(default_factory=dict)
    probability_below: float = -INFINITE
    wider_than: float = INFINITE


@dataclass(frozen=True)
class Plan:
    """All that the guarded graph is written from, beside the core."""

    domain: Domain
    replaced: tuple[str, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    oddity: Oddity | None = None
    spread: tuple[Tree, ...] = ()
    group: str | None = None
    group_is_text: bool = True
    limits: Limits = Limits()

    @property
    def looked_up(self) -> tuple[str, ...]:
        """The columns that come from frozen tables."""
        return tuple(column for table in self.lookups for column in table.columns)

    def flags(self) -> list[tuple[str, str]]:
        """(kind, what a person is told) of each column of the output `flags`, in its order."""
        domain = self.domain
        return [
            *(("missing", f"missing:{name}") for name in domain.numbers),
            *(("outside", f"outside:{name}") for name in domain.numbers),
            *(("missing", f"missing:{name}") for name in domain.texts),
            *(("unknown", f"unknown:{name}") for name in domain.texts),
            *(("unknown", f"unknown:{table.on} in {table.source}") for table in self.lookups),
            ("odd", "odd combination"),
            ("range", "prediction out of range"),
            ("confidence", "not confident"),
        ]
