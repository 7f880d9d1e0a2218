"""Risk tiers: how strict the gates are, who must say yes, and how slowly traffic moves."""

from dataclasses import dataclass
from typing import Literal

from expectations.verdicts import Outcome

Level = Literal[1, 2, 3, 4]
OnDistrust = Literal["flag", "refuse", "fallback"]
_FIRST = ("scenarios", "stability", "calibration", "provenance", "costs", "interactions", "risk")
_SECOND = (*_FIRST, "slices", "explanations", "leakage", "production")
_THIRD = (*_SECOND, "fairness", "robustness", "gaming", "poisoning")
ALL_CHECKS = _THIRD
# From this tier on the uncomfortable questions are answered in writing.
ANSWERS_FROM = 2
# From this tier on an origin of risk that no check covers stops a release, and so does what nobody knows the origin of.
NOTHING_OPEN_FROM = 3
# The chance of a false alarm of whatever is called sure, shared among the questions that one check asks. With 5 % one
# release in twenty would be stopped by chance at each of a handful of limits.
SURELY = 0.005


@dataclass(frozen=True)
class Pace:
    """How fast traffic may move at most. It is the plan where a spec has none, and from tier 3 on a floor.

    `shadow_minutes` at least; `first_share` at most; `step_minutes` of each step at least.
    """

    shadow_minutes: float = 60
    first_share: float = 0.01
    step_minutes: float = 60
    floor: bool = False


@dataclass(frozen=True)
class Tier:
    """What one tier asks for.

    `strict`: a metric's whole 95 % interval must hold, not only its value.
    `min_records`: fewer test records than this and a metric is inconclusive.
    `approvals`: people who must say yes; `roles`: each of which one of them holds; `signatures`: how many of them sign
    with a key of their own.
    `parity_tolerance`: how far a converted number may lie from the trained one, as a share.
    `sudden_drop`: how much worse than an earlier version a figure may be, as a share, before it is told.
    `checks`: what is asked besides data, conversion, quality, guards, latency and comparison.
    `alpha`: how often a check may raise an alarm by chance; `power`: how often it must find what it looks for.
    `pace`: of a rollout. `on_distrust`: what a served package does with records that its guards do not trust.
    `waivable`: the outcomes that a named person may let through, for a time.
    """

    level: int
    strict: bool
    min_records: int
    approvals: int
    roles: tuple[str, ...] = ()
    signatures: int = 0
    parity_tolerance: float = 1e-5
    sudden_drop: float = 0.1
    checks: tuple[str, ...] = ()
    alpha: float = 0.05
    power: float = 0.8
    pace: Pace = Pace()
    on_distrust: OnDistrust = "flag"
    waivable: tuple[Outcome, ...] = (Outcome.FAILED, Outcome.INCONCLUSIVE)


TIERS = {
    1: Tier(1, strict=False, min_records=30, approvals=1, checks=_FIRST, pace=Pace(shadow_minutes=15, step_minutes=15)),
    2: Tier(2, strict=True, min_records=100, approvals=1, roles=("validator",), checks=_SECOND),
    3: Tier(
        3,
        strict=True,
        min_records=300,
        approvals=2,
        roles=("validator",),
        signatures=1,
        checks=_THIRD,
        pace=Pace(shadow_minutes=60, first_share=0.05, step_minutes=60, floor=True),
        on_distrust="fallback",
    ),
    4: Tier(
        4,
        strict=True,
        min_records=1000,
        approvals=2,
        roles=("validator", "risk officer"),
        signatures=1,
        sudden_drop=0.05,
        checks=_THIRD,
        power=0.9,
        # A working day in shadow, and then no step shorter than four hours: harm to people is seldom seen at once.
        pace=Pace(shadow_minutes=480, first_share=0.01, step_minutes=240, floor=True),
        on_distrust="refuse",
        # What is known to be wrong can be answered for; what nobody knows cannot.
        waivable=(Outcome.FAILED,),
    ),
}
