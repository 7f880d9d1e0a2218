"""The judge of one metric."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from expectations.sequential.answers import Answer, Kind
from expectations.sequential.betting import evidence_now, limit_factors, log_factors, mixed, restarting_evidence
from expectations.sequential.foresight import blocks_until
from expectations.sequential.intervals import Point, difference_sequence, estimated_difference
from expectations.sequential.stages import Stage
from expectations.sequential.ticks import CHALLENGER, CHAMPION, Blocks, Numbers, Ticks, close_blocks
from expectations.sequential.watching import Watched

# The part of a metric's money that bets against its limit.
ON_LIMIT = 0.1
# With such odds against it, no step goes up: what they are about is looked at first.
HOLD = 10.0


@dataclass(frozen=True)
class Case:
    """One metric before its judge. `strands`: the ticks of each place where it is compared, all with the same counts.

    `money`: this metric's part of the money that bets against the challenger.
    """

    item: Watched
    strands: Sequence[Ticks]
    stage: Stage
    alpha: float
    money: float
    points: int = 1

    def answer(self) -> Answer | None:
        """The metric's own answer; None where nobody is left to compare with and there is no limit to ask for."""
        if self.against >= 1 / self.alpha:
            return self._answer(Kind.ROLL_BACK, self._worse(), None)
        if self.stage.share == 1 and not self.now[0].count[:, CHAMPION].any():
            return self._alone()
        if not self.blocks[0].count.shape[0]:
            return self._answer(Kind.CANNOT_TELL, f"{self.item.name}: {self._served()}, too few to compare.", None)
        if self.shown and self.odds < HOLD:
            return self._answer(Kind.ADVANCE, f"{self.item.name}: {self._between()}; {self._may}.", None)
        return self._cannot_tell()

    @cached_property
    def now(self) -> list[Ticks]:
        """This step's ticks, with the other way round where less is as far as more."""
        return [one.of(self.stage.number) for one in self._all]

    @cached_property
    def blocks(self) -> list[Blocks]:
        """This step's blocks."""
        return [close_blocks(one) for one in self.now]

    @property
    def _all(self) -> list[Ticks]:
        return [*self.strands, *(one.turned() for one in self.strands if self.item.both_ways)]

    @cached_property
    def odds(self) -> float:
        """The e-process against "the challenger is good", over all steps, now. 1 before anything is seen.

        The strands share the money.
        """
        blocks = _stacked(self._all)
        compared = float(np.mean(odds_against(blocks, self.item)[:, -1])) if blocks.count.shape[-2] else 1.0
        if self.item.limit is None or not len(self.strands[0]):
            return compared
        over = restarting_evidence(limit_factors(self.strands[0], self.item.limit), self.strands[0].stage)[-1, 0]
        return (1 - ON_LIMIT) * compared + ON_LIMIT * math.exp(over)

    @property
    def against(self) -> float:
        """This metric's part of the sum that is held against 1/α."""
        return self.money * self.odds

    @property
    def bound(self) -> float:
        """The difference that may not be reached in the next step; 1 is the largest that there can be."""
        return min(1.0, self.item.tolerance / self.stage.next_share)

    @cached_property
    def shown(self) -> bool:
        """Is "worse by the bound or more" refuted in this step, for each strand?"""
        if self.bound >= 1:
            return True
        found = [evidence_now(one.swapped(), -self.bound)[0] for one in self.blocks]
        return bool(min(found) >= -math.log(self.alpha))

    @cached_property
    def drawn(self) -> tuple[Point, ...]:
        """The difference in this step, of the strand that is worst."""
        there = [one for one in self.blocks if one.count.shape[0]]
        if not there:
            return ()
        return difference_sequence(
            max(there, key=estimated_difference), self.alpha * self.money, self.alpha, self.points
        )

    def _answer(self, kind: Kind, words: str, more: int | None) -> Answer:
        return Answer(self.item.name, kind, words, more, self.item.unit, self.against, self.drawn)

    def _cannot_tell(self) -> Answer:
        more = self._more()
        unit = self.item.unit
        told = f"about {more:,} more {unit}" if more else f"no number of {unit} would tell as it goes now"
        if self.shown:
            told = f"but odds of {self.odds:.0f} to 1 speak against it: wait until they fall or roll back"
        return self._answer(Kind.CANNOT_TELL, f"{self.item.name}: {self._between()}; {self._may}: {told}.", more)

    def _more(self) -> int | None:
        """The challenger's values until one of the other two answers, at the present rates."""
        alike, each = self.odds <= 2, [one.count[:, CHALLENGER].mean() for one in self.blocks]
        up = [blocks_until(one.swapped(), -self.bound, self.alpha, alike) for one in self.blocks]
        down = [blocks_until(one, self.item.harmless, self.alpha * self.money, alike=False) for one in self.blocks]
        slowest = None if None in up else max(blocks for blocks in up if blocks is not None)
        sure = [blocks for blocks in (slowest, *(down if not alike else ())) if blocks is not None]
        return math.ceil(min(sure) * each[0]) if sure else None

    def _alone(self) -> Answer | None:
        """All traffic is the challenger's and the champion is not measured: only the limit can be asked."""
        item, limit = self.item, self.item.limit
        if limit is None:
            return None
        below = evidence_below(self.now[0], limit)
        kind = Kind.ADVANCE if below >= -math.log(self.alpha) and self.odds < HOLD else Kind.CANNOT_TELL
        word = "surely below" if kind is Kind.ADVANCE else "not yet surely below"
        return self._answer(kind, f"{item.name}: {self._served()}, {word} the limit of {limit:.3g}.", None)

    @property
    def _may(self) -> str:
        if self.bound >= 1:
            return "the next step is too small to do harm beyond the tolerance"
        return f"less than {_points(self.bound)} points may be"

    def _served(self) -> str:
        count, total = self.now[0].count.sum(axis=0), self.now[0].total.sum(axis=0)
        means = [f"{_points(t / n)} % of {n:,.0f}" if n else "none" for t, n in zip(total, count, strict=True)]
        return f"challenger {means[CHALLENGER]}, champion {means[CHAMPION]}"

    def _between(self) -> str:
        last = self.drawn[-1]
        ends = f"[{_signed(last.lower)}, {_signed(last.upper)}]"
        return f"{self._served()}; difference {_signed(last.estimate)} points {ends}"

    def _worse(self) -> str:
        odds = f"odds of {min(self.odds, 1e9):,.0f} to 1 against the challenger"
        found = self._between() if self.drawn else self._served()
        return f"{self.item.name}: {found}; {odds}."


def odds_against(blocks: Blocks, item: Watched) -> Numbers:
    """The e-process against "good" after each block, with restarts, where it leans towards bad; else 0; (..., B).

    It counts only while the evidence leans towards a difference that is rather bad than good: with a million requests
    any difference is sure, and a harmless one is no reason. To leave evidence out makes no false alarm likelier.
    """
    found = restarting_evidence(log_factors(blocks, np.array([item.harmless, item.suspect])), blocks.stage)
    return np.where(found[..., 1] >= 0, np.exp(found[..., 0]), 0.0)


def _stacked(strands: Sequence[Ticks]) -> Blocks:
    closed = [close_blocks(one) for one in strands]
    count, total, spread = (np.stack([getattr(one, name) for one in closed]) for name in ("count", "total", "spread"))
    return Blocks(count, total, spread, closed[0].stage)


def evidence_below(ticks: Ticks, limit: float) -> float:
    """Evidence that the challenger's mean is below `limit`, as a logarithm."""
    return float(mixed(limit_factors(ticks.turned(), 1 - limit).sum(axis=0))[0])


def _points(share: float) -> str:
    return f"{100 * share:.3g}"


def _signed(share: float) -> str:
    return f"{100 * share:+.2g}"
