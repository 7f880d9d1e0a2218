"""Is the exported model the model that was trained?"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from expectations.errors import CannotAsk
from expectations.records import Evidence
from infra.runtime import Predictions, Scorer
from tasks.conversion.export import ATTEMPTS, OPSETS, export, preprocessing_differs
from tasks.conversion.polling import poll
from tasks.conversion.refusals import reason_of, refusals
from tasks.conversion.trials import Trials, try_out
from tasks.parity import furthest, is_near, measure_parity, with_members

CLEARLY_FASTER, WORTH_MS = 1.5, 0.05


@dataclass(frozen=True)
class Attempt:
    """A graph in one precision, how near it is, and the CPU time of one record in milliseconds."""

    precision: str
    graph: bytes
    evidence: Evidence
    cpu_ms: float


class CannotConvert(CannotAsk):
    """No attempt gave a graph: a no; each problem says what, why and what to use instead."""


def convert(
    estimator: Any, frame: pd.DataFrame, name: str, tolerance: float, trials: Trials | None = None
) -> tuple[bytes, Evidence]:
    """The graph that is the estimator, and the proof: every row of `trials` (by default `frame` and what is tried out
    besides) scored by both.

    Tries several precisions. Of those within `tolerance` the first is taken, which is double, unless another is
    much faster; where none is, the nearest. Raises CannotConvert where none converts, with the reason.
    """
    told = refusals(estimator) or _untrained(estimator)
    if told:
        raise CannotConvert(*told)
    trials = trials or try_out(estimator, frame)
    with np.errstate(all="ignore"):
        members = poll(estimator, trials.rows)
    found: list[Attempt] = []
    reasons: list[str] = []
    why: list[str] = []
    for precision in ATTEMPTS:
        try:
            graph = export(estimator, frame, name, precision)
            scorer = Scorer(graph)
            evidence = _prove(scorer, trials, members, tolerance)
        except Exception as error:  # noqa: BLE001  The converter raises anything, megabytes of it.
            reasons.append(f"{precision}: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
            why.append(reason_of(error, estimator))
            continue
        found.append(Attempt(precision, graph, evidence, _cpu_ms(scorer, frame)))
    if not found:
        raise CannotConvert(*dict.fromkeys(why))
    best = _chosen(found, tolerance)
    evidence = _without_rounding(estimator, frame, name, trials, members, best, tolerance)
    tried = {one.precision: {"cpu_ms": one.cpu_ms, "bytes": len(one.graph), **_told(one)} for one in found}
    facts = {**trials.facts, "attempt": best.precision, "attempts": tried, "onnx_bytes": len(best.graph)}
    return best.graph, replace(evidence, facts={**facts, "opsets": OPSETS, "refused": reasons})


def must_convert(estimator: Any, frame: pd.DataFrame, name: str) -> None:
    """Raises CannotConvert, with the reasons, where no attempt gives a graph that answers; not whether it is the
    estimator, which only `convert` tells.
    """
    told = refusals(estimator) or _untrained(estimator)
    for precision in () if told else ATTEMPTS:
        try:
            Scorer(export(estimator, frame, name, precision)).score(frame)
            return
        except Exception as error:  # noqa: BLE001  The converter raises anything.
            told.append(reason_of(error, estimator))
    raise CannotConvert(*dict.fromkeys(told))


def _untrained(estimator: Any) -> list[str]:
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        kind = type(estimator).__name__
        return [
            f"The candidate is a {kind} that was never trained. Instead: end with `return model.fit(features, target)`."
        ]
    return []


def _chosen(found: list[Attempt], tolerance: float) -> Attempt:
    near = [one for one in found if is_near(one.evidence, tolerance)]
    if not near:
        return min(found, key=lambda one: furthest(one.evidence))
    fastest = min(near, key=lambda one: one.cpu_ms)
    # By a clear margin only: else the same model would be another package whenever the clock is in another mood.
    saved = near[0].cpu_ms - fastest.cpu_ms
    return fastest if fastest.cpu_ms * CLEARLY_FASTER < near[0].cpu_ms and saved > WORTH_MS else near[0]


def _told(attempt: Attempt) -> dict[str, float]:
    mismatches, far = furthest(attempt.evidence)
    return {"mismatches": mismatches, "max_difference": far}


def _cpu_ms(scorer: Scorer, frame: pd.DataFrame) -> float:
    """CPU time of one record through the graph: the best mean of a few rounds, in milliseconds."""
    feed, rounds = scorer.feed(frame.head(1)), []
    for _ in range(5):
        start = time.process_time()
        for _ in range(20):
            scorer.run(feed)
        rounds.append((time.process_time() - start) / 20 * 1000)
    return min(rounds)


def _prove(scorer: Scorer, trials: Trials, members: Mapping[str, Predictions], tolerance: float) -> Evidence:
    answer = scorer.answers(trials.rows)
    return with_members(measure_parity(trials, scorer.predictions(answer), tolerance), scorer, trials, members, answer)


def _without_rounding(
    estimator: Any,
    frame: pd.DataFrame,
    name: str,
    trials: Trials,
    members: Mapping[str, Predictions],
    best: Attempt,
    tolerance: float,
) -> Evidence:
    """The evidence, with boundary rows set apart that differ only since the preprocessing ends in another last bit.

    Whether it does is looked at: the preprocessing alone is exported, and its numbers are held against the
    estimator's bit by bit. On the same numbers the model itself has no excuse.
    """
    records = best.evidence.records
    suspects = (trials.family == "boundary") & (records["mismatch"] | (records["difference"] > tolerance)).to_numpy()
    if not suspects.any():
        return best.evidence
    rounded = np.zeros(len(suspects), dtype=bool)
    rounded[suspects] = preprocessing_differs(estimator, frame, trials.rows[suspects], name, best.precision)
    family = np.where(rounded, "rounding", trials.family)
    return _prove(Scorer(best.graph), replace(trials, family=family), members, tolerance)
