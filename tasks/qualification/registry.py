"""The checks of the qualification, in the order of the dossier."""

from tasks.check import Check
from tasks.qualification import (
    calibration,
    costs,
    explanations,
    fairness,
    gaming,
    interactions,
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

CHECKS: tuple[Check, ...] = (
    scenarios.CHECK,
    stability.CHECK,
    slices.CHECK,
    fairness.CHECK,
    explanations.CHECK,
    calibration.CHECK,
    robustness.CHECK,
    gaming.CHECK,
    poisoning.CHECK,
    leakage.CHECK,
    production.CHECK,
    provenance.CHECK,
    costs.CHECK,
    interactions.CHECK,
    risk.CHECK,
)
