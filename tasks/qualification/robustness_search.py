"""One search for turned decisions: what may change, and what was found."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from expectations.options.robustness import Robustness
from tasks.qualification.attacks import POOL, attacks
from tasks.qualification.case import Case, Flags, Floats
from tasks.qualification.codes import Codes, codes_of, trusted
from tasks.qualification.columns import Column
from tasks.qualification.decisions import Decisions, Found, Rows
from tasks.qualification.small_changes import small_changes
from tasks.qualification.text_attacks import TextAttack, text_attacks


@dataclass(frozen=True)
class Searched:
    """A case of few enough records and what the searches found in it."""

    case: Case
    options: Robustness

    @cached_property
    def codes(self) -> Codes:
        return codes_of(self.case)

    @cached_property
    def amount(self) -> float:
        """Of a regression: what an answer moves by when it has turned."""
        return self.options.turns or self.case.scale

    @cached_property
    def decisions(self) -> Decisions:
        return Decisions(self.case, self.codes, self.codes.encode(self.case.test), self.amount)

    @property
    def kept(self) -> frozenset[str]:
        """Columns that no attack changes."""
        return immutable(self.case, self.options)

    @cached_property
    def movable(self) -> Flags:
        """(n, k) cells that may change: no gap, no text, no kept column and none that is always the same."""
        free = [c.name not in self.kept and c.kind != "text" and varies(c) for c in self.codes.columns]
        return np.array(free, dtype=bool) & ~np.isnan(self.decisions.cells)

    @cached_property
    def small(self) -> Found:
        return small_changes(self.decisions, self.movable, self.options.small)

    @cached_property
    def attacked(self) -> Rows:
        """(a,) the records whose nearest turned decision is searched for, in order."""
        n = len(self.case.test)
        drawn = np.random.default_rng(self.case.seed + 1).choice(n, min(n, self.options.attacked), replace=False)
        return np.sort(drawn)

    @cached_property
    def nearest(self) -> Found:
        """The nearest change of each attacked record that any search found."""
        rng = np.random.default_rng(self.case.seed)
        drawn = rng.choice(len(self.case.train), min(POOL, len(self.case.train)), replace=False)
        pool = self.codes.encode(self.case.train.iloc[drawn])
        mine = np.isin(self.small.rows, self.attacked)
        near = Found(self.small.rows[mine], self.small.cells[mine], self.small.distance[mine])
        return near.with_others(attacks(self.decisions, self.movable, pool, self.attacked))

    @cached_property
    def texts(self) -> list[TextAttack]:
        names = [c.name for c in self.codes.columns if c.kind == "text" and c.name not in self.kept]
        return [attack for name in names for attack in text_attacks(self.case, name, self.amount)]

    @property
    def flips(self) -> dict[str, Flags]:
        """(n,) whose decision a small change turns, and whose although the answer was given with confidence."""
        flipped = np.zeros(len(self.case.test), dtype=bool)
        flipped[self.small.rows] = True
        sure = self.decisions.confident
        found = {"flipped_by_small_change": flipped}
        return found if sure is None else {**found, "confident_flips": flipped & sure}

    @property
    def distances(self) -> Floats:
        """(a,) of the nearest found change of each attacked record; infinite where none was found."""
        distance = np.full(len(self.attacked), np.inf)
        distance[np.searchsorted(self.attacked, self.nearest.rows)] = self.nearest.distance
        return distance

    @property
    def changed(self) -> Rows:
        """(f,) how many columns each found change touches."""
        before = self.decisions.cells[self.nearest.rows]
        return np.asarray((self.codes.distances(before, self.nearest.cells) > 0).sum(axis=1))

    @property
    def still_trusted(self) -> Flags:
        """Of the records that callers are told to trust: would they be told so of the changed one?"""
        before = trusted(self.case, self.codes, self.decisions.cells[self.nearest.rows])
        return trusted(self.case, self.codes, self.nearest.cells)[before]


def immutable(case: Case, options: Robustness) -> frozenset[str]:
    """The columns that the spec names; the protected ones without a word."""
    if options.immutable is not None:
        return frozenset(options.immutable)
    return frozenset(column.name for column in case.columns if "protected" in column.roles)


def varies(column: Column) -> bool:
    """Did training see more than one value of it?"""
    return column.spread > 0 if column.kind == "number" else len(column.levels) > 1
