"""Where a rollout stands."""

from dataclasses import dataclass

from expectations.errors import CannotAsk


@dataclass(frozen=True)
class Stage:
    """One step, now. `number` as in the ticks; `share` of all traffic now (0 in the shadow), and of the `next_share`.

    The next share is 1.0 at the end, and for groups of which nobody knows how large they are.
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

    def __post_init__(self) -> None:
        if not (0 <= self.share <= 1 and 0 < self.next_share <= 1):
            raise CannotAsk(
                f"share lies in [0, 1] and next_share in (0, 1]; found {self.share:g} and {self.next_share:g}. "
                "For groups whose size is not known give 1.0."
            )
