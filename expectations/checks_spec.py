"""What a release spec may say of each check of the qualification."""

from expectations.options.calibration import Calibration
from expectations.options.costs import Costs
from expectations.options.explanations import Explanations
from expectations.options.fairness import Fairness
from expectations.options.gaming import Gaming
from expectations.options.interactions import Interactions
from expectations.options.leakage import Leakage
from expectations.options.poisoning import Poisoning
from expectations.options.production import Production
from expectations.options.provenance import Provenance
from expectations.options.robustness import Robustness
from expectations.options.scenarios import Scenarios
from expectations.options.slices import Slices
from expectations.options.stability import Stability
from expectations.parts import Part


class Checks(Part):
    """One part for each check; without a word every check does what the tier asks."""

    scenarios: Scenarios = Scenarios()
    stability: Stability = Stability()
    slices: Slices = Slices()
    fairness: Fairness = Fairness()
    explanations: Explanations = Explanations()
    calibration: Calibration = Calibration()
    robustness: Robustness = Robustness()
    gaming: Gaming = Gaming()
    poisoning: Poisoning = Poisoning()
    leakage: Leakage = Leakage()
    production: Production = Production()
    provenance: Provenance = Provenance()
    costs: Costs = Costs()
    interactions: Interactions = Interactions()
