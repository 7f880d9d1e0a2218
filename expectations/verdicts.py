"""Outcomes, their one order, and what a judge says."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What a judge can say. The order of the members is the order of `worst`, best first."""

    NOT_APPLICABLE = "not applicable"
    PASSED = "passed"
    WARNED = "warned"
    INCONCLUSIVE = "inconclusive"
    ERRORED = "errored"
    FAILED = "failed"

    @property
    def lets_through(self) -> bool:
        """Inconclusive and errored never do."""
        return self in (Outcome.NOT_APPLICABLE, Outcome.PASSED, Outcome.WARNED)


_RANK = {outcome: rank for rank, outcome in enumerate(Outcome)}


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst of many; of none, inconclusive: nobody asked, so nothing is known."""
    return max(outcomes, key=_RANK.__getitem__, default=Outcome.INCONCLUSIVE)


@dataclass(frozen=True)
class Finding:
    """One expectation judged. `expected`, `found` and `remedy` are words for a person; `waived` says who let it through
    all the same, until when and why."""

    step: str
    expectation: str
    outcome: Outcome
    severity: str
    expected: str
    found: str
    remedy: str = ""
    waived: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "outcome": self.outcome.value}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Finding":
        """The inverse of `as_json`."""
        return cls(**{**values, "outcome": Outcome(values["outcome"])})
