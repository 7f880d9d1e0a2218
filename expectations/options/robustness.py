"""What a release spec may say of the check `robustness`."""

from pydantic import Field

from expectations.parts import Part


class Robustness(Part):
    """What a plausible small change is, and how many records are tried."""

    immutable: tuple[str, ...] | None = Field(
        default=None, description="Columns that no attack changes; default: the protected ones"
    )
    small: float = Field(
        default=0.1, ge=0.1, le=1, description="A small change of one number, in spreads of its column (IQR / 1.349)"
    )
    turns: float | None = Field(
        default=None,
        gt=0,
        description="Regression: the answer has turned when it moves by more than this, in the "
        "target's unit; default: the target's standard deviation",
    )
    records: int = Field(default=1000, ge=100, le=20_000, description="Test records at most; no fewer than the tier's")
    attacked: int = Field(
        default=400, ge=50, le=20_000, description="Of them, for so many the nearest turned decision is searched"
    )
