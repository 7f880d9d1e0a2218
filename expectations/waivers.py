"""Downwards only by name: a person lets one finding through, until a day, and everybody can see it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from expectations.graph import standing
from expectations.people import APPROVES
from expectations.risk import Risk, Waiver
from expectations.state import State, name_of
from expectations.suites.interactions import DOWNSTREAM
from expectations.tiers import Tier
from expectations.verdicts import Finding, Outcome

STEP, INTERACTIONS = "waivers", "interactions"
# Nothing that is measured later would be about the model that was trained.
NEVER = frozenset({"conversion", "package", STEP})


@dataclass(frozen=True)
class Waivers:
    """The waivers of a release, as they stand on a day among the people of its store.

    `owners` of the models in its graph: what hurts a model downstream, its own owner alone lets through.
    """

    given: tuple[Waiver, ...]
    tier: Tier
    people: Mapping[str, frozenset[str]]
    today: date
    owners: Mapping[str, str] = field(default_factory=dict)

    def let_through(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings; those that a standing waiver names are warned of, and say by whom and why."""
        return [self._waived(finding) for finding in findings]

    def _waived(self, finding: Finding) -> Finding:
        standing = (one for one in self.given if _names(one, finding) and not self.void(one))
        waiver = next(standing, None)
        if waiver is None or finding.outcome not in self.tier.waivable:
            return finding
        told = f"Waived by {waiver.by} until {waiver.until}: {waiver.reason}"
        found = f"{finding.found} ({finding.outcome})"
        return replace(finding, outcome=Outcome.WARNED, found=found, remedy=told, waived=told)

    def void(self, waiver: Waiver) -> str:
        """Why a waiver does not count; empty where it does."""
        if self.today > waiver.until:
            return f"it expired on {waiver.until}"
        if waiver.check in NEVER:
            return f"{waiver.check} cannot be waived: nothing else would be about the model that was trained"
        if not self.people.get(name_of(waiver.by), frozenset()) & APPROVES:
            return f"{waiver.by} has no role in this store that approves ({', '.join(sorted(APPROVES))})"
        return self._not_theirs(waiver)

    def _not_theirs(self, waiver: Waiver) -> str:
        """Why it is not for this person to say: the finding is about another model, and they do not own it."""
        if waiver.check != INTERACTIONS or not waiver.expectation.startswith(DOWNSTREAM):
            return ""
        model = waiver.expectation.removeprefix(DOWNSTREAM)
        owner = self.owners.get(model, "")
        if not owner:
            return f"this ledger does not know who owns {model}"
        return "" if name_of(waiver.by) == name_of(owner) else f"{model} is {owner}'s: {waiver.by} cannot speak for it"

    def told(self, findings: Iterable[Finding]) -> list[Finding]:
        """One finding for each waiver: what became of it. A waiver that does not count is warned of."""
        findings = list(findings)
        return [self._told(one, next((f for f in findings if _names(one, f)), None)) for one in self.given]

    def _told(self, waiver: Waiver, finding: Finding | None) -> Finding:
        what, expected = f"{waiver.check}: {waiver.expectation}", "a waiver that is needed and stands"
        if finding is not None and finding.waived:
            return Finding(STEP, what, Outcome.WARNED, "warning", expected, f"used: {waiver.by}, until {waiver.until}")
        remedy = "Take it out of risk.waivers, or have it renewed by who may."
        return Finding(STEP, what, Outcome.WARNED, "warning", expected, self._why_not(waiver, finding), remedy)

    def _why_not(self, waiver: Waiver, finding: Finding | None) -> str:
        if reason := self.void(waiver):
            return f"void: {reason}"
        if finding is None:
            return "not used: no finding has this name"
        if finding.outcome.lets_through:
            return f"not needed: it {finding.outcome}"
        allowed = " and ".join(self.tier.waivable)
        return f"void: {finding.outcome} is not waived at tier {self.tier.level}, only {allowed}"


def waivers_of(risk: Risk, state: State, today: date) -> Waivers:
    """The waivers of a spec, among the people whom the ledger knows."""
    people = {name: frozenset(person.roles) for name, person in state.people.items()}
    owners = {name: release.owner for name in risk.graph.feeds if (release := standing(state, name))}
    return Waivers(risk.waivers, risk.held_to, people, today, owners)


def used(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """What the ledger is told of the waivers that let a finding through."""
    return [
        {"check": one.step, "expectation": one.expectation, "found": one.found, "waived": one.waived}
        for one in findings
        if one.waived
    ]


def _names(waiver: Waiver, finding: Finding) -> bool:
    return (waiver.check, waiver.expectation) == (finding.step, finding.expectation)
