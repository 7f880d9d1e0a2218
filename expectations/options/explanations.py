"""What a release spec may say of the check `explanations`."""

from pydantic import Field

from expectations.parts import Part


class Explanations(Part):
    """How much is asked of the package to explain it. The defaults take some 100,000 predictions for 30 columns."""

    records: int = Field(default=1000, ge=100, le=20_000, description="Test records at most; no fewer than the tier's")
    repeats: int = Field(default=2, ge=2, le=50, description="How often each column is shuffled")
    explained: int = Field(default=40, ge=1, le=1000, description="Records drawn by chance whose answers are explained")
    background: int | None = Field(
        default=None, ge=2, le=1000, description="Training rows that an explained record is held against; by budget"
    )
