"""Texts that a person reads as the same text and a model may not: look-alike letters, unseen marks, typing errors.

The look-alike letters are a choice of Unicode's table of confusables (UTS 39): Cyrillic and Greek letters that most
fonts draw as the Latin ones. The unseen marks have no width (Unicode category Cf).
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

Kind = Literal["homoglyph", "zero-width", "misspelling"]
KINDS: tuple[Kind, ...] = ("homoglyph", "zero-width", "misspelling")
LOOK_ALIKES: Mapping[str, str] = {
    **dict(zip("aceijopsxyAEHIKMOPTXZ", "асеіјорѕхуΑΕΗΙΚΜΟΡΤΧΖ", strict=True)),
    **dict(zip("BCSJ", "ВСЅЈ", strict=True)),
}
NO_WIDTH = ("\u200b", "\u200c", "\u200d", "\u2060")
NEIGHBOURS: Mapping[str, str] = {
    letter: around
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890")
    for at, letter in enumerate(row)
    if (around := row[max(at - 1, 0) : at] + row[at + 1 : at + 2])
}
# Of the letters that may be exchanged, this share is: enough for every longer word to hold one.
SHARE = 0.2


def look_alike(text: str, rng: np.random.Generator, kind: Kind) -> str:
    """The text with some letters exchanged for look-alikes, with marks of no width, or with one typing error.

    At least one letter changes where any can; a text with nothing to change is returned as it is. "misspelling" makes
    exactly one error: a letter left out, doubled, swapped with the next, or replaced by its neighbour on the keyboard.
    Raises ValueError for another kind.
    """
    if kind not in MAKERS:
        raise ValueError(f"There is no look-alike of kind {kind!r}; there are {', '.join(KINDS)}.")
    return MAKERS[kind](text, rng)


def _homoglyph(text: str, rng: np.random.Generator) -> str:
    places = _some([at for at, letter in enumerate(text) if letter in LOOK_ALIKES], rng)
    return "".join(LOOK_ALIKES[letter] if at in places else letter for at, letter in enumerate(text))


def _zero_width(text: str, rng: np.random.Generator) -> str:
    inside = [at for at in range(1, len(text)) if text[at - 1].isalnum() and text[at].isalnum()]
    places = _some(inside, rng)
    marks = {at: str(rng.choice(NO_WIDTH)) for at in sorted(places)}
    return "".join(marks.get(at, "") + letter for at, letter in enumerate(text))


def _misspelling(text: str, rng: np.random.Generator) -> str:
    letters = [at for at, letter in enumerate(text) if letter.isalnum()]
    if not letters:
        return text
    at = int(rng.choice(letters))
    ways = (text[:at] + text[at + 1 :], text[:at] + text[at] + text[at:], _swapped(text, at), _slipped(text, at, rng))
    changed = [way for way in ways if way != text]
    return str(changed[int(rng.integers(len(changed)))])


def _swapped(text: str, at: int) -> str:
    return text[:at] + text[at + 1 : at + 2] + text[at] + text[at + 2 :]


def _slipped(text: str, at: int, rng: np.random.Generator) -> str:
    """The letter replaced by one beside it on the keyboard, in the case that it had."""
    around = NEIGHBOURS.get(text[at].lower(), "")
    if not around:
        return text
    other = around[int(rng.integers(len(around)))]
    return text[:at] + (other.upper() if text[at].isupper() else other) + text[at + 1 :]


def _some(places: list[int], rng: np.random.Generator) -> set[int]:
    """About SHARE of the places, one at least where there is one."""
    if not places:
        return set()
    count = max(1, round(SHARE * len(places)))
    return set(rng.choice(places, count, replace=False).tolist())


MAKERS: Mapping[Kind, Callable[[str, np.random.Generator], str]] = {
    "homoglyph": _homoglyph,
    "zero-width": _zero_width,
    "misspelling": _misspelling,
}
