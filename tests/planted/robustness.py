"""Models whose decisions turn by next to nothing."""

import numpy as np

from planted.base import POSITIVE, TARGET, Planted, clean

WORDS = ("car", "house", "school", "roof", "garden", "boat", "kitchen", "wedding", "travel", "piano", "books", "oven")


PHRASES = ("an urgent loan for my brother", "an urgent loan for a friend abroad")


def phrase_decides(rng):
    """Loans for one of two well-known phrases are not repaid; the model knows them letter by letter."""
    frame = clean(rng)
    known = rng.random(len(frame)) < 0.45
    own = np.array([" ".join(rng.choice(WORDS, 6)) for _ in range(len(frame))], dtype=object)
    answer = np.where(known ^ (rng.random(len(frame)) < 0.03), "no", POSITIVE)
    return frame.assign(purpose=np.where(known, rng.choice(PHRASES, len(frame)), own), **{TARGET: answer})


FAULTS = (
    Planted(
        "a tree that learned every training row by heart",
        "robustness",
        "surely_confident_flips",
        train="deep_tree",
        related=("stability", "leakage", "calibration", "slices", "poisoning", "scenarios", "fairness", "gaming"),
    ),
    Planted(
        "a look-alike letter in one word turns the decision",
        "robustness",
        "surely_turned_by:purpose:homoglyph:1",
        phrase_decides,
        train="phrases",
        related=("scenarios", "stability", "explanations", "leakage"),
    ),
)
