"""The pictures of the check `gaming`."""

from collections.abc import Mapping
from typing import Any

from expectations.records import Evidence
from tasks.drawing import Plot, bars


def plots(evidence: Evidence, spec: Mapping[str, Any]) -> list[Plot | None]:
    """Who crosses by which move, and how much is gained."""
    crossing = bars(
        evidence.metrics, "crosses_by_gaming:", "Who gets what they want by gaming", "share of those without it", {}
    )
    gains = bars(evidence.metrics, "gain:", "Mean gain of the best move", "probability, or the target's unit", {})
    return [crossing, gains]
