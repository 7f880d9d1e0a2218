"""The pictures of the check `explanations`."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from expectations.records import Evidence
from tasks.drawing import BLUE, PALE, Plot, bars, draw, number, short


def plots(evidence: Evidence, spec: Mapping[str, Any]) -> list[Plot | None]:
    """What the answers hang on, and how they depend on the first columns."""
    title, axis = "What the answers hang on", "share of all movement when a column is shuffled"
    curves = list(evidence.facts.get("dependence") or [])
    return [bars(evidence.metrics, "share:", title, axis, {}), *(_curve(one) for one in curves)]


def _curve(curve: Mapping[str, Any]) -> Plot | None:
    mean, at = curve["mean"], curve["at"]
    lowest, highest = min(range(len(mean)), key=mean.__getitem__), max(range(len(mean)), key=mean.__getitem__)
    alt = (
        f"Mean of {curve['of']} over {curve['records']} records as {curve['column']} changes and all else stays: least "
        f"{number(mean[lowest])} at {_point(at[lowest])}, greatest {number(mean[highest])} at {_point(at[highest])}."
    )
    places = at if curve["numbers"] else list(range(len(at)))

    def paint(axes: Axes) -> None:
        if curve["numbers"]:
            axes.fill_between(places, curve["low"], curve["high"], color=PALE, label="80 % of records")
            axes.plot(places, mean, color=BLUE, marker="o", ms=3, label="mean")
        else:
            axes.vlines(places, curve["low"], curve["high"], color=PALE, linewidth=8, label="80 % of records")
            axes.plot(places, mean, "o", color=BLUE, label="mean")
            axes.set_xticks(places, [short(str(name)) for name in at], rotation=30, ha="right")
        axes.set(xlabel=short(str(curve["column"])), ylabel=short(str(curve["of"])))
        axes.legend(loc="best")

    return Plot(f"How the answer depends on {curve['column']}", alt, draw(paint))


def _point(value: Any) -> str:
    return number(value) if isinstance(value, int | float) else str(value)
