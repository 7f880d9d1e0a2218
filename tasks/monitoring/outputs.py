"""What is measured of answers, before anybody knows the truth."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from expectations.monitoring_spec import WatchedSpeed
from expectations.spec import ReleaseSpec
from tasks.monitoring.measures import Found, Measure, NotApplicable, at_cuts, at_levels, one_way
from tasks.monitoring.places import (
    FLAGS,
    ODDITY,
    PREDICTION,
    PROBABILITIES,
    REASONS,
    TRUSTED,
    error_scale,
    loss,
    numbers,
    own,
)
from tasks.monitoring.reference import ReferenceRows

# A release without measured latencies is held to this: 95 of 100 answers in time.
LATE = 0.05
OWN = ("error", PREDICTION)
# A cell of the own rows with fewer says what all rows say.
FEWEST_IN_CELL = 20


def oddity_measures(_spec: ReleaseSpec, reference: ReferenceRows) -> Found:
    """All inputs together: the package's anomaly score, upwards."""
    if ODDITY not in reference.rows.columns:
        return [], ["The package tells no anomaly score."]
    return [at_cuts(ODDITY, "the anomaly score", numbers(reference.rows[ODDITY]), {}, (True,))], []


def prediction_measures(spec: ReleaseSpec, reference: ReferenceRows) -> Found:
    """Deciles of a number; of classes how often each is said, and deciles of its chance (of more than two classes, of
    the greatest chance)."""
    rows = reference.rows.filter(pl.Series(own(reference.rows)))
    if spec.model.task == "regression":
        return [at_cuts(PREDICTION, "the prediction", numbers(rows[PREDICTION]), {"own": True})], []
    found = [at_levels(PREDICTION, "the prediction", rows[PREDICTION], {"own": True})]
    if PROBABILITIES in rows.columns:
        found.append(_chances(reference.signature["classes"], rows))
    return found, []


def _chances(classes: Sequence[str], rows: pl.DataFrame) -> Measure:
    if len(classes) == 2:
        chances, name, of = rows[PROBABILITIES].list.last(), f"the chance of {classes[-1]}", "last"
    else:
        chances, name, of = rows[PROBABILITIES].list.max(), "the greatest chance", "greatest"
    return at_cuts(PROBABILITIES, name, numbers(chances), {"own": True, "of": of})


def guard_measures(_spec: ReleaseSpec, reference: ReferenceRows) -> Found:
    """How often a guard says no."""
    if TRUSTED not in reference.rows.columns:
        return [], ["The package has no guards."]
    return [one_way("distrusted", {}, "not trusted", [TRUSTED])], []


def error_measures(_spec: ReleaseSpec, _reference: ReferenceRows) -> Found:
    """How often there is no answer."""
    return [one_way("failed", {}, "failed", ["error"])], []


def latency_measures(spec: ReleaseSpec, reference: ReferenceRows) -> Found:
    """How often an answer takes too long; where latencies were not measured, 5 of 100 may."""
    asked = spec.monitoring.alarms.latency
    assert isinstance(asked, WatchedSpeed)
    granted = None if "latency_ms" in reference.rows.columns else LATE
    label = f"slower than {asked.limit_ms:g} ms"
    return [one_way("late", {"limit_ms": asked.limit_ms}, label, ["latency_ms"], granted)], []


def lookup_measures(spec: ReleaseSpec, reference: ReferenceRows) -> Found:
    """How often a key is unknown, or a live source stale or silent. Raises NotApplicable where none is asked."""
    if not spec.data.lookups:
        raise NotApplicable("the package looks nothing up.")
    if REASONS not in reference.rows.columns:
        return [], ["The package gives no reasons."]
    words = [*(reference.signature.get("reasons") or {}).get("flags", ())]
    keys = {f"unknown:{one.key} in {one.source}" for one in spec.data.lookups}
    unknown = [at for at, said in enumerate(words) if said in keys]
    needs = [REASONS, FLAGS] if unknown else [REASONS]
    return [one_way("lookups failed", {"flags": unknown}, "not looked up", needs)], []


def estimate_measures(spec: ReleaseSpec, reference: ReferenceRows) -> Found:
    """What the loss would be by the answers alone."""
    if spec.model.task == "regression":
        return _usual_losses(spec, reference)
    if PROBABILITIES not in reference.rows.columns:
        return [], ["The model tells no probabilities, so nothing tells of its errors before the truth does."]
    return [one_way("doubt", {"own": True}, "share of wrong labels, estimated", [PROBABILITIES, *OWN])], []


def _usual_losses(spec: ReleaseSpec, reference: ReferenceRows) -> Found:
    """The own rows' losses by fourths of the prediction and thirds of oddity: what the mean loss is where other rows
    come and each kind keeps its loss. A change of the truth itself it cannot see, as nothing can before labels."""
    rows = reference.rows.filter(pl.Series(own(reference.rows)))
    if ODDITY not in rows.columns:
        return [], ["The package tells no anomaly score, so nothing tells of its errors before the truth does."]
    lost = loss({"scale": error_scale(spec, reference.rows)}, rows)[:, 0]
    said, odd = numbers(rows[PREDICTION]), numbers(rows[ODDITY])
    detail = _cells(said, odd, lost)
    return [one_way("usual loss", detail, "loss, estimated", [PREDICTION, ODDITY, "error"])], []


def _cells(said: Any, odd: Any, lost: Any) -> dict[str, Any]:
    predictions, oddities = np.nanquantile(said, [0.25, 0.5, 0.75]), np.nanquantile(odd, [1 / 3, 2 / 3])
    at = np.searchsorted(predictions, said) * 3 + np.searchsorted(oddities, odd)
    known = ~np.isnan(lost)
    count = np.bincount(at[known], minlength=12)
    means = np.bincount(at[known], lost[known], 12) / np.maximum(count, 1)
    losses = np.where(count >= FEWEST_IN_CELL, means, np.nanmean(lost))
    told = {"predictions": predictions, "oddities": oddities, "losses": losses}
    return {"own": True, "last": 11, **{name: [float(one) for one in values] for name, values in told.items()}}
