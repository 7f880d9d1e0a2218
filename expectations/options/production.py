"""What a release spec may say of the check `production`."""

from pydantic import Field

from expectations.parts import Part


class Production(Part):
    """Training data against recent production data."""

    days: float = Field(default=30, gt=0, le=3650, description="How far back production data is taken")
    source: str | None = Field(
        default=None,
        description="One of data.sources that holds production rows; default: what the gateways wrote down",
    )
