"""Is the guarded file still the trained model? Asked of the file itself, on all rows that the conversion was tried on.

What the guards make safe (a gap where training saw none, an infinite number, a text that the core cannot take) is
another row than the estimator was asked about. Such rows are set apart and counted; on every other one nothing may
differ.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.records import Evidence
from infra.runtime import Predictions, Scorer
from tasks.conversion.trials import Trials
from tasks.guards.plan import Flags
from tasks.parity import measure_parity


def complete(trials: Trials, every: pd.DataFrame, signature: Mapping[str, Any]) -> Trials:
    """The trials with all columns that the package is sent: those that the estimator does not take come from `every`
    row of the snapshot in turn, which of the snapshot's own rows is their own."""
    sent = (item["column"] for item in signature["inputs"] if "live" not in item)
    more = [name for name in sent if name not in trials.rows.columns]
    turn = np.arange(len(trials.rows)) % max(len(every), 1)
    return replace(trials, rows=trials.rows.assign(**{name: every[name].to_numpy()[turn] for name in more}))


def as_sent(scorer: Scorer, trials: Trials) -> Trials:
    """The trials that reach the core as they are, and how many do not."""
    kept = ~made_safe(scorer.answers(trials.rows)["flags"], scorer.signature, trials.rows)
    rows, told = (
        trials.rows[kept].reset_index(drop=True),
        {"rows_made_safe": int((~kept).sum()) + int(trials.facts.get("rows_made_safe", 0))},
    )
    return Trials(rows, trials.family[kept], chosen(trials.trained, kept), told)


def measure_package(scorer: Scorer, trials: Trials, tolerance: float) -> Evidence:
    """The same evidence as a conversion's, as the step `package`."""
    parity = measure_parity(trials, scorer.score(trials.rows), tolerance)
    return Evidence("package", parity.metrics, parity.records, trials.facts)


def made_safe(flags: Flags, signature: Mapping[str, Any], rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """(n,) does the core get another value than was sent?"""
    guards = signature["guards"]
    replacing = {f"missing:{name}" for name in guards["intervals"]}
    replacing |= {f"{why}:{name}" for why in ("missing", "unknown") for name in guards["made_safe_by_commonest"]}
    columns = [at for at, words in enumerate(signature["reasons"]["flags"]) if words in replacing]
    numbers = rows[[name for name in guards["intervals"] if name in rows.columns]].to_numpy(dtype=np.float64)
    return np.asarray(flags[:, columns].any(axis=1) | np.isinf(numbers).any(axis=1))


def chosen(said: Predictions, rows: npt.NDArray[np.bool_]) -> Predictions:
    """The predictions of some rows."""
    probabilities = None if said.probabilities is None else said.probabilities[rows]
    return Predictions(said.values[rows], probabilities, said.classes)
