"""The pictures of the scenarios."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from expectations.records import Evidence
from tasks.drawing import BLUE, OCHRE, PALE, Plot, bars, draw

PARTS = (("refused", PALE), ("trusted, same answer", BLUE), ("trusted, another answer", OCHRE))


def scenario_plots(evidence: Evidence, spec: Mapping[str, Any]) -> list[Plot | None]:
    """What became of each kind of record, and the columns whose wrong unit would be trusted."""
    told = evidence.facts.get("swapped_limit")
    if "metric" not in evidence.metrics:
        return []
    names = [str(name) for name in evidence.metrics["metric"] if str(name).startswith("swapped:")]
    limits = {} if told is None else {name.removeprefix("swapped:"): float(told) for name in names}
    title = "Records in a unit a thousand times too small that are trusted, and answered otherwise"
    swapped = evidence.metrics[evidence.metrics["metric"].isin(names) & (evidence.metrics["value"] > 0)]
    return [_fates(evidence), bars(swapped, "swapped:", title, "share of all records", limits)]


def _fates(evidence: Evidence) -> Plot | None:
    rows = evidence.records
    if not {"kind", "n", "refused", "trusted_and_changed"} <= set(rows.columns):
        return None
    rows = rows[rows["refused"].notna() & rows["trusted_and_changed"].notna()]
    if rows.empty:
        return None
    kinds = list(dict.fromkeys(rows["kind"]))
    shares = []
    for kind in kinds:
        mine = rows[rows["kind"] == kind]
        refused, changed = (np.average(mine[name], weights=mine["n"]) for name in ("refused", "trusted_and_changed"))
        shares.append((refused, 1 - refused - changed, changed))

    def paint(axes: Axes) -> None:
        left = np.zeros(len(kinds))
        for at, (name, colour) in enumerate(PARTS):
            width = np.array([share[at] for share in shares])
            axes.barh(range(len(kinds)), width, left=left, color=colour, height=0.62, label=name)
            left += width
        axes.set_yticks(range(len(kinds)), kinds)
        axes.invert_yaxis()
        axes.set(xlabel="share of records", xlim=(0, 1))
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)

    title = "What becomes of provoking records"
    each = zip(kinds, shares, strict=True)
    told = [f"{kind}: {r:.0%} refused, {c:.0%} trusted with another answer" for kind, (r, _, c) in each]
    return Plot(title, f"{title}. {'; '.join(told)}.", draw(paint, 1.5 + 0.3 * len(kinds)))
