"""The page of the drift benchmark."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Told(Protocol):
    """What the page reads of a way to find drift."""

    name: str
    false_runs: float
    false_alarms: float
    swaying_runs: float
    delays: dict[str, list[float]]
    tuned: bool


HEAD = """# How soon drift is found, and how often falsely

Written by `make bench-drift`. Rows of the credit table (4,454 people, 11 inputs) come as traffic, 50 a minute, each row
drawn anew; truths come 30 minutes after their answers. The release is the one of `examples/credit`, guards and all, and
is held against its own rows; the table is the world that these were drawn from. A fault comes at some minute of the
second hour. Delays are medians in minutes from the first changed row, of labels from the first changed truth.

- **Seatrial** looks each minute at every alarm of the spec but silence and cost, with the spec's defaults: up to
  10 points of any share, 5 of quality, are tolerated and are no alarm by intent. Alpha is 0.05 for all time.
- **Evidently** {evidently}: its default preset (normed Wasserstein distance and Jensen-Shannon distance, 0.1) on each
  hour's rows against the release's test rows. Of its report only the tests run; on the first windows the whole report
  was compared with them. Its verdict is "half of the columns"; "any column" is what its tests of columns say.
- **Tests of each column** (Kolmogorov-Smirnov, chi²): once at p < 0.05, as in many monitors; then *tuned*, the lowest
  level that at most 5 of 100 other clean runs of twelve hours reach (Evidently: of the same 30). Nobody can tune so who
  does not have weeks of clean traffic, and after twelve more hours the rate doubles, which Seatrial's does not.
- What it does not show: traffic whose rows hang together in time, other tables, or changes below a tolerance, which
  are left to the weekly review.
- The columns of the peers: inputs, prediction, probability, latency, and the truth once it is known.
- **Sway**: over twelve hours people with more income come up to a quarter more often, then as much less often. No share
  moves by more than 7 points; to be told of it is a false alarm by the spec's tolerance.
"""


def page(scores: Sequence[Told], faults: Sequence[str], version: str) -> str:
    """All of it, in Markdown."""
    return "\n".join([HEAD.format(evidently=version), _false(scores), "", _delays(scores, faults), ""])


def _false(scores: Sequence[Told]) -> str:
    rows = [
        f"| {one.name} | {one.false_alarms:.2f} | {100 * one.false_runs:.0f} % | {100 * one.swaying_runs:.0f} % |"
        for one in scores
    ]
    head = (
        "## False alarms in twelve clean hours\n\n"
        "| way | alarms in 12 h | runs with one | runs of harmless sway with one |\n|---|---|---|---|"
    )
    return "\n".join([head, *rows])


def _delays(scores: Sequence[Told], faults: Sequence[str]) -> str:
    names = [f"{at + 1}" for at in range(len(scores))]
    head = f"## Minutes until it is found (median)\n\n| fault | {' | '.join(names)} |\n|---|{'---|' * len(names)}"
    rows = [f"| {fault} | {' | '.join(_cell(one.delays[fault]) for one in scores)} |" for fault in faults]
    legend = [f"{number}. {one.name}" for number, one in zip(names, scores, strict=True)]
    return "\n".join([head, *rows, "", "–: in six hours not found in half of the runs.", "", *legend])


def _cell(delays: Sequence[float]) -> str:
    middle = float(np.quantile(delays, 0.5, method="higher"))
    return f"{middle:.0f}" if np.isfinite(middle) else "–"
