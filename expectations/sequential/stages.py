"""Where a rollout stands."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One step, now. `number` as in the ticks; `share` now (0 in the shadow), and `next_share`: 1.0 at the end.

    `minutes` and `requests` are what the plan asks at least; `elapsed` passed since the step began, and `idle` since
    that arm was served which waits longest, both in minutes. From `stalled` minutes of `idle` on the step is stalled.
    """

    number: int
    share: float
    next_share: float
    minutes: float
    requests: int
    elapsed: float
    idle: float
    stalled: float = 15.0
