"""What is counted of a metric while traffic is split: sums for each arm and each short time, and no single request.

A tick is a short time, about ten seconds, in one stage of the rollout. A block is one or more ticks in which both arms
were served. The tests in `betting` see blocks alone, so that a judge costs as much as the time that passed and not as
much as the traffic.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from expectations.errors import CannotAsk

Numbers = NDArray[np.float64]
CHAMPION, CHALLENGER = 0, 1
# A block closes with so many of each arm. Fewer, and the arms' averages in it are mostly chance; more, and it waits.
FEWEST = 5


@dataclass(frozen=True, eq=False)
class Ticks:
    """Sums of values in [0, 1], where 1 is bad; one row for each tick in order of time, champion before challenger.

    `stage` (T,) int; `count`, `total`, `squares` (T, 2) float64: how many values, their sum, the sum of their squares.
    Rows are only ever appended: a tick that has been judged must not change, so leave out the tick that still runs.
    """

    stage: NDArray[np.int64]
    count: Numbers
    total: Numbers
    squares: Numbers

    def __post_init__(self) -> None:
        shape = (len(self.stage), 2)
        found = [part.shape for part in (self.count, self.total, self.squares)]
        if found != [shape] * 3:
            raise CannotAsk(f"count, total and squares of ticks have the shape {shape}, found {found}.")
        _must_be_sums(self)

    def __len__(self) -> int:
        return len(self.stage)

    def of(self, stage: int) -> "Ticks":
        """The ticks of one stage."""
        mine = self.stage == stage
        return Ticks(self.stage[mine], self.count[mine], self.total[mine], self.squares[mine])

    def turned(self) -> "Ticks":
        """Of 1 − value: what was good is bad."""
        squares = self.count - 2 * self.total + self.squares
        return Ticks(self.stage, self.count, self.count - self.total, np.clip(squares, 0, self.count - self.total))

    def swapped(self) -> "Ticks":
        """The arms change places."""
        return Ticks(self.stage, self.count[:, ::-1], self.total[:, ::-1], self.squares[:, ::-1])


def _must_be_sums(ticks: Ticks) -> None:
    parts = {"count": ticks.count, "total": ticks.total, "squares": ticks.squares}
    for name, values in parts.items():
        if not np.isfinite(values).all():
            raise CannotAsk(
                f"{name} of a tick is not a number: leave out what was not measured, and tell it as errored."
            )
    near = 1e-9 * (1 + ticks.count)
    fits = (ticks.squares >= -near) & (ticks.squares <= ticks.total + near) & (ticks.total <= ticks.count + near)
    if not fits.all():
        at = int(np.argmin(fits.all(axis=1)))
        raise CannotAsk(
            f"tick {at} cannot be of values in [0, 1]: count {ticks.count[at]}, total {ticks.total[at]}, "
            f"squares {ticks.squares[at]} (champion, challenger). Scale the metric to [0, 1], 1 is bad."
        )


def no_ticks() -> Ticks:
    """Nothing was counted."""
    return Ticks(np.empty(0, dtype=np.int64), *(np.empty((0, 2)) for _ in range(3)))


def join_ticks(parts: Iterable[Ticks]) -> Ticks:
    """One after the other, as they came."""
    known = [no_ticks(), *parts]
    together = (np.concatenate([getattr(part, name) for part in known]) for name in ("count", "total", "squares"))
    return Ticks(np.concatenate([part.stage for part in known]), *together)


def count_ticks(
    seconds: ArrayLike, challenger: ArrayLike, values: ArrayLike, stage: int = 0, tick_seconds: float = 10
) -> Ticks:
    """Sums up one stage's values. `seconds` (n,) when each was known, `challenger` (n,) bool, `values` (n,) in [0, 1].

    Only ticks that are over are counted: the one in which the latest value lies is left out, as it may still grow.
    Raises CannotAsk for a value that is missing or outside [0, 1], and names it.
    """
    when, arm = np.asarray(seconds, dtype=np.float64), np.asarray(challenger, dtype=bool)
    bad = _must_be_bounded(np.asarray(values, dtype=np.float64))
    if not len(when) == len(arm) == len(bad):
        raise CannotAsk(f"seconds, challenger and values are of one length, found {len(when)}, {len(arm)}, {len(bad)}.")
    if not len(when):
        return no_ticks()
    tick = np.floor(when / tick_seconds).astype(np.int64)
    place = tick - tick.min()
    over = place < place.max()
    slot, size = 2 * place[over] + arm[over], 2 * int(place.max())
    sums = (np.bincount(slot, weight, size).reshape(-1, 2) for weight in (None, bad[over], bad[over] ** 2))
    count, total, squares = (part.astype(np.float64) for part in sums)
    return Ticks(np.full(len(count), stage, dtype=np.int64), count, total, squares)


def _must_be_bounded(values: Numbers) -> Numbers:
    wrong = ~((values >= 0) & (values <= 1))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise CannotAsk(
            f"values lie in [0, 1], 1 is bad; found {values[at]} at place {at}, {int(wrong.sum())} such in all. "
            "Scale the metric to its bounds; leave out what was not measured, and tell it as errored."
        )
    return values


@dataclass(frozen=True, eq=False)
class Blocks:
    """Closed blocks. (..., B, 2) float64: `count`, `total`, and `spread`, the sum of value × (1 − value).

    `stage` (B,) of each; None for one stage.
    """

    count: Numbers
    total: Numbers
    spread: Numbers
    stage: NDArray[np.int64] | None = None

    def swapped(self) -> "Blocks":
        """The arms change places."""
        return Blocks(self.count[..., ::-1], self.total[..., ::-1], self.spread[..., ::-1], self.stage)


def close_blocks(ticks: Ticks, fewest: int = FEWEST) -> Blocks:
    """Adds ticks of one stage up until both arms have `fewest` values; a block that is not full yet is left out.

    When a block closes depends on how many were served and on no value, which the tests need. More ticks add blocks
    and change none. Blocks stand in the order in which they closed; stages never mix, as their shares differ.
    """
    number, closed = _block_numbers(ticks, fewest)
    kept = number < closed
    sums = []
    for part in (ticks.count, ticks.total, ticks.total - ticks.squares):
        summed = np.zeros((closed, 2))
        np.add.at(summed, number[kept], part[kept])
        sums.append(summed)
    stage = np.zeros(closed, dtype=np.int64)
    stage[number[kept]] = ticks.stage[kept]
    return Blocks(sums[0], sums[1], np.clip(sums[2], 0, None), stage)


def _block_numbers(ticks: Ticks, fewest: int) -> tuple[NDArray[np.int64], int]:
    """Which block each tick belongs to, numbered in the order of closing, and how many there are."""
    waiting: dict[int, tuple[list[int], float, float]] = {}
    number, closed = np.full(len(ticks), len(ticks), dtype=np.int64), 0
    for at, (stage, (champion, challenger)) in enumerate(zip(ticks.stage.tolist(), ticks.count.tolist(), strict=True)):
        mine, first, second = waiting.pop(stage, ([], 0.0, 0.0))
        mine.append(at)
        waiting[stage] = mine, first + champion, second + challenger
        if min(waiting[stage][1:]) >= fewest:
            del waiting[stage]
            number[mine] = closed
            closed += 1
    return number, closed
