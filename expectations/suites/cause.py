"""What must hold of what is new, or a model that is trained anew learns a fault that lies upstream."""

from expectations.expectation import Expectation, metric
from expectations.spec import ReleaseSpec

# By what stands before the colon: what share of the values, or what distance, is still none. What people do otherwise
# than before moves no column by a change of unit, and respells nothing; but they may bring kinds that nobody knew.
LIMITS = {
    "gone": 0.3,
    "unreadable": 0.02,
    "never_seen": 0.9,
    "respelled": 0.1,
    "unit_changed": 0.0,
    "codes_moved": 0.05,
    "lookup": 0.1,
}


def cause_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """No column is gone, in another unit or written otherwise than the model knows it, and look-ups answer."""
    return [metric(name, high=LIMITS[family]) for name in metrics if (family := name.partition(":")[0]) in LIMITS]
