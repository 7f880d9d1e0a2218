"""Faults of cost: a model whose errors cost more than always giving one answer, or whose predictions cost too much."""

from planted.base import Planted

# A loan that is not repaid loses ten times what one that is refused would have earned; the model knows nothing of it.
MATRIX = {"no": {"yes": 10.0, "no": 0.0}, "yes": {"no": 1.0, "yes": 0.0}}

FAULTS: tuple[Planted, ...] = (
    Planted(
        "costlier than guessing",
        "costs",
        "saved_over_guessing",
        spec={"cost": {"matrix": MATRIX, "unit": "dollars"}},
    ),
    Planted(
        "a model that is too dear to run",
        "costs",
        "cpu_s_per_million",
        spec={"checks": {"costs": {"cpu_s_per_million": 1.0}}},
    ),
)
