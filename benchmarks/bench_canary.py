"""When is a release rolled back, rightly and wrongly? Seatrial's judge beside what the field does. `make bench-canary`.

Simulated releases, 50 requests a minute to each arm, 5 % errors of the champion, four hours, looked at each minute (by
Seatrial each 30 seconds). First every rule as it is set in the field; then every rule with the level at which it rolls
back as many of *other* good releases as Seatrial does, which nobody can set who does not know the champion's rate.
Writes the tables of docs/rollout.md, between their marks. Two minutes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.canary_rules import BASE, BOUND, FIVE, OURS, PER_ARM, PER_MINUTE, PLAIN, RULES, Rule, Traffic, few
from benchmarks.results import Claim, write_results
from expectations.sequential.betting import evidence
from expectations.sequential.metric import HOLD
from expectations.sequential.ticks import Blocks, Numbers

RELEASES, MINUTES, ALPHA = 1000, 240, 0.05
TICKS = MINUTES * PER_MINUTE
DOCS = Path(__file__).parents[1] / "docs" / "rollout.md"
BEGIN, END = "<!-- the tables below are written by make bench-canary -->", "<!-- end of the tables -->"


@dataclass(frozen=True)
class Scenario:
    """The challenger's error rate is `ratio` times the champion's from minute `start` on; or that of both arms."""

    name: str
    ratio: float
    start: int = 0
    both: bool = False

    def traffic(self, seed: int, releases: int = RELEASES) -> Traffic:
        """So many releases."""
        rates = np.full((TICKS, 2), BASE)
        rates[self.start * PER_MINUTE :, 0 if self.both else 1 :] *= self.ratio
        return Traffic(np.random.default_rng(seed).binomial(PER_ARM, rates, (releases, TICKS, 2)).astype(np.float64))


GOOD, WORSE = Scenario("good", 1), Scenario("both arms twice as bad after an hour", 2, 60, both=True)
FAULTS = (
    Scenario("1.5×", 1.5),
    Scenario("2×", 2),
    Scenario("3×", 3),
    Scenario("1.5× after an hour", 1.5, 60),
    Scenario("2× after an hour", 2, 60),
)
SEEDS = {one.name: seed for seed, one in enumerate((GOOD, WORSE, *FAULTS))}
TUNING_SEED = 100


@dataclass(frozen=True)
class Score:
    """How one rule did. `bad` are the errors that a faulty challenger served, on average; `found` the share in an hour.

    `requests` is the median of what the challenger served from the fault on until it was found.
    """

    rule: Rule
    false_60: float
    false_240: float
    false_worse: float
    found: Mapping[str, float]
    requests: Mapping[str, float]
    bad: Mapping[str, float]
    missed: Mapping[str, float]

    @property
    def all_bad(self) -> float:
        """Over all faults, each as often."""
        return sum(self.bad.values())


def rolled_back(rule: Rule, path: Numbers) -> Numbers:
    """(R,) the tick after which each release was rolled back; one more than there are where it was not."""
    hit = path >= rule.level
    ticks = (hit.argmax(axis=1) + 1) * round(rule.minutes_each * PER_MINUTE)
    return np.where(hit.any(axis=1), ticks, TICKS + 1).astype(np.float64)


def score(rule: Rule, paths: Mapping[str, Numbers], traffics: Mapping[str, Traffic]) -> Score:
    """Of the statistic's paths by scenario."""
    good, worse = (rolled_back(rule, paths[one.name]) for one in (GOOD, WORSE))
    ends = {one.name: rolled_back(rule, paths[one.name]) for one in FAULTS}
    after = {one.name: ends[one.name] - one.start * PER_MINUTE for one in FAULTS}
    return Score(
        rule,
        *(float(np.mean(good <= minutes * PER_MINUTE)) for minutes in (60, MINUTES)),
        float(np.mean(worse <= TICKS)),
        {name: float(np.mean(ticks <= 60 * PER_MINUTE)) for name, ticks in after.items()},
        {name: float(np.median(ticks) * PER_ARM) for name, ticks in after.items()},
        {one.name: _bad_served(traffics[one.name], ends[one.name], one.start) for one in FAULTS},
        {name: float(np.mean(ticks > TICKS)) for name, ticks in ends.items()},
    )


def _bad_served(traffic: Traffic, ends: Numbers, start: int) -> float:
    served = np.cumsum(traffic.errors[:, start * PER_MINUTE :, 1], axis=1)
    until = np.clip(ends - start * PER_MINUTE, 0, served.shape[1]).astype(int)
    return float(np.concatenate([np.zeros((len(served), 1)), served], axis=1)[np.arange(len(served)), until].mean())


def tuned(rule: Rule, on_good: Numbers, rate: float) -> Rule:
    """With the lowest level at which no more than `rate` of good releases are rolled back."""
    highest = on_good.max(axis=1)
    levels = np.append(np.unique(highest), np.nextafter(highest.max(), np.inf))
    level = next(level for level in levels if np.mean(highest >= level) <= rate)
    return replace(rule, level=float(level))


def measure() -> tuple[list[Score], list[Score]]:
    """Every rule as it is set, then every rule with Seatrial's rate of false alarms; Seatrial first."""
    traffics = {one.name: one.traffic(SEEDS[one.name]) for one in (GOOD, WORSE, *FAULTS)}
    spare, scores, level = GOOD.traffic(TUNING_SEED), [], []
    rate = float(np.mean(OURS.path(spare).max(axis=1) >= OURS.level))
    for rule in (OURS, PLAIN, FIVE, *RULES, BOUND):
        paths = {name: rule.path(traffic) for name, traffic in traffics.items()}
        scores.append(score(rule, paths, traffics))
        if rule.tunable:
            level.append(score(tuned(rule, rule.path(spare), rate), paths, traffics))
    return scores, level


@cache
def _drawn(ratio: float, releases: int) -> Traffic:
    return Scenario("", ratio).traffic(200 + round(100 * ratio), releases)


@cache
def decisions(ratio: float, tolerance: float, releases: int = RELEASES) -> tuple[float, float, float]:
    """Shares of releases that are advanced, and rolled back, in four hours; the challenger's requests until advanced.

    The judge's own order: what is rolled back first is never advanced.
    """
    traffic = _drawn(ratio, releases)
    odds = OURS.path(traffic)
    count = np.full_like(traffic.errors, PER_ARM)
    blocks = (Blocks(count[some], traffic.errors[some], 0 * count[some]).swapped() for some in few(releases))
    shown = np.concatenate([evidence(one, -tolerance)[..., 0] for one in blocks]) >= -np.log(ALPHA)
    backs = rolled_back(OURS, odds)
    advanced = rolled_back(replace(OURS, level=1), (shown & (odds < np.log(HOLD))).astype(np.float64))
    went = advanced < backs
    return float(went.mean()), float((backs < advanced).mean()), float(np.median(advanced) * PER_ARM)


# What the defaults watch, with a usual level: name, level, tolerance.
USUAL = (
    ("errors, 0.1 %", 0.001, 0.01),
    ("errors, 1 %", 0.01, 0.01),
    ("errors, 5 %", 0.05, 0.01),
    ("latency, 5 % over p95", 0.05, 0.02),
    ("guards, 8 %", 0.08, 0.02),
    ("quality, 10 % wrong", 0.10, 0.02),
)
GATES = ((0.01, 0.05), (0.05, 0.25), (0.25, 0.5), (0.5, 1.0))


def needed(level: float, tolerance: float, share: float, next_share: float, releases: int = 40) -> float:
    """The median of the challenger's requests in a step until an equal challenger is shown to be tolerable."""
    ticks, each = 3000, 10
    count = np.broadcast_to(each * np.array([(1 - share) / share, 1.0]), (releases, ticks, 2)).round()
    errors = np.random.default_rng(7).binomial(count.astype(int), level).astype(np.float64)
    blocks = Blocks(count, errors, np.zeros_like(errors)).swapped()
    bound = min(1.0, tolerance / next_share)
    parts = (Blocks(blocks.count[s], blocks.total[s], blocks.spread[s]) for s in few(releases, 20))
    shown = np.concatenate([evidence(one, -bound)[..., 0] for one in parts]) >= -np.log(ALPHA)
    return float(np.median(np.where(shown.any(axis=1), shown.argmax(axis=1) + 1, np.inf)) * each)


def tables(scores: Sequence[Score], level: Sequence[Score]) -> str:
    """All of them, in Markdown."""
    bound = [one for one in level if one.rule.name == BOUND.name]
    ranked = sorted((one for one in level if one not in bound), key=lambda one: one.all_bad)
    return "\n\n".join([_as_set(scores), _tuned([*ranked, *bound]), _advances(), _needed()])


def _as_set(scores: Sequence[Score]) -> str:
    rows = [
        f"| {one.rule.name} | {one.false_60:.3f} | {one.false_240:.3f} | {one.false_worse:.3f} | "
        + " | ".join(f"{one.found[name]:.2f} ({_number(one.requests[name])})" for name in ("1.5×", "2×"))
        + f" | {_number(one.requests['2× after an hour'])} |"
        for one in scores
        if one.rule.name != BOUND.name
    ]
    head = (
        "| rule, as it is set | good, rolled back in 60 min | in 240 min | both arms worse: in 240 min "
        "| 1.5× found in 60 min (requests) | 2× | 2× after an hour (requests) |\n|---|---|---|---|---|---|---|"
    )
    return "\n".join(["### As they are set", "", head, *rows])


def _tuned(level: Sequence[Score]) -> str:
    names = [one.name for one in FAULTS]
    rows = [
        f"| {one.rule.name.split(',')[0] if one.rule.name != OURS.name else OURS.name} | {one.false_240:.3f} | "
        f"{one.false_worse:.3f} | " + " | ".join(f"{one.bad[name]:.0f}" for name in names) + f" | {one.all_bad:.0f} |"
        for one in level
    ]
    head = f"| rule, tuned | good, rolled back | both arms worse | {' | '.join(names)} | sum |"
    return "\n".join(
        ["### Bad requests served, at the same rate of false alarms", "", head, "|" + "---|" * (len(names) + 4), *rows]
    )


def _advances() -> str:
    asked = ((0.8, 0.01), (1, 0.01), (1, 0.02), (1, 0.04), (1.2, 0.01), (1.4, 0.02), (1.5, 0.01), (2, 0.01))
    rows = []
    for ratio, tolerance in asked:
        up, down, requests = decisions(ratio, tolerance)
        kind = "bad" if ratio > 1 else "good"
        told = _number(requests) if up > 0.5 else "–"
        rows.append(f"| {ratio:g}× ({kind}) | {100 * tolerance:g} points | {up:.3f} | {down:.3f} | {told} |")
    head = (
        "| challenger's errors | tolerated | advanced | rolled back | requests until advanced |\n|---|---|---|---|---|"
    )
    return "\n".join(["### What advances in four hours", "", head, *rows])


def _needed() -> str:
    rows = []
    for name, base, tolerance in USUAL:
        counts = [_number(needed(base, tolerance, *gate)) for gate in GATES]
        rows.append(f"| {name} | {100 * tolerance:g} points | {' | '.join(counts)} |")
    gates = " | ".join(f"{100 * share:g} → {100 * after:g} %" for share, after in GATES)
    head = f"| watched, champion's level | tolerance | {gates} |\n|{'---|' * (len(GATES) + 2)}"
    return "\n".join(["### The challenger's requests or labels that a step needs (median)", "", head, *rows])


def _number(value: float) -> str:
    return "before it" if value <= 0 else f"{value:,.0f}" if np.isfinite(value) else "not in 30,000"


def claims(scores: Sequence[Score], level: Sequence[Score]) -> list[Claim]:
    """What the requirements ask, with their goals."""
    ours, field = level[0], [one for one in level[1:] if one.rule.name not in (BOUND.name, PLAIN.name)]
    best = min(field, key=lambda one: one.all_bad)
    worst = max(ours.bad[name] / min(one.bad[name] for one in field) for name in ours.bad)
    bound = next(one for one in level if one.rule.name == BOUND.name)
    ours = scores[0]
    told = [
        ("false_rollbacks_240min", ours.false_240, "share", f"<= {ALPHA}"),
        ("false_rollbacks_both_arms_worse", ours.false_worse, "share", f"<= {ALPHA}"),
        ("found_1.5x_within_60min", ours.found["1.5×"], "share", "stated"),
        ("found_2x_within_60min", ours.found["2×"], "share", ">= 0.99"),
        ("missed_1.5x_240min", ours.missed["1.5×"], "share", "0"),
        ("requests_until_1.5x", ours.requests["1.5×"], "requests", "stated"),
        ("requests_until_2x", ours.requests["2×"], "requests", "stated"),
        ("requests_until_2x_after_an_hour", ours.requests["2× after an hour"], "requests", "stated"),
        (
            "requests_until_2x_after_an_hour_without_restarts",
            scores[1].requests["2× after an hour"],
            "requests",
            "stated",
        ),
        ("bad_requests_against_best_rule", ours.all_bad / best.all_bad, "ratio", "<= 1"),
        ("bad_requests_worst_fault_against_its_best_rule", worst, "ratio", "stated"),
        ("bad_requests_against_a_cusum_that_knows_all", ours.all_bad / bound.all_bad, "ratio", "stated"),
        ("false_advances_at_the_tolerance", decisions(1.2, 0.01)[0], "share", f"<= {ALPHA}"),
        ("false_advances_1.5x", decisions(1.5, 0.01)[0], "share", f"<= {ALPHA}"),
    ]
    return [{"name": name, "value": round(value, 4), "unit": unit, "goal": goal} for name, value, unit, goal in told]


def main() -> None:
    """Measures, prints, and writes the tables and the claims."""
    scores, level = measure()
    text = tables(scores, level)
    print(text)
    before, after = DOCS.read_text().split(BEGIN)[0], DOCS.read_text().split(END)[1]
    DOCS.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
    print(write_results("canary", ("numpy", "scipy"), claims(scores, level)))


if __name__ == "__main__":
    main()
