"""Has every known origin of risk a check that let the release through? What nobody looked at is not safe."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from expectations.tiers import NOTHING_OPEN_FROM, Tier
from expectations.verdicts import Finding, Outcome, worst

STEP = "coverage"


@dataclass(frozen=True)
class Origin:
    """Where risk comes from, which steps look at it, and which written answers belong to it."""

    key: str
    title: str
    checks: tuple[str, ...]
    answers: tuple[str, ...] = ()


# A written answer never covers an origin by itself: something must have been measured.
ORIGINS = (
    Origin(
        "mistakes",
        "Errors of design, training and evaluation",
        ("quality", "comparison", "slices", "stability", "scenarios", "explanations", "leakage"),
    ),
    Origin("run_time", "Run-time or conversion that does not fit", ("conversion", "package", "latency")),
    Origin("bad_data", "Bad training data", ("data", "poisoning", "leakage")),
    Origin("other_data", "Production that is not like training", ("production", "guards", "stability")),
    Origin("costly_errors", "Errors with costly consequences", ("costs",), ("financial", "safety")),
    Origin("misuse", "Outputs that are misused or misread", ("calibration", "guards"), ("misuse",)),
    Origin(
        "adversaries", "Adversaries", ("robustness", "gaming", "poisoning", "leakage"), ("extraction", "commercial")
    ),
    Origin("legal", "Law: copyright, licences, liability", ("provenance",), ("legal",)),
    Origin("reputation", "Reputation: bias, ethics", ("fairness", "slices"), ("reputation", "worst_behaviour")),
)


@dataclass(frozen=True)
class Covered:
    """One origin, what its checks said, and whether at least one that applies let the release through."""

    origin: Origin
    results: Mapping[str, Outcome]
    asked: bool

    @property
    def holds(self) -> bool:
        """Not applicable covers nothing: there was nothing to ask of."""
        return any(one.lets_through and one is not Outcome.NOT_APPLICABLE for one in self.results.values())

    @property
    def words(self) -> str:
        """What each of its checks said."""
        told = "; ".join(f"{step} {outcome}" for step, outcome in self.results.items())
        return told or f"{', '.join(self.origin.checks)}: not asked"


def coverage(findings: Iterable[Finding], asked: Iterable[str]) -> list[Covered]:
    """One row an origin; `asked` are the steps that this release's tier asks for, besides those of every release."""
    found: dict[str, list[Outcome]] = {}
    for finding in findings:
        found.setdefault(finding.step, []).append(finding.outcome)
    known = {*found, *asked}
    return [
        Covered(
            origin,
            {step: worst(found[step]) for step in origin.checks if step in found},
            any(step in known for step in origin.checks),
        )
        for origin in ORIGINS
    ]


def judge_coverage(rows: Iterable[Covered], tier: Tier) -> list[Finding]:
    """One finding an origin. One that is uncovered stops a release from tier 3 on; below, it is warned of where the
    tier asks for one of its checks, and told as not applicable where it does not."""
    return [_finding(row, tier) for row in rows]


def _finding(row: Covered, tier: Tier) -> Finding:
    severity = "critical" if tier.level >= NOTHING_OPEN_FROM else "warning"
    expected = f"{row.origin.title}: at least one check that applies lets it through"
    remedy = "" if row.holds else _remedy(row)
    return Finding(STEP, row.origin.key, _outcome(row, tier), severity, expected, row.words, remedy)


def _outcome(row: Covered, tier: Tier) -> Outcome:
    if row.holds:
        return Outcome.PASSED
    if tier.level >= NOTHING_OPEN_FROM:
        return Outcome.FAILED
    return Outcome.WARNED if row.asked else Outcome.NOT_APPLICABLE


def _remedy(row: Covered) -> str:
    excused = [step for step, outcome in row.results.items() if outcome is Outcome.NOT_APPLICABLE]
    if excused and len(excused) == len(row.results):
        told = f"Give {', '.join(excused)} something to ask of (its reason stands beside it)"
    else:
        told = f"Mend what {', '.join(row.results or row.origin.checks)} found"
    return f"{told}, or have coverage: {row.origin.key} waived by name (risk.waivers)."
