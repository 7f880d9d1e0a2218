"""The dossier's pictures: one evidence in, plots out."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from expectations.records import Evidence
from tasks.drawing import (
    BLUE,
    GREEN,
    INK,
    OCHRE,
    PALE,
    QUIET,
    RULE,
    Floats,
    Plot,
    bars,
    draw,
    finite,
    kept,
    labels,
    metric,
    number,
    numbers,
    short,
    whiskers,
)
from tasks.qualification.registry import CHECKS

BINS = [step / 25 for step in range(26)]
MOST_POINTS, MOST_CLASSES = 4000, 12


def build_plots(evidence: Evidence, spec: Mapping[str, Any]) -> list[Plot]:
    """The plots of a known step; none of an unknown one, or of evidence that holds nothing to draw."""
    check = next((one for one in CHECKS if one.step == evidence.step), None)
    if check is not None:
        return kept(check.plots(evidence, spec)) if check.plots else []
    if evidence.step == "quality":
        return kept(_quality(evidence.records, spec.get("model") or {}))
    if evidence.step == "guards":
        return kept(_guards(evidence.metrics, spec.get("guards") or {}))
    painters: dict[str, Callable[[], Plot | None]] = {
        "data": lambda: _drift(evidence.metrics),
        "conversion": lambda: _conversion(evidence.records),
        "package": lambda: _conversion(evidence.records),
        "latency": lambda: _latency(evidence.records),
        "comparison": lambda: _comparison(evidence, spec),
        "compression": lambda: _frontier(evidence),
    }
    painter = painters.get(evidence.step)
    return kept([painter()]) if painter else []


def _quality(records: pd.DataFrame, model: Mapping[str, Any]) -> list[Plot | None]:
    if not {"actual", "predicted"} <= set(records.columns) or records.empty:
        return []
    if (model.get("task") or ("multiclass" if "correct" in records else "regression")) == "regression":
        return [_actual_predicted(records)]
    return [_probabilities(records, model.get("positive")), _confusion(records)]


def _actual_predicted(records: pd.DataFrame) -> Plot | None:
    pairs = np.column_stack([numbers(records["actual"]), numbers(records["predicted"])])
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    if not len(pairs):
        return None
    far = np.abs(pairs[:, 1] - pairs[:, 0])
    shown = pairs[:: max(1, -(-len(pairs) // MOST_POINTS))]
    few = f" {len(shown):,} of them are drawn." if len(shown) < len(pairs) else ""
    alt = (
        f"Scatter of {len(pairs):,} records, predicted against actual.{few} Half of the errors are below "
        f"{number(np.median(far))}, nine tenths below {number(np.quantile(far, 0.9))}."
    )

    def paint(axes: Axes) -> None:
        ends = [pairs.min(), pairs.max()]
        axes.plot(ends, ends, color=OCHRE, linewidth=1.2, label="predicted = actual")
        axes.scatter(shown[:, 0], shown[:, 1], s=9, color=BLUE, alpha=0.45, linewidths=0, rasterized=True)
        axes.set(xlabel="actual", ylabel="predicted")
        for side in (axes.xaxis, axes.yaxis):
            side.set_major_formatter(lambda value, _: number(value))
        axes.legend(loc="upper left")

    return Plot("Actual and predicted", alt, draw(paint, 4.4))


def _probabilities(records: pd.DataFrame, positive: Any) -> Plot | None:
    if "probability" not in records:
        return None
    chance, actual = numbers(records["probability"]), labels(records["actual"])
    groups = [(label, chance[(actual == label) & np.isfinite(chance)]) for label in sorted(set(actual))[:2]]
    groups = [(label, values) for label, values in groups if len(values)]
    if not groups:
        return None
    named = f"{positive!s}" if positive is not None else "the positive class"
    halves = "; ".join(
        f"actual {label}: median {np.median(values):.2f}, n = {len(values):,}" for label, values in groups
    )

    def paint(axes: Axes) -> None:
        for (label, values), color, hatch in zip(groups, (BLUE, OCHRE), ("", "///"), strict=False):
            axes.hist(
                values,
                bins=BINS,
                density=True,
                alpha=0.5,
                color=color,
                hatch=hatch,
                edgecolor=color,
                label=label,
            )
        axes.set(xlabel=f"predicted probability of {short(named)}", ylabel="density of records", xlim=(0, 1))
        axes.legend(title="actual")

    return Plot(
        "Probabilities by actual class", f"Histogram of the predicted probability of {named}. {halves}.", draw(paint)
    )


def _confusion(records: pd.DataFrame) -> Plot | None:
    actual, predicted = labels(records["actual"]), labels(records["predicted"])
    common = list(pd.Series(np.concatenate([actual, predicted])).value_counts().index)
    kept = sorted(common[:MOST_CLASSES])
    names = kept + (["(others)"] if len(common) > MOST_CLASSES else [])
    place = {name: at for at, name in enumerate(kept)}
    counts = np.zeros((len(names), len(names)))
    for a, p in zip(actual, predicted, strict=True):
        counts[place.get(a, len(names) - 1), place.get(p, len(names) - 1)] += 1
    right = float((actual == predicted).mean())
    alt = f"Confusion matrix of {len(actual):,} records in {len(common)} classes; {right:.1%} are on the diagonal. "
    alt += "; ".join(
        f"actual {name}: {int(counts[at, at]):,} of {int(counts[at].sum()):,} right" for at, name in enumerate(kept)
    )
    return Plot("Confusion matrix", alt + ".", draw(_matrix_painter(counts, names), 2.2 + 0.38 * len(names)))


def _matrix_painter(counts: Floats, names: list[str]) -> Callable[[Axes], None]:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def paint(axes: Axes) -> None:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (row, column), count in np.ndenumerate(counts):
            color = "white" if shares[row, column] > 0.55 else INK
            axes.text(column, row, f"{int(count):,}", ha="center", va="center", color=color)
        ticks, texts = range(len(names)), [short(name) for name in names]
        axes.set_xticks(ticks, texts, rotation=45 if len(names) > 4 else 0, ha="right" if len(names) > 4 else "center")
        axes.set_yticks(ticks, texts)
        axes.set(xlabel="predicted", ylabel="actual")
        axes.spines[:].set_visible(False)

    return paint


def _latency(records: pd.DataFrame) -> Plot | None:
    named = {"gateway": "latency_ms", "package": "package_latency_ms", "scikit-learn": "sklearn_latency_ms"}
    times = {name: finite(records[column]) for name, column in named.items() if column in records}
    times = {name: np.sort(values[values > 0]) for name, values in times.items() if (values > 0).any()}
    if not times:
        return None
    middles = "; ".join(
        f"{name}: median {number(np.median(t))} ms"
        # Of fewer there is no hundredth part.
        + (f", 99th percentile {number(np.quantile(t, 0.99))} ms" if len(t) >= 100 else "")
        for name, t in times.items()
    )

    def paint(axes: Axes) -> None:
        for (name, values), color, dash in zip(times.items(), (BLUE, GREEN, OCHRE), ("-", "-.", "--"), strict=False):
            axes.step(
                values,
                np.arange(1, len(values) + 1) / len(values),
                where="post",
                color=color,
                linestyle=dash,
                label=name,
            )
        axes.set(
            xlabel="latency of one record, ms (log)",
            ylabel="share of records at or below",
            xscale="log",
            ylim=(0, 1.02),
        )
        # The default labels of a log axis are mathematics, which is off.
        axes.xaxis.set_major_formatter(lambda value, _: number(value))
        axes.xaxis.set_minor_formatter(lambda value, _: number(value) if _leading(value) in (2, 5) else "")
        axes.grid(color=RULE, linewidth=0.5)
        axes.legend(loc="lower right")

    return Plot("Latency, side by side", f"Cumulative distribution of the latency. {middles}.", draw(paint))


def _leading(value: float) -> int:
    """The first digit."""
    return int(f"{value:.0e}"[0])


def _comparison(evidence: Evidence, spec: Mapping[str, Any]) -> Plot | None:
    row = metric(evidence.metrics, "improvement")
    if row is None or not np.isfinite(row).all():
        return None
    value, lower, upper = row
    margin = evidence.facts.get("margin", (spec.get("comparison") or {}).get("margin"))
    band = float(margin) if isinstance(margin, int | float) and np.isfinite(margin) else 0.0
    alt = f"Improvement over the champion {value:+.1%}, 95 % interval {lower:+.1%} to {upper:+.1%}; "
    alt += f"margin of equivalence ±{band:.1%}."

    def paint(axes: Axes) -> None:
        axes.axvspan(-band, band, color=PALE, label=f"equivalent, ±{band:.1%}")
        axes.axvline(0, color=QUIET, linewidth=1)
        axes.errorbar(
            [value], [0], xerr=[[max(0, value - lower)], [max(0, upper - value)]], fmt="o", color=BLUE, capsize=5
        )
        reach = 1.25 * max(abs(lower), abs(upper), band, 1e-9)
        axes.set(
            xlim=(-reach, reach),
            ylim=(-1, 1.4),
            yticks=[],
            xlabel="◂ worse        improvement over the champion        better ▸",
        )
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:+.1%}")
        axes.spines["left"].set_visible(False)
        axes.legend(loc="upper left")

    return Plot("Improvement over the champion", alt, draw(paint, 1.9))


def _conversion(records: pd.DataFrame) -> Plot | None:
    if "difference" not in records or records.empty:
        return None
    far = np.abs(numbers(records["difference"]))
    counts = _decades(far)
    alt = f"Differences between trained and exported model, {len(far):,} records. "
    alt += "; ".join(f"{name}: {count:,}" for name, count in counts.items()) + "."

    def paint(axes: Axes) -> None:
        bars = axes.bar(list(counts), list(counts.values()), color=BLUE, width=0.72)
        axes.bar_label(bars, [f"{count:,}" if count else "" for count in counts.values()], padding=2, color=INK)
        axes.set(xlabel="difference between trained and exported, from", ylabel="records")
        axes.margins(y=0.15)
        axes.tick_params(axis="x", labelrotation=45 if len(counts) > 8 else 0)

    return Plot("How near the exported model is", alt, draw(paint, 3.2))


def _frontier(evidence: Evidence) -> Plot | None:
    """Skill beside the candidate's against file size, the interval of the difference as whiskers."""
    rows, asked = evidence.records, evidence.facts
    if not {"name", "onnx_bytes", "skill", "skill_difference", "lower", "upper"} <= set(rows.columns):
        return None
    rows = rows[np.isfinite(numbers(rows["onnx_bytes"])) & np.isfinite(numbers(rows["skill"]))]
    if rows.empty:
        return None
    sizes, skill = numbers(rows["onnx_bytes"]) / 1000, numbers(rows["skill"])
    names, chosen, unit = labels(rows["name"]), asked.get("recommended"), str(asked.get("skill", "skill"))
    # A loss of a whole skill and more (guessing, or worse) would flatten all that matters.
    near = skill >= skill[0] - 0.5
    gaps = pd.DataFrame({"lower": numbers(rows["lower"]), "upper": numbers(rows["upper"])})
    reach = whiskers(gaps, numbers(rows["skill_difference"]))

    def paint(axes: Axes) -> None:
        axes.axhspan(skill[0] - float(asked.get("tolerance", 0.0)), skill[0], color=PALE, label="tolerance")
        for at in np.flatnonzero(near):
            marked = at == 0 or names[at] == chosen
            color = BLUE if at == 0 else OCHRE if marked else QUIET
            axes.errorbar(sizes[at], skill[at], yerr=reach[:, [at]], fmt="D" if marked else "o", ms=5, color=color)
            axes.annotate(
                short(names[at]),
                (sizes[at], skill[at]),
                (5, 3 if at % 2 else -9),
                textcoords="offset points",
                fontsize=8 if marked else 6.5,
                fontweight="bold" if marked else "normal",
                color=color,
            )
        axes.set(xlabel="size of the file, kB (log)", ylabel=f"skill, {unit}", xscale="log")
        axes.margins(x=0.18)
        axes.xaxis.set_major_formatter(lambda value, _: number(value))
        axes.xaxis.set_minor_formatter(lambda value, _: "")
        axes.grid(color=RULE, linewidth=0.5)
        axes.legend(loc="lower right")

    far = ", ".join(f"{name} ({number(value)})" for name, value in zip(names[~near], skill[~near], strict=True))
    told = "; ".join(f"{n}: {number(k)} kB, {number(v)}" for n, k, v in zip(names, sizes, skill, strict=True))
    title = "Quality against size" + (f"; far below: {far}" if far else "")
    return Plot(title, f"Size of the file and skill ({unit}) of each model. {told}.", draw(paint, 4.6))


def _decades(far: Floats) -> dict[str, int]:
    """Records per power of ten; those that are equal, infinitely far or unknown apart."""
    some = far[np.isfinite(far) & (far > 0)]
    powers = np.floor(np.log10(some)).astype(int)
    counts = {"equal": int((far == 0).sum())}
    if len(powers):
        # A denormal difference is as good as none: without this bound one of them would make 300 bars.
        powers = np.maximum(powers, -20)
        counts |= {f"1e{power}": int((powers == power).sum()) for power in range(powers.min(), powers.max() + 1)}
    strange = {"infinite": int(np.isinf(far).sum()), "unknown": int(np.isnan(far).sum())}
    return counts | {name: count for name, count in strange.items() if count}


def _drift(metrics: pd.DataFrame) -> Plot | None:
    axis = "distance between reference and current data (0 none, 1 all)"
    return bars(metrics, "drift:", "Drift by column, largest first", axis, {})


def _guards(metrics: pd.DataFrame, guards: Mapping[str, Any]) -> list[Plot | None]:
    budgets = {str(name): float(value) for name, value in (guards.get("budgets") or {}).items()}
    return [
        bars(metrics, "false_alarms:", "Alarms on usual rows, and their budget", "share of test rows", budgets),
        bars(metrics, "refused:", "Refused, of rows whose values were exchanged", "share of planted rows", {}),
    ]
