"""How much is at stake: the tier that a team declares, what raises it, and the questions that nobody likes."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Literal

from pydantic import Field, field_validator

from expectations.parts import Part
from expectations.state import name_of
from expectations.tiers import ALL_CHECKS, TIERS, Level, Tier

HIGHEST = max(TIERS)
# Fewer words than these name neither what happens nor to whom: "none", "not applicable to us", "low risk".
WORDS = 8
# What `seatrial init` writes where an answer is due; none of its words counts as an answer.
PLACEHOLDER = "Write here, in words of your own: what can happen, to whom, and how bad is it?"
QUESTIONS = {
    "worst_behaviour": "What is the worst that the model can do, and to whom?",
    "extraction": "What could somebody learn of the data or of the model's logic by asking it?",
    "financial": "What can a wrong answer cost, whom, and how much at most?",
    "commercial": "What would a competitor or a customer do with its faults?",
    "legal": "Which laws, contracts and licences does it touch, and who is liable?",
    "safety": "Can anybody come to harm, in body or livelihood?",
    "reputation": "How would its worst answer read in a newspaper?",
    "misuse": "How can its outputs be misread or misused, and what is done against it?",
}


class Answers(Part):
    """The uncomfortable questions, answered in the team's own words. From tier 2 on each must be."""

    worst_behaviour: str = Field(default="", description=QUESTIONS["worst_behaviour"])
    extraction: str = Field(default="", description=QUESTIONS["extraction"])
    financial: str = Field(default="", description=QUESTIONS["financial"])
    commercial: str = Field(default="", description=QUESTIONS["commercial"])
    legal: str = Field(default="", description=QUESTIONS["legal"])
    safety: str = Field(default="", description=QUESTIONS["safety"])
    reputation: str = Field(default="", description=QUESTIONS["reputation"])
    misuse: str = Field(default="", description=QUESTIONS["misuse"])


class Waiver(Part):
    """A named person lets one finding through, for a time. It stands in the dossier and in the ledger."""

    check: str = Field(min_length=1, description="The step of the finding, as in the dossier")
    expectation: str = Field(min_length=1, description="The finding's name, as in the dossier")
    by: str = Field(min_length=1, description="Who answers for it: an owner, validator or risk officer, no developer")
    reason: str = Field(min_length=20, description="Why it may be let through, in a sentence")
    until: date = Field(description="The last day on which it counts")


class InGraph(Part):
    """What the ledger says of the model's place among others. A release fills it in; by hand it only raises."""

    feeds: tuple[str, ...] = Field(default=(), description="Models that hang on its outputs")
    cycle: tuple[str, ...] = Field(default=(), description="Models that feed each other in a circle, itself among them")
    chain: tuple[str, ...] = Field(default=(), description="A chain that is too long, from its first model to its last")


class Risk(Part):
    """How much is at stake. 1 little, 4 severe. Each of reach, pace and chained can raise the tier by one, and so can
    the graph of models."""

    tier: Level = 2
    reach: Literal["few", "many"] = Field(
        default="few", description="Whom its answers reach: many are thousands, or the public"
    )
    pace: Literal["slow", "fast"] = Field(
        default="slow", description="How fast the world that it predicts changes: fast is within weeks"
    )
    chained: tuple[str, ...] = Field(
        default=(), description="Models, or decisions that no person looks at, which take its outputs"
    )
    answers: Answers = Answers()
    graph: InGraph = InGraph()
    also: tuple[str, ...] = Field(default=(), description="Checks besides those of the tier")
    waivers: tuple[Waiver, ...] = ()

    @field_validator("also")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in ALL_CHECKS:
                near = difflib.get_close_matches(name, ALL_CHECKS, n=1)
                told = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(ALL_CHECKS)}"
                raise ValueError(f"{name!r} is no check; {told}")
        return names

    @property
    def why(self) -> tuple[str, ...]:
        """What speaks for a higher tier than the declared one, as sentences."""
        told = {
            "its answers reach many (risk.reach)": self.reach == "many",
            "the world that it predicts changes fast (risk.pace)": self.pace == "fast",
            self._fed: bool(self._fed),
            f"it is part of a cycle: {', '.join(self.graph.cycle)} (graph)": bool(self.graph.cycle),
            f"it is part of a chain of {len(self.graph.chain)} models (graph)": bool(self.graph.chain),
        }
        return tuple(sentence for sentence, holds in told.items() if holds)

    @property
    def _fed(self) -> str:
        """Who takes its outputs, by the spec's word and by the ledger's: one amplifier, whoever names it."""
        feeds = self.graph.feeds
        said = f"{', '.join(self.chained)} take its outputs (risk.chained)" if self.chained else ""
        many = "a model" if len(feeds) == 1 else f"{len(feeds)} models"
        known = f"its outputs feed {many}: {', '.join(feeds)} (graph)" if feeds else ""
        return ", and ".join(one for one in (said, known) if one)

    @property
    def level(self) -> int:
        """The tier that holds: the declared one, raised by one for each amplifier, and never above the highest."""
        return min(self.tier + len(self.why), HIGHEST)

    @property
    def held_to(self) -> Tier:
        """What the release is held to: its tier, and the checks that the spec asks for besides."""
        tier = TIERS[self.level]
        return replace(tier, checks=tuple(dict.fromkeys((*tier.checks, *self.also))))

    def told(self) -> dict[str, Any]:
        """Declared and effective tier and why, as ledger and dossier hold them."""
        return {"declared": self.tier, "effective": self.level, "raised_by": list(self.why), "also": list(self.also)}


def tier_words(told: Mapping[str, Any]) -> str:
    """`Risk.told` as a sentence."""
    declared, effective, why = told["declared"], told["effective"], list(told["raised_by"])
    also = f" Checks besides: {', '.join(told['also'])}." if told.get("also") else ""
    if not why:
        return f"Tier {declared}; nothing raises it.{also}"
    if declared == effective:
        return f"Tier {declared}, the highest; it would be raised, since {'; '.join(why)}.{also}"
    return f"Tier {declared} is declared, tier {effective} holds, since {'; '.join(why)}.{also}"


def by_developers(waivers: Iterable[Waiver], developers: Iterable[str]) -> list[str]:
    """Sentences about waivers that a developer gave to their own work."""
    theirs = {name_of(name) for name in developers}
    return [
        f"risk.waivers: {one.by} is a developer of the model and cannot waive {one.check}: {one.expectation}"
        for one in waivers
        if name_of(one.by) in theirs
    ]
