"""How a dossier's pictures are drawn: plots as data URIs with a text that says the same in words.

Every plot carries its own white card, so that it reads in the light and in the dark. A picture that cannot be drawn
(columns that are absent, no finite value) is left out: the tables beside it hold the same figures.
"""

import base64
import io
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
INK, QUIET, RULE, BLUE, OCHRE, GREEN = "#22303c", "#56636f", "#d5dade", "#1f5f99", "#b8650f", "#2e7d4f"
SOFT, PALE = "#8fb3d3", "#dbe8f3"
STYLE: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "legend.frameon": False,
    # A column may be called `price_$`: that is a name, not mathematics.
    "text.parse_math": False,
    # The same evidence gives the same bytes.
    "svg.hashsalt": "seatrial",
}
MOST_BARS = 15


@dataclass(frozen=True)
class Plot:
    """One picture: its title, the same in words, and an SVG as a data URI."""

    title: str
    alt: str
    uri: str


def kept(plots: Iterable[Plot | None]) -> list[Plot]:
    return [plot for plot in plots if plot is not None]


def bars(metrics: pd.DataFrame, prefix: str, title: str, axis: str, limits: Mapping[str, float]) -> Plot | None:
    """The metrics of one family as bars, largest first, with their intervals and what they should stay below."""
    if not {"metric", "value"} <= set(metrics.columns):
        return None
    rows = metrics[metrics["metric"].astype(str).str.startswith(prefix) & np.isfinite(numbers(metrics["value"]))]
    if rows.empty:
        return None
    shown = rows.sort_values("value", ascending=False, kind="stable").head(MOST_BARS)
    names = [str(name).removeprefix(prefix) for name in shown["metric"]]
    values = numbers(shown["value"])
    told = [
        f"{name} {value:.3f}" + (f" of {limits[name]:g} allowed" if name in limits else "")
        for name, value in zip(names, values, strict=True)
    ]

    def paint(axes: Axes) -> None:
        axes.barh(range(len(names)), values, color=SOFT, height=0.62)
        axes.errorbar(
            values, range(len(names)), xerr=whiskers(shown, values), fmt="none", ecolor=INK, elinewidth=1, capsize=2
        )
        limited = [at for at, name in enumerate(names) if name in limits]
        if limited:
            axes.plot([limits[names[at]] for at in limited], limited, "|", color=OCHRE, ms=16, mew=2.5, label="budget")
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1))
        axes.set_yticks(range(len(names)), [short(name) for name in names])
        axes.invert_yaxis()
        axes.set(xlabel=axis, xlim=(0, None))

    alt = f"{title}: {len(rows)} in all. " + "; ".join(told) + "."
    return Plot(title, alt, draw(paint, 1.1 + 0.26 * len(names)))


def whiskers(rows: pd.DataFrame, values: Floats) -> Floats:
    """(2, k) lengths below and above each value; none where there is no interval."""
    ends = [numbers(rows[end]) if end in rows else values for end in ("lower", "upper")]
    return np.nan_to_num(np.maximum([values - ends[0], ends[1] - values], 0), posinf=0)


def metric(metrics: pd.DataFrame, name: str) -> tuple[float, float, float] | None:
    """(value, lower, upper) of a metric, or None where it was not measured."""
    if not {"metric", "value", "lower", "upper"} <= set(metrics.columns):
        return None
    rows = metrics.loc[metrics["metric"] == name, ["value", "lower", "upper"]].to_numpy(dtype=np.float64)
    return (float(rows[0, 0]), float(rows[0, 1]), float(rows[0, 2])) if len(rows) else None


def number(value: Any) -> str:
    """Four significant digits for a person: 12,350 and 0.04217; a dash for what is not known."""
    if value is None or value is pd.NA or not isinstance(value, int | float | np.number):
        return "–" if value is None or value is pd.NA else str(value)
    if not np.isfinite(value):
        return "–" if np.isnan(value) else ("∞" if value > 0 else "−∞")
    size = abs(float(value))
    text = f"{value:,.0f}" if size >= 1000 or (float(value).is_integer() and size < 1e15) else f"{value:.4g}"
    return text.replace("-", "−")


def numbers(column: "pd.Series[Any]") -> Floats:
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def finite(column: "pd.Series[Any]") -> Floats:
    values = numbers(column)
    return values[np.isfinite(values)]


def labels(column: "pd.Series[Any]") -> npt.NDArray[np.object_]:
    return np.array([str(value) for value in column], dtype=object)


def short(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"


def draw(paint: Callable[[Axes], None], height: float = 3.4) -> str:
    """An SVG data URI, base64, so that nothing in it is read as markup of the page."""
    out = io.BytesIO()
    with rc_context(STYLE), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; the alt text holds it in full.
        warnings.simplefilter("ignore")
        figure = Figure(figsize=(6.0, height), layout="constrained", facecolor="white")
        paint(figure.subplots())
        figure.savefig(out, format="svg", dpi=150, metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(out.getvalue()).decode()
