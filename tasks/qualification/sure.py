"""What a share surely is, at least: what an alarm hangs on, so that chance raises none."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import beta


def sure_share(hits: "npt.NDArray[np.bool_] | npt.NDArray[Any]", alpha: float) -> float:
    """The exact one-sided lower bound of a share (Clopper, Pearson 1934): the true one is smaller with a chance of at
    most alpha. 0 of nothing found; NaN of no records."""
    n, found = len(hits), int(np.sum(hits))
    if not n:
        return float("nan")
    return float(beta.ppf(alpha, found, n - found + 1)) if found else 0.0
