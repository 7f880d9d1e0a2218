"""What a release spec may say of the check `leakage`."""

from typing import Literal

from pydantic import Field

from expectations.parts import Part


class Leakage(Part):
    """What the model gives away, and what leaked into its training."""

    logic: Literal["open", "secret"] = Field(
        default="open",
        description="With secret, a copy made from callers' answers must not agree too often; otherwise it is told",
    )
    members: Literal["private", "public"] = Field(
        default="private",
        description="With public, it is no secret who is in the training data: that members can be told is a warning",
    )
    known_strong: tuple[str, ...] = Field(
        default=(), description="Features that may tell nearly everything alone, since a person knows why"
    )
    known_ahead: tuple[str, ...] = Field(
        default=(), description="Columns of times that lie in the future for good reason, such as a due date"
    )
    duplicates: float = Field(
        default=0.01, ge=0, le=0.01, description="Share of the test rows that training may hold too, with their answer"
    )
