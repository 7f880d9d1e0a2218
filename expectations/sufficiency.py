"""When is a simpler model good enough? The rule that decides, and no measuring."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

Answer = Literal["sufficient", "not sufficient", "cannot tell"]
Row = Mapping[str, Any]
# Simpler is at most this share of the candidate's size (or CPU), and not more than this much of the other.
SIMPLER, NOT_DEARER = 0.8, 1.25


def answer(lower: float, upper: float, tolerance: float) -> Answer:
    """Of the interval of (alternative's skill − candidate's): all above −tolerance, all below it, or neither."""
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return "cannot tell"
    return "sufficient" if lower >= -tolerance else "not sufficient" if upper < -tolerance else "cannot tell"


def simpler(row: Row, candidate: Row, prefer: str) -> bool:
    """Clearly smaller and not clearly dearer to run, or the other way round."""
    size, cpu = (row[key] / candidate[key] if candidate[key] else math.nan for key in ("onnx_bytes", "cpu_us"))
    mine, other = (size, cpu) if prefer == "size" else (cpu, size)
    return bool(mine <= SIMPLER and other <= NOT_DEARER)


def recommend(rows: Sequence[Row], candidate: Row, prefer: str) -> Row | None:
    """The smallest (or cheapest) of the simpler ones that are sufficient and proven to be their estimator."""
    fit = [row for row in rows if row["answer"] == "sufficient" and row["proven"] and simpler(row, candidate, prefer)]
    key = "onnx_bytes" if prefer == "size" else "cpu_us"
    return min(fit, key=lambda row: (row[key], row["name"]), default=None)


# Steadiness is no virtue in a model that is always bad.
WORTH = 0.5
FEWEST_WINDOWS = 3


def better_and_steadier(tested: Mapping[str, Mapping[str, float]], windows: int) -> tuple[str, str] | None:
    """(better, steadier) by name: the best skill on average, and the smallest spread among those half as good at least.

    `tested` holds each model's over_time (mean skill) and spread (standard deviation). None with too few windows.
    """
    if windows < FEWEST_WINDOWS or not tested:
        return None
    better = max(tested, key=lambda name: (tested[name]["over_time"], name))
    best = tested[better]["over_time"]
    worth = [name for name in tested if tested[name]["over_time"] >= WORTH * best] if best > 0 else [better]
    return better, min(worth, key=lambda name: (tested[name]["spread"], name))
