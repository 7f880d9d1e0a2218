"""What a release spec may say of the check `interactions`."""

from pydantic import Field

from expectations.parts import Part


class Interactions(Part):
    """Models that take this one's outputs, and columns that are other models' outputs (`data.upstream`)."""

    confirmed: float = Field(
        default=0.95, ge=0.95, le=1, description="Share of rows on which a declared column must be what was answered"
    )
