"""Many estimates with their intervals, one below the other, beside zero."""

from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tasks.drawing import BLUE, MOST_BARS, OCHRE, QUIET, Plot, draw, labels, number, numbers, whiskers

WIDE = 34


def intervals(
    rows: pd.DataFrame, name: str, value: str, title: str, axis: str, limit: float | None = None, zero: float = 0.0
) -> Plot | None:
    """The largest `value`s with `lower` and `upper`; a line at `zero`, and one at the `limit` where there is one."""
    rows = rows[np.isfinite(numbers(rows[value]))]
    if rows.empty:
        return None
    shown = rows.assign(**{value: numbers(rows[value])}).sort_values(value, ascending=False, kind="stable")
    shown = shown.head(MOST_BARS)
    names, values, ends = labels(shown[name]), numbers(shown[value]), whiskers(shown, numbers(shown[value]))
    told = [
        f"{text} {number(v)} ({number(v - low)} to {number(v + high)})"
        for text, v, low, high in zip(names, values, *ends, strict=True)
    ]

    def paint(axes: Axes) -> None:
        axes.axvline(zero, color=QUIET, linewidth=1)
        if limit is not None:
            axes.axvline(limit, color=OCHRE, linewidth=1, linestyle="--", label="limit of the sure bound")
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1))
        axes.errorbar(values, range(len(values)), xerr=ends, fmt="o", ms=4, color=BLUE, elinewidth=1.2, capsize=2)
        axes.set_yticks(range(len(names)), [_two_lines(str(text)) for text in names])
        axes.invert_yaxis()
        axes.set(xlabel=axis)

    return Plot(title, f"{title}: {len(rows)} in all. {'; '.join(told)}.", draw(paint, 1.1 + 0.34 * len(names)))


def _two_lines(text: str) -> str:
    """A long name over two lines; what does not fit is in the text beside the picture."""
    lines = wrap(text, WIDE)
    return "\n".join(lines[:2]) + ("…" if len(lines) > 2 else "")
