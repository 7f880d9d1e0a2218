"""What a release spec may say of the check `gaming`."""

from pydantic import Field

from expectations.parts import Part


class Gaming(Part):
    """Who wants what of the model. Columns with the role `actor_controlled` are the ones that people can change."""

    favourable: str | None = Field(
        default=None,
        description="What people want: positive or negative, a label, high or low; without a word every one is tried",
    )
    line: float | None = Field(
        default=None, description="Regression: the decision line, in the target's unit; whoever gets past it crosses"
    )
    gain: float | None = Field(
        default=None,
        gt=0,
        description="Regression without a line: who gains more than this crosses; default: the "
        "target's standard deviation",
    )
    at_most: float | None = Field(
        default=None, ge=0, le=1, description="Share that may cross; counts where it is less than the tier's"
    )
    none_because: str | None = Field(
        default=None, min_length=10, description="Why nobody controls any column, where no role says actor_controlled"
    )
    points: int = Field(default=20, ge=2, le=200, description="Values of one column that are tried, at most")
    records: int = Field(default=2500, ge=100, le=20_000, description="Test records at most; no fewer than the tier's")
