"""All planted faults, and clean models that nothing is to be said of."""

from planted import (
    calibration,
    costs,
    explanations,
    fairness,
    gaming,
    leakage,
    poisoning,
    production,
    provenance,
    risk,
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
    provenance,
    costs,
    risk,
)
FAULTS: tuple[Planted, ...] = tuple(fault for check in CHECKS for fault in check.FAULTS)
CLEAN = tuple(Planted(f"clean, {train}", "", "", train=train) for train in ("boosting", "logistic"))
