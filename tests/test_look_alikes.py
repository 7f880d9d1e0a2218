"""Look-alike texts read the same to a person and are other texts to a machine."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.qualification.look_alikes import KINDS, LOOK_ALIKES, NO_WIDTH, Kind, look_alike


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(st.text(max_size=60), st.integers(0, 99))
def test_homoglyphs_and_marks_can_be_taken_back(text: str, seed: int) -> None:
    back = {other: letter for letter, other in LOOK_ALIKES.items()}
    clean = "".join(letter for letter in text if letter not in back and letter not in NO_WIDTH)
    glyphs = look_alike(clean, rng(seed), "homoglyph")
    assert "".join(back.get(letter, letter) for letter in glyphs) == clean
    marked = look_alike(clean, rng(seed), "zero-width")
    assert "".join(letter for letter in marked if letter not in NO_WIDTH) == clean


@given(st.text(max_size=60), st.integers(0, 99))
def test_a_misspelling_is_one_error_long(text: str, seed: int) -> None:
    wrong = look_alike(text, rng(seed), "misspelling")
    assert abs(len(wrong) - len(text)) <= 1
    assert (wrong != text) == any(letter.isalnum() for letter in text)


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_with_letters_always_changes_and_the_seed_repeats_it(kind: Kind) -> None:
    text = "Please pay the invoice today"
    assert all(look_alike(text, rng(seed), kind) != text for seed in range(50))
    assert look_alike(text, rng(3), kind) == look_alike(text, rng(3), kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["", " ", "!?"])
def test_a_text_without_letters_stays(kind: Kind, text: str) -> None:
    assert look_alike(text, rng(), kind) == text


def test_no_look_alike_is_a_latin_letter() -> None:
    assert not [letter for letter in LOOK_ALIKES.values() if unicodedata.name(letter).startswith("LATIN")]


def test_an_unknown_kind_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="'leet'; there are homoglyph, zero-width, misspelling"):
        look_alike("a", rng(), "leet")  # type: ignore[arg-type]
