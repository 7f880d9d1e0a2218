"""What a release spec may say of the check `stability`."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from expectations.parts import Part

Noise = Annotated[FiniteFloat, Field(gt=0)]


class Stability(Part):
    """How much a slight change of a record, and time, may change the answer."""

    noise: dict[str, Noise] = Field(
        default_factory=dict,
        description="What a slight change of a number column is, in its unit; default a twentieth of its spread",
    )
    flips: float = Field(
        default=0.1, gt=0, le=0.1, description="Share of records whose decision a slight change of one column may flip"
    )
    jump: float = Field(
        default=0.25,
        gt=0,
        le=0.25,
        description="An answer jumps when it moves by more: of the probabilities, or in deviations of the target",
    )
    monotone: dict[str, Literal["increasing", "decreasing"]] = Field(
        default_factory=dict, description="Number columns with which the answer must only grow, or only fall"
    )
    monotone_slack: float = Field(
        default=0.01, ge=0, description="So much against the claim is no violation; in the unit of `jump`"
    )
    violations: float = Field(
        default=0.01, gt=0, le=0.01, description="Share of records in which a monotone claim may be broken"
    )
    windows: int = Field(default=3, ge=2, le=20, description="Refits over event_time in the back-test")
    decay: float = Field(
        default=0.05, gt=0, le=0.05, description="By how much the loss may grow a month, as a share of the mean loss"
    )
