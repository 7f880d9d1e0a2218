"""Can an attacker tell who was in the training data, and are records known by heart?

Two attacks, on losses of the answers that callers get: a plain threshold (Yeom et al. 2018), and one that takes off
how hard each record is, told by a *shadow* that was trained without it (Watson et al. 2022). The shadow is the
candidate's kind trained on half of the training rows: members are rows of the other half, so it knows neither them nor
the test rows.
"""

from dataclasses import dataclass

import numpy as np

from expectations.serving_spec import Serving
from expectations.tiers import SURELY
from infra.runtime import Predictions
from tasks.qualification.answers_seen import seen_by_callers
from tasks.qualification.areas import (
    advantage,
    area,
    caught,
    caught_now,
    interval,
    records_for_false,
    sure_area,
    sure_share,
)
from tasks.qualification.case import Case
from tasks.qualification.matrix import Flags, Floats

MOST = 3_000
FALSE = 0.01
# Of a regression: the shadow is wrong by this many standard deviations of the target, the package by at most this
# share of it.
WRONG, BY_HEART = 0.25, 0.05
# Fewer records that a shadow gets wrong cannot show that nine of ten are known by heart; where it hardly gets any
# wrong there is nothing to know by heart.
ENOUGH_WRONG, HARDLY = 51, 0.05
Row = tuple[str, float, float, float, int, int]


@dataclass(frozen=True)
class Told:
    """What package and shadow say of the members (m,) and of the others (n,): their losses, and what is by heart."""

    losses: tuple[Floats, Floats]
    shadow: tuple[Floats, Floats] | None
    wrong: tuple[Flags, Flags] | None
    known: tuple[Flags, Flags] | None
    words: str


def told_of(case: Case, serving: Serving) -> Told:
    """Asks the package, and a shadow where the candidate's kind can be trained again."""
    order = np.random.default_rng(case.seed).permutation(len(case.train))
    half = len(order) // 2
    learned, members = order[:half][:MOST], order[half:][:MOST]
    inside, outside = case.train.iloc[members], case.test.head(MOST)
    truths = (case.truth(case.known.iloc[members]), case.actual[:MOST])
    answers = [seen_by_callers(case.ask(frame), serving) for frame in (inside, outside)]
    losses = _both([case.loss(truth, said) for truth, said in zip(truths, answers, strict=True)])
    try:
        shadow = case.refitted(case.train.iloc[learned], case.known.iloc[learned])
        others = [shadow(frame) for frame in (inside, outside)]
    except Exception as error:  # noqa: BLE001  A stranger's estimator may raise anything at all.
        return Told(losses, None, None, None, f"no shadow: {type(error).__name__}: {str(error)[:160]}")
    shadow_losses = _both([case.loss(truth, said) for truth, said in zip(truths, others, strict=True)])
    wrong = [_wrong(case, case.error(truth, said)) for truth, said in zip(truths, others, strict=True)]
    known = [
        _known(case, case.error(truth, mine), case.error(truth, theirs))
        for truth, mine, theirs in zip(truths, answers, others, strict=True)
    ]
    words = f"the candidate's kind on {len(learned):,} training rows; {len(members):,} others are the members"
    return Told(losses, shadow_losses, (wrong[0], wrong[1]), (known[0], known[1]), words)


def _both(pair: list[Floats]) -> tuple[Floats, Floats]:
    return pair[0], pair[1]


def _wrong(case: Case, error: Floats) -> Flags:
    return np.asarray(error > (0 if case.classifies else WRONG * case.scale))


def _known(case: Case, mine: Floats, shadow: Floats) -> Flags:
    return np.asarray(mine == 0 if case.classifies else mine <= BY_HEART * shadow)


def membership_rows(told: Told) -> list[Row]:
    """Each attack's area, advantage and catch at 1 % false alarms, with what is sure of the best."""
    attacks = {"loss": (-told.losses[0], -told.losses[1])}
    if told.shadow is not None:
        attacks["shadow"] = (told.shadow[0] - told.losses[0], told.shadow[1] - told.losses[1])
    m, n = len(told.losses[0]), len(told.losses[1])
    rows: list[Row] = []
    areas = []
    for name, (yes, no) in attacks.items():
        found = area(yes, no)
        areas.append(sure_area(found[0], m, n, SURELY / len(attacks)))
        rows += [
            (f"membership_auc:{name}", *found, m + n, 0),
            (f"membership_advantage:{name}", *advantage(yes, no), m + n, 0),
            (f"membership_caught_at_1pct:{name}", *_caught_interval(yes, no), m, 0),
        ]
    # The attack that is the better one where both can be made.
    caught_surely = caught(*attacks["shadow" if "shadow" in attacks else "loss"], FALSE, SURELY)
    return [
        *rows,
        ("surely_membership_auc", max(areas), np.nan, np.nan, min(m, n), ENOUGH_WRONG),
        ("surely_membership_caught_at_1pct", caught_surely, np.nan, np.nan, n, records_for_false(FALSE, SURELY)),
    ]


def _caught_interval(yes: Floats, no: Floats, resamples: int = 200) -> tuple[float, float, float]:
    """The share of members above the threshold of 1 % of the others; percentile bootstrap over both."""
    if not len(yes) or not len(no):
        return (np.nan,) * 3
    rng = np.random.default_rng(0)
    drawn = [caught_now(rng.choice(yes, len(yes)), rng.choice(no, len(no)), FALSE).mean() for _ in range(resamples)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(caught_now(yes, no, FALSE).mean()), float(low), float(high)


def by_heart_rows(told: Told) -> list[Row]:
    """Of records that a model of the kind gets wrong without having seen them: how many the package gets right."""
    if told.wrong is None or told.known is None:
        return [("surely_by_heart", np.nan, np.nan, np.nan, 0, ENOUGH_WRONG)]
    rows: list[Row] = []
    for name, wrong, known in zip(("by_heart", "by_heart_of_test"), told.wrong, told.known, strict=True):
        rows.append((name, *interval(int((wrong & known).sum()), int(wrong.sum())), int(wrong.sum()), 0))
    wrong, known = told.wrong[0], told.known[0]
    n, hits = int(wrong.sum()), int((wrong & known).sum())
    required = ENOUGH_WRONG if not len(wrong) or n > HARDLY * len(wrong) else 0
    return [*rows, ("surely_by_heart", sure_share(hits, n, SURELY), np.nan, np.nan, n, required)]


def gap_rows(case: Case) -> list[Row]:
    """How often training rows are answered exactly with their own truth, beside test rows."""
    inside = case.train.head(MOST)
    truths = (case.truth(case.known.head(MOST)), case.actual[:MOST])
    said: tuple[Predictions, Predictions] = (case.ask(inside), case.ask(case.test.head(MOST)))
    tiny = 0.0 if case.classifies else 1e-6 * case.scale
    exact = [case.error(truth, one) <= tiny for truth, one in zip(truths, said, strict=True)]
    return [
        (name, *interval(int(hits.sum()), len(hits)), len(hits), 0)
        for name, hits in zip(("exact_on_training", "exact_on_test"), exact, strict=True)
    ]
