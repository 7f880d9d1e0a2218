"""The pictures of stability."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from expectations.records import Evidence
from tasks.drawing import BLUE, GREEN, OCHRE, Plot, bars, draw, number

TIME = "time: "
COLOURS = {"package": BLUE, "refits": OCHRE, "simple": GREEN}


def stability_plots(evidence: Evidence, spec: Mapping[str, Any]) -> list[Plot | None]:
    """Decisions that a slight change flips, by column; and the loss along the time."""
    if "metric" not in evidence.metrics:
        return []
    limit = evidence.facts.get("limits", {}).get("flips")
    names = [str(name).removeprefix("flips:") for name in evidence.metrics["metric"] if str(name).startswith("flips:")]
    limits = {} if limit is None else {name: float(limit) for name in names}
    title = "Decisions that a slight change of one column flips"
    return [bars(evidence.metrics, "flips:", title, "share of records", limits), _along_time(evidence)]


def _along_time(evidence: Evidence) -> Plot | None:
    rows = evidence.records
    if not {"column", "months", "loss", "group"} <= set(rows.columns):
        return None
    rows = rows[rows["column"].astype(str).str.startswith(TIME)]
    lines = [
        (str(c).removeprefix(TIME), str(g), part) for (c, g), part in rows.groupby(["column", "group"], sort=False)
    ]
    if not lines:
        return None

    def paint(axes: Axes) -> None:
        seen: set[str] = set()
        for name, _, part in lines:
            axes.plot(
                part["months"],
                part["loss"],
                "o-",
                color=COLOURS.get(name, BLUE),
                ms=3.5,
                lw=1.2,
                label=None if name in seen else name,
            )
            seen.add(name)
        axes.set(xlabel="months after the last record that it was trained on", ylabel="mean loss", ylim=(0, None))
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3)

    title = "The loss as time goes on"
    slopes = evidence.facts.get("over_time", {}).get("slopes_a_month", {})
    told = [f"{name} {number(100 * float(slope))} % a month" for name, slope in slopes.items() if np.isfinite(slope)]
    return Plot(title, f"{title}: {'; '.join(told) or 'no slope could be measured'}.", draw(paint))
