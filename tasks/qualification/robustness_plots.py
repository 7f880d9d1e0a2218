"""The pictures of the check `robustness`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from expectations.records import Evidence
from tasks.drawing import BLUE, OCHRE, RULE, Plot, bars, draw, finite, number


def plots(evidence: Evidence, spec: Mapping[str, Any]) -> list[Plot | None]:
    """How far the nearest turned decision is, and what changed texts turn."""
    small = ((spec.get("checks") or {}).get("robustness") or {}).get("small", 0.1)
    title, axis = "Decisions turned by a few changed words", "share of records"
    return [_distances(evidence, float(small)), bars(evidence.metrics, "turned_by:", title, axis, {})]


def _distances(evidence: Evidence, small: float) -> Plot | None:
    if "distance" not in evidence.records:
        return None
    near = np.sort(finite(evidence.records["distance"]))
    asked = int(evidence.facts.get("attacked_records", len(near)))
    if not len(near):
        return None
    alt = (
        f"Cumulative share of {asked:,} records by the distance of the nearest change found that turns the decision: "
        f"{(near <= small).sum() / asked:.1%} within {small:g}, median of those found {number(np.median(near))}, found "
        f"for {len(near):,}."
    )

    def paint(axes: Axes) -> None:
        axes.step(near, np.arange(1, len(near) + 1) / asked, where="post", color=BLUE)
        axes.axvline(small, color=OCHRE, linestyle="--", label="small change")
        axes.set(xlabel="distance: spreads, and 1 for another level", ylabel="share of records turned", ylim=(0, 1.02))
        axes.set_xlim(0, max(float(np.quantile(near, 0.99)), 2 * small))
        axes.grid(color=RULE, linewidth=0.5)
        axes.legend(loc="lower right")

    return Plot("How small a change turns the decision", alt, draw(paint))
