"""Is a column still in the same unit? Its values beside training's, after each change of unit that is known.

A change of unit keeps the shape and changes the scale; a population that moves does not do so by a known factor, and
seldom leaves what training ever saw. Where the two look alike, this says nothing: it is no proof that all is well.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from tasks.qualification.areas import sure_share

Floats = npt.NDArray[np.float64]
# Distances up to this are no change at all; this much of the values outside of training's range is no population.
MOVED, OUTSIDE, FAR = 0.1, 0.1, 0.5
# Who is twice as rich is so by a factor too: of a small one, most values must be beyond what training ever saw.
MOSTLY_OUTSIDE = 0.3
# A factor of which nobody knows a name, and one that changes more than a population within training's range does.
LARGE = 5.0
CHANCE = 1e-3
# Fewer tell nothing of a part of the rows.
LEAST_PART = 50
NAMED = {
    12.0: "feet and inches, years and months, or dozens",
    7.0: "weeks and days",
    24.0: "days and hours",
    60.0: "hours, minutes or seconds",
    3600.0: "hours and seconds",
    86400.0: "days and seconds",
    1.609344: "miles and kilometres",
    2.2046226: "kilograms and pounds",
    2.54: "inches and centimetres",
    25.4: "inches and millimetres",
    3.2808399: "metres and feet",
    3.785412: "gallons and litres",
    4.184: "calories and joules",
    10.7639104: "square metres and square feet",
    28.349523: "ounces and grams",
    1024.0: "bytes and kibibytes",
    **{10.0**power: f"a decimal place moved by {power}" for power in (1, 2, 3, 4, 5, 6, 9)},
}


@dataclass(frozen=True)
class Change:
    """What may have happened to a column. `strength`: how many times larger or smaller it makes a value; `shifts`: it
    moves the zero, or turns the sign."""

    words: str
    apply: Callable[[Floats], Floats]
    strength: float
    named: bool = True
    shifts: bool = False


@dataclass(frozen=True)
class Explained:
    """A change of unit that explains how the values moved: of all of them, or of a `share`.

    `distance` surely lies between the values and training's at least, `left` after the change.
    """

    words: str
    distance: float
    left: float
    share: float = 1.0


def explained(old: Floats, new: Floats) -> Explained | None:
    """The change of unit that happened between `old` (m,) and `new` (n,), if one did; NaN are left out."""
    old, new = (np.sort(values[np.isfinite(values)]) for values in (old, new))
    if min(len(old), len(new)) < LEAST_PART or old[0] == old[-1]:
        return None
    surely = distance(old, new) - noise(len(old), len(new))
    if surely < MOVED:
        return None
    return _of_all(old, new, surely) or _of_a_part(old, new, surely)


def _of_all(old: Floats, new: Floats, surely: float) -> Explained | None:
    left, change = _nearest(old, new)
    # Moved as a whole, without a change of scale, is what populations do.
    moved = distance(old + np.median(new) - np.median(old), new)
    outside, large = sure_share(float(_outside(old, new).sum()), len(new), CHANCE), change.strength >= LARGE
    # Unless it is one scale's zero against the other's.
    rescaled = left < moved or (change.shifts and outside >= FAR)
    beyond = outside >= (OUTSIDE if large else MOSTLY_OUTSIDE) or (large and surely >= FAR)
    fits = left <= noise(len(old), len(new))
    return Explained(change.words, surely, left) if fits and rescaled and beyond else None


def _of_a_part(old: Floats, new: Floats, surely: float) -> Explained | None:
    """Some callers send another unit: what lies within training's range is as it was, and the rest is not."""
    strange = _outside(old, new)
    inside, rest = new[~strange], new[strange]
    if min(len(inside), len(rest)) < LEAST_PART or distance(old, inside) > noise(len(old), len(inside)):
        return None
    left, change = _nearest(old, rest, lambda values: values[_outside(old, values)])
    fits = left <= noise(len(old), len(rest)) and change.strength >= LARGE
    return Explained(change.words, surely, left, float(strange.mean())) if fits else None


def _nearest(
    old: Floats, new: Floats, seen: Callable[[Floats], Floats] = lambda values: values
) -> tuple[float, Change]:
    """(distance that is left, change): the one after which training's values come nearest.

    A factor that somebody has a name for goes before one that is only fitted, as long as it fits.
    """
    found = []
    for change in _changes(old, new):
        changed = seen(np.sort(change.apply(old)))
        if len(changed) >= LEAST_PART and np.isfinite(changed).all():
            found.append((distance(changed, new), change))
    found.sort(key=lambda one: one[0])
    named = [one for one in found if one[1].named and one[0] <= noise(len(old), len(new))]
    if named:
        # Two that lie near one another cannot be told apart: both are told.
        words = ", or ".join(change.words for _, change in named[:2])
        return named[0][0], replace(named[0][1], words=words)
    return found[0] if found else (1.0, Change("", lambda values: values, 1.0))


def _changes(old: Floats, new: Floats) -> Iterator[Change]:
    for factor, words in NAMED.items():
        yield Change(f"{factor:,.6g} times training's ({words})", partial(np.multiply, factor), factor)
        yield Change(f"1/{factor:,.6g} of training's ({words})", partial(np.multiply, 1 / factor), factor)
    yield from _other_scales(old)
    yield from _fitted(old, new)


def _other_scales(old: Floats) -> Iterator[Change]:
    yield Change("Fahrenheit, and training's are Celsius", lambda x: 1.8 * x + 32, LARGE, shifts=True)
    yield Change("Celsius, and training's are Fahrenheit", lambda x: (x - 32) / 1.8, LARGE, shifts=True)
    yield Change("Kelvin, and training's are Celsius", lambda x: x + 273.15, LARGE, shifts=True)
    yield Change("Celsius, and training's are Kelvin", lambda x: x - 273.15, LARGE, shifts=True)
    yield Change("training's with the other sign", lambda x: -x, LARGE, shifts=True)
    if old[0] > 0:
        yield Change("the logarithms of training's", np.log, LARGE)
        yield Change("the logarithms (base 10) of training's", np.log10, LARGE)
    if old[0] > -1:
        yield Change("log(1 + x) of training's", np.log1p, LARGE)
    if old[-1] < 50:
        yield Change("training's are their logarithms", np.exp, LARGE)


def _fitted(old: Floats, new: Floats) -> Iterator[Change]:
    """The factor between the medians, where it is large: of a small one a population is as good a reason."""
    was, now = float(np.median(old)), float(np.median(new))
    if was * now > 0:
        factor = now / was
        if not 1 / LARGE < factor < LARGE:
            words = f"{factor:,.4g} times training's, all of them"
            yield Change(words, lambda x: x * factor, max(factor, 1 / factor), named=False)


def _outside(old: Floats, new: Floats) -> npt.NDArray[np.bool_]:
    return np.asarray((new < old[0]) | (new > old[-1]))


def distance(left: Floats, right: Floats) -> float:
    """Kolmogorov and Smirnov's, 0 to 1, of two sorted samples."""
    grid = np.concatenate([left, right])
    far = np.searchsorted(left, grid, "right") / len(left) - np.searchsorted(right, grid, "right") / len(right)
    return float(np.abs(far).max())


def noise(n: int, m: int) -> float:
    """How far two samples of one population lie apart at most, but for a chance of 1 in 1,000 (Dvoretzky, Kiefer and
    Wolfowitz 1956, with Massart's constant of 1990)."""
    return sum(float(np.sqrt(np.log(4 / CHANCE) / (2 * size))) for size in (n, m))
