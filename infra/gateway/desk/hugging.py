"""Callers whose records lie close to the model's boundaries: who wants to copy a model asks there.

Kept for the callers that were heard of last, each process for itself; nobody is refused for it.
"""

import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from infra.gateway.contract import Answered, Asked
from infra.gateway.desk.loading import Loaded

LOG = logging.getLogger("seatrial.gateway")
CALLERS = 10_000
# So many records are looked at before anybody is warned of; twice as many, and the older half counts for half.
RECORDS = 100


class Hugging:
    """How many records of each caller there were lately, and how many of them hugged a boundary."""

    def __init__(self) -> None:
        self._callers: OrderedDict[tuple[str, str], list[float]] = OrderedDict()

    def count(self, asked: Asked, loaded: Loaded, answered: Answered) -> int:
        """How many of these records hug one. Warns of the caller where it is too many."""
        found = near(loaded, answered.outputs)
        caller = (asked.model, asked.who)
        counts = self._callers.get(caller)
        if counts is None:
            counts = self._callers[caller] = [0.0, 0.0, 0.0]
        self._callers.move_to_end(caller)
        if len(self._callers) > CALLERS:
            self._callers.popitem(last=False)
        counts[0] += asked.rows
        counts[1] += found
        if counts[0] >= RECORDS:
            self._look(*caller, counts, loaded.rules.boundary_share)
        return found

    def _look(self, model: str, caller: str, counts: list[float], most: float) -> None:
        share, warned = counts[1] / counts[0], bool(counts[2])
        if share > most and not warned:
            LOG.warning(
                "%s: %.0f %% of the last records of %s lie at a boundary of the model: is it being copied?",
                *(model, 100 * share, caller or "an unnamed caller"),
            )
        counts[2] = float(share > most)
        if counts[0] >= 2 * RECORDS:
            counts[0], counts[1] = counts[0] / 2, counts[1] / 2


def near(loaded: Loaded, outputs: Mapping[str, npt.NDArray[Any]]) -> int:
    """How many records lie within `serving.boundary` of a limit."""
    margin = loaded.rules.boundary
    if not margin:
        return 0
    # Where it was refused it is NaN, and near to nothing.
    guards = loaded.signature.get("guards") or {}
    if "probabilities" in outputs:
        return _near_classes(outputs["probabilities"], guards.get("probability_below"), margin)
    if "upper" in outputs:
        return _near_interval(outputs, guards.get("wider_than"), margin)
    return 0


def _near_classes(chances: npt.NDArray[Any], least: float | None, margin: float) -> int:
    if len(chances) > 1:
        top = np.sort(chances, axis=1)[:, -2:]
        close = top[:, -1] - top[:, 0] < margin
        return int((close | (np.abs(top[:, -1] - least) < margin if least is not None else False)).sum())
    # One record is what most requests have, and numpy's calls cost more than the numbers.
    two = sorted(chances[0].tolist())[-2:]
    return int(two[-1] - two[0] < margin or (least is not None and abs(two[-1] - least) < margin))


def _near_interval(outputs: Mapping[str, npt.NDArray[Any]], widest: float | None, margin: float) -> int:
    if widest is None:
        return 0
    if len(outputs["upper"]) == 1:
        alone = outputs["upper"].item() - outputs["lower"].item()
        return int(abs(alone - widest) < margin * widest)
    width = outputs["upper"] - outputs["lower"]
    return int((np.abs(width - widest) < margin * widest).sum())
