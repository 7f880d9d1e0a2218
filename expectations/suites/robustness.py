"""What must hold of the check `robustness`."""

from expectations.expectation import Expectation, Severity, metric
from expectations.spec import ReleaseSpec

# Some records lie near every line between two decisions: smooth models of a noisy truth turn for 5 to 15 % of them when
# one number moves by a tenth of its spread.
FLIPPED = {1: 0.35, 2: 0.3, 3: 0.25, 4: 0.2}
# But no record that was answered with confidence should; 0 of such models, 10 to 40 % of those that learned noise by
# heart. A number that moves by a whole standard deviation of the target has no line to lie near, and counts like this.
CONFIDENT = 0.05
# One word of a text, touched by one look-alike letter, unseen mark or typing error, in three tries.
ONE_WORD = {1: 0.25, 2: 0.2, 3: 0.15, 4: 0.15}
STOPS = 3


def robustness_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """No more decisions than stated turn by next to nothing. How far others are from turning is told, not judged."""
    level = spec.tier.level
    severity: Severity = "critical" if level >= STOPS else "warning"
    flipped = CONFIDENT if spec.model.task == "regression" else FLIPPED[level]
    limits = {"surely_flipped_by_small_change": flipped, "surely_confident_flips": CONFIDENT}
    held = [metric(name, high=high, severity=severity) for name, high in limits.items() if name in metrics]
    texts = [name for name in metrics if name.startswith("surely_turned_by:") and name.endswith(":1")]
    words = [metric(name, high=ONE_WORD[level], severity=severity) for name in texts]
    return [*held, *words, *spec.expectations.robustness]
