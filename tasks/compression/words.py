"""What the frontier says, in sentences for a person."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def size(number_of_bytes: float) -> str:
    """17 kB, 9.5 MB."""
    for unit, factor in (("MB", 1e6), ("kB", 1e3)):
        if number_of_bytes >= factor:
            scaled = number_of_bytes / factor
            return f"{scaled:.0f} {unit}" if scaled >= 10 else f"{scaled:.1f} {unit}"
    return f"{number_of_bytes:.0f} B"


def change(row: Row, unit: str) -> str:
    """How much skill an alternative has more or less than the candidate, with its interval."""
    return f"{row['skill_difference']:+.4f} [{row['lower']:+.4f}, {row['upper']:+.4f}] {unit}".replace("-", "−")


def recommendation(rows: Sequence[Row], chosen: Row | None, tolerance: float, unit: str) -> str:
    """Which model is the simplest sufficient one, or why the candidate stays."""
    candidate, others = rows[0], [row for row in rows[1:] if row["simpler"]]
    mine = size(candidate["onnx_bytes"])
    if chosen is not None:
        ratios = f"{_times(candidate['onnx_bytes'] / chosen['onnx_bytes'], 'smaller', 'larger')}, "
        ratios += _times(candidate["cpu_us"] / chosen["cpu_us"], "less CPU", "more CPU")
        small = size(chosen["onnx_bytes"])
        return (
            f"{chosen['name']!r} suffices: {small}, within {tolerance:g} {unit} of the candidate's {mine} "
            f"({change(chosen, unit)}); {ratios}."
        )
    if not others:
        return f"The candidate ({mine}) is the simplest: nothing that was tried is clearly smaller and as cheap to run."
    nearest = max(others, key=lambda row: (row["skill_difference"], row["name"]))
    told = f"{nearest['name']!r}, {size(nearest['onnx_bytes'])}: {change(nearest, unit)}"
    if nearest["answer"] == "not sufficient":
        return f"The candidate ({mine}) stays: no simpler model is within {tolerance:g} {unit}. The nearest is {told}."
    doubt = "which cannot be told from too far off" if nearest["answer"] == "cannot tell" else "not proven on its graph"
    return f"The candidate ({mine}) stays: the nearest simpler model is {told}, {doubt}; cannot tell is not yes."


def left_out(names: Sequence[str]) -> str:
    """What nobody knows since the budget was spent."""
    return f" Left out for time, raise compression.cpu_seconds: {', '.join(names)}." if names else ""


def _times(ratio: float, more: str, less: str) -> str:
    bigger, word = (ratio, more) if ratio >= 1 else (1 / ratio, less)
    return f"{bigger:.0f}× {word}" if bigger >= 10 else f"{bigger:.1f}× {word}"


def over_time(
    better: str, steadier: str, tested: Mapping[str, Mapping[str, float]], windows: int, unit: str, absent: str
) -> str:
    """The better and the steadier one beside each other; `absent` says why the candidate is not among them."""

    def told(name: str) -> str:
        row = tested[name]
        return f"{row['over_time']:.3f} ± {row['spread']:.3f} {unit}, worst window {row['worst_window']:.3f}"

    few = f"Trained on the past and tested on the next, {windows} times (few: a hint, no proof): "
    named = (
        f"{better!r} is the better and the steadier one ({told(better)})."
        if better == steadier
        else f"{better!r} is the better one ({told(better)}), {steadier!r} the steadier one ({told(steadier)}). "
        "Where the world changes fast the steadier one may be the right choice."
    )
    missing = f" The candidate is not among the {len(tested)} tested: {absent}." if absent else ""
    return few + named + missing
