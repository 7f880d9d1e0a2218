"""What the guards of one model know: learned once, written into the graph, told in its metadata."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from expectations.live import LiveLookup, live_input, state_input
from tasks.conversion.tree_ensemble import Tree

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
# What only live lookups raise, so no budget is theirs.
LIVE_KINDS = ("stale", "unanswered")
# What only ensembles raise: their members are too far apart.
DISAGREEMENT = "disagreement"
# The bits of `reasons`, the lowest first.
KINDS = ("missing", "outside", "unknown", "odd", "range", "confidence", *LIVE_KINDS, DISAGREEMENT)
INFINITE = float("inf")


@dataclass(frozen=True)
class Lookup:
    """A frozen table: for each key, `values` (keys, columns); for a key that it does not hold, `default`. With `live`
    a caller that asks the source itself may send what it says."""

    source: str
    on: str
    columns: tuple[str, ...]
    keys: tuple[str, ...] | tuple[int, ...]
    values: Floats
    default: tuple[float, ...]
    live: LiveLookup | None = None

    @property
    def kind(self) -> str:
        """What its key enters as: string, or double of whole numbers."""
        return "string" if isinstance(self.keys[0], str) else "double"

    def live_inputs(self) -> dict[str, str]:
        """The inputs for live values and their kinds, the values first; none of a table that is only frozen."""
        values = {live_input(column): "double" for column in self.columns}
        return {**values, state_input(self.source): "int64"} if self.live else {}

    def flags(self) -> list[tuple[str, str]]:
        """(kind, what a person is told) of each of its flags."""
        frozen = [("unknown", f"unknown:{self.on} in {self.source}")]
        if self.live is None:
            return frozen
        late = [(kind, f"{kind}:{self.source}") for kind in LIVE_KINDS]
        return [*frozen, *late, *(("missing", f"missing:live {column}") for column in self.columns)]


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
    apart_above: float = INFINITE


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
    is_ensemble: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """The bits of this package's `reasons`, the lowest first."""
        return KINDS if self.is_ensemble else KINDS[:-1]

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
            *(flag for table in self.lookups for flag in table.flags()),
            ("odd", "odd combination"),
            ("range", "prediction out of range"),
            ("confidence", "not confident"),
            *([(DISAGREEMENT, "members disagree")] if self.is_ensemble else []),
        ]
