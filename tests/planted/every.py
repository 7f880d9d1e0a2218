"""All planted faults, and clean models that nothing is to be said of."""

from planted import (
    calibration,
    explanations,
    fairness,
    gaming,
    leakage,
    poisoning,
    production,
    robustness,
    scenarios,
    slices,
    stability,
)
from planted.base import Planted

CHECKS = (
    scenarios,
    stability,
    slices,
    fairness,
    explanations,
    calibration,
    robustness,
    gaming,
    poisoning,
    leakage,
    production,
)
FAULTS: tuple[Planted, ...] = tuple(fault for check in CHECKS for fault in check.FAULTS)
CLEAN = tuple(Planted(f"clean, {train}", "", "", train=train) for train in ("boosting", "logistic"))
