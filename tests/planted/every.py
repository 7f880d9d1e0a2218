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
from planted.base import RENTS, Planted, clean_rents

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
CLEAN = (
    *(Planted(f"clean loans, {train}", "", "", train=train) for train in ("boosting", "logistic", "forest")),
    *(Planted(f"clean rents, {train}", "", "", clean_rents, RENTS, train) for train in ("boosted_number", "ridge")),
)
