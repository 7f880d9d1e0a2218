"""How many more: what the bets are expected to win if both arms go on as they do."""

import math

import numpy as np

from expectations.sequential.betting import log_factors, mixed
from expectations.sequential.ticks import Blocks, Numbers

_MOST_BLOCKS = 10.0**8


def blocks_until(blocks: Blocks, shift: float, alpha: float, alike: bool) -> float | None:
    """About how many more blocks until "second ≤ first + shift" is refuted at `alpha`; None where none would do.

    Expected, from what each stake has won so far and what it wins in a block that is the average of those seen. With
    `alike` both arms are taken to have their common mean: what one expects while nothing speaks against it.
    """
    won = log_factors(blocks, shift)[:, 0].sum(axis=0)
    typical = _average_block(blocks, alike)
    level = typical.total.sum(axis=-1) / typical.count.sum(axis=-1)
    gain = log_factors(typical, shift, np.clip(level, 1e-9, 1 - 1e-9))[0, 0]
    return _fewest(won, gain, -math.log(alpha))


def _average_block(blocks: Blocks, alike: bool) -> Blocks:
    count, total, spread = (part.mean(axis=0, keepdims=True) for part in (blocks.count, blocks.total, blocks.spread))
    if alike:
        shares = count / count.sum(axis=-1, keepdims=True)
        total, spread = (shares * part.sum(axis=-1, keepdims=True) for part in (total, spread))
    return Blocks(count, total, spread)


def _fewest(won: Numbers, gain: Numbers, needed: float) -> float | None:
    """The least n ≥ 1 with the mixture of won + n·gain at `needed`, to a hundredth; a ruined stake stays ruined."""

    def reached(more: float) -> bool:
        return bool(mixed(np.where(np.isfinite(won), won + more * gain, -np.inf)) >= needed)

    if not reached(_MOST_BLOCKS):
        return None
    low, high = 1.0, _MOST_BLOCKS
    while high > 1.01 * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
