"""The dossier's machine-readable form: its schema, published as docs/dossier.schema.json."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from expectations.verdicts import Outcome

FORMAT = "seatrial.dossier/2"


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Metric(_Told):
    """One figure; null where it is not known or not finite."""

    metric: str
    value: float | None
    lower: float | None = Field(description="Lower end of the 95 % interval")
    upper: float | None = Field(description="Upper end of the 95 % interval")
    n: int = Field(description="Records behind it")
    n_required: int = Field(description="Records that it takes to judge it")


class Records(_Told):
    """The records behind the metrics: how many, and the worst of them."""

    count: int
    worst_by: str | None
    worst: list[dict[str, Any]]


class Measured(_Told):
    """What one step measured."""

    metrics: list[Metric]
    records: Records
    facts: dict[str, Any]


class Judged(_Told):
    """One expectation and what came of it."""

    step: str
    expectation: str
    outcome: Outcome
    severity: Literal["critical", "warning"]
    expected: str
    found: str
    remedy: str
    waived: str = Field(default="", description="Who let it through all the same, until when and why")


class Tier(_Told):
    """The risk tier: what the team declared, what holds, and why."""

    declared: int
    effective: int
    raised_by: list[str]
    also: list[str] = Field(description="Checks besides those of the tier")
    words: str


class Waived(_Told):
    """A finding that does not stop the release, since somebody answers for it."""

    check: str
    expectation: str
    found: str
    waived: str


class Released(_Told):
    """Which release it is about."""

    id: str
    model: str
    as_of: str
    candidate: str | None
    champion: str | None = Field(description="The release that served when this one was judged")
    versions: dict[str, str]
    approvals_needed: int
    next_step: str
    tier: Tier | None = None
    waived: list[Waived] = Field(default=[], description="The findings that a named person let through")


class Card(_Told):
    """The model card."""

    name: str | None
    description: str
    answers: str
    intended_use: str
    out_of_scope: str
    owner: str
    developers: list[str]
    target: str | None
    trained_on: str
    people_it_is_about: str
    quality: dict[str, list[float | None]] = Field(description="value, lower and upper of each metric")


class Dossier(_Told):
    """Everything about one release."""

    format: Literal["seatrial.dossier/2"]
    release: Released
    outcome: Outcome
    sentence: str
    findings: list[Judged]
    unknown: list[str] = Field(description="What nobody knows, in sentences")
    evidence: dict[str, Measured]
    package: dict[str, Any] | None = Field(description="The snapshot's manifest")
    spec: dict[str, Any] = Field(description="The release spec with its defaults")
    card: Card
    limits: list[str]
