"""Names of log files, thousands a day, kept short: what they begin with, and which numbers follow."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

# {"predictions/cars/2026-01-31/120000-4f2a": [[1, 60], [62, 62]]}: first and last number of each stretch.
Short = dict[str, list[list[int]]]
END = ".parquet"


def short(names: Collection[str]) -> Short:
    """Law: `full(short(names)) == set(names)`, for names as the gateway gives them."""
    numbers: dict[str, list[int]] = {}
    for name in sorted(names):
        begin, _, number = name.removesuffix(END).rpartition("-")
        numbers.setdefault(begin, []).append(int(number))
    return {begin: _stretches(sorted(found)) for begin, found in numbers.items()}


def _stretches(numbers: Iterable[int]) -> list[list[int]]:
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def full(kept: Mapping[str, list[list[int]]]) -> set[str]:
    """The names that were kept short."""
    return {
        f"{begin}-{number:06d}{END}"
        for begin, stretches in kept.items()
        for first, last in stretches
        for number in range(first, last + 1)
    }


def since(names: Iterable[str], moment: datetime) -> set[str]:
    """Those of files that begin at `moment` or later, by their names."""
    first = f"{moment:%Y-%m-%d/%H%M%S}"
    return {name for name in names if "/".join(name.split("/")[-2:]) >= first}
