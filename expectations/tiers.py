"""Risk tiers: how strict the gates are and how many people must say yes."""

from dataclasses import dataclass

_FIRST = ("scenarios", "stability", "calibration", "provenance", "costs")
_SECOND = (*_FIRST, "slices", "explanations", "leakage", "production")
_THIRD = (*_SECOND, "fairness", "robustness", "gaming", "poisoning")


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


TIERS = {
    1: Tier(1, strict=False, min_records=30, approvals=1, checks=_FIRST),
    2: Tier(2, strict=True, min_records=100, approvals=1, roles=("validator",), checks=_SECOND),
    3: Tier(3, strict=True, min_records=300, approvals=2, roles=("validator",), signatures=1, checks=_THIRD),
    4: Tier(
        4, strict=True, min_records=1000, approvals=2, roles=("validator", "risk officer"), signatures=1, checks=_THIRD
    ),
}
